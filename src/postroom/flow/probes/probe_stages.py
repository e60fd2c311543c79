"""A test's stages for people and scripts, composed from the session's events."""

from collections.abc import Iterable
from typing import Any

from postroom.smtp.text import printable
from postroom.smtp.trace import Event, StageEnded, StageStarted
from postroom.terms.outcome import Stage, StageStatus
from postroom.terms.server import Auth, Security, ServerSettings

from .stage_detail import passed_details

_STARTTLS_ORDER = tuple(Stage)
# RFC 8314 section 3: with implicit TLS the handshake comes before the greeting.
_TLS_ORDER = (
    Stage.RESOLVE, Stage.CONNECT, Stage.STARTTLS, Stage.CERTIFICATE, Stage.GREETING, Stage.EHLO, Stage.AUTHENTICATE,
    Stage.SENDER, Stage.RECIPIENT, Stage.MESSAGE,
)
_MAIL_STAGES = (Stage.SENDER, Stage.RECIPIENT, Stage.MESSAGE)
DETAIL_CHARACTERS = 200


def stages_of(events: Iterable[Event], settings: ServerSettings, *, send: bool, over: bool) -> list[dict[str, Any]]:
    """One dict of name, status, ms and detail for each stage, in the order in which the session goes through them.

    `over` tells that nothing more will come: what did not happen was not reached.
    """
    events = tuple(events)
    started: dict[Stage, float] = {}
    ended: dict[Stage, StageEnded] = {}
    for event in events:
        if isinstance(event, StageStarted):
            started[event.stage] = event.at_s
            ended.pop(event.stage, None)
        elif isinstance(event, StageEnded):
            ended[event.stage] = event
    order = _TLS_ORDER if settings.security is Security.TLS else _STARTTLS_ORDER
    seen = passed_details(events)
    return [_stage(s, started.get(s), ended.get(s), settings, send, over, seen.get(s, "")) for s in order]


def _stage(
    stage: Stage, began_s: float | None, end: StageEnded | None, settings: ServerSettings, send: bool, over: bool,
    seen: str,
) -> dict[str, Any]:
    if end is not None:
        status = StageStatus.PASSED if end.passed else StageStatus.FAILED
    elif _is_not_needed(stage, settings, send):
        status = StageStatus.NOT_NEEDED
    elif over:
        status = StageStatus.NOT_REACHED
    else:
        status = StageStatus.WAITING if began_s is None else StageStatus.RUNNING
    ms = round((end.at_s - began_s) * 1_000) if end is not None and began_s is not None else None
    detail = printable((seen if end.passed else "") or end.detail, DETAIL_CHARACTERS) if end else ""
    return {"name": str(stage), "status": str(status), "ms": ms, "detail": detail}


def _is_not_needed(stage: Stage, settings: ServerSettings, send: bool) -> bool:
    if stage in (Stage.STARTTLS, Stage.CERTIFICATE):
        return settings.security is Security.NONE
    if stage is Stage.AUTHENTICATE:
        return settings.auth is Auth.NONE
    return stage in _MAIL_STAGES and not send
