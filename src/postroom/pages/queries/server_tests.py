"""A test of a server as its page shows it: stages with bars, the sentence said at each end, the log with marks."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from postroom.store.models import ServerTest
from postroom.terms.outcome import Stage, StageStatus, TestStatus
from postroom.terms.server import Security, ServerSettings

STAGE_LABELS = {
    Stage.RESOLVE: "Resolve name",
    Stage.CONNECT: "Connect",
    Stage.GREETING: "Greeting",
    Stage.EHLO: "EHLO",
    Stage.STARTTLS: "STARTTLS",
    Stage.CERTIFICATE: "Certificate",
    Stage.AUTHENTICATE: "Authenticate",
    Stage.SENDER: "Sender accepted",
    Stage.RECIPIENT: "Recipient accepted",
    Stage.MESSAGE: "Message accepted",
}
BAR_UNITS = 200
_OVER = (StageStatus.PASSED, StageStatus.FAILED)
_LINE = re.compile(r"\A\s*(?P<at>\d+\.\d+)\s+(?P<who>S:|C:|--:|--)\s?(?P<text>.*)\Z", re.S)
_HIDDEN = re.compile(r"\[((?:user name|password|[a-z ]{3,30}) hidden\b[^\]]*)\]")


_FAILED = {
    Stage.RESOLVE: "the name led to no address",
    Stage.CONNECT: "no connection came about",
    Stage.GREETING: "the server did not greet",
    Stage.EHLO: "the introduction went wrong",
    Stage.STARTTLS: "no encryption came about",
    Stage.CERTIFICATE: "the certificate is not trusted",
    Stage.AUTHENTICATE: "the sign-in did not succeed",
    Stage.SENDER: "the mail was not accepted",
    Stage.RECIPIENT: "the recipient was not accepted",
    Stage.MESSAGE: "the message was not accepted",
}


@dataclass(frozen=True, slots=True)
class StageRow:
    """One stage. `bar_x` and `bar_width` are of BAR_UNITS; `said` is read out when the stage has ended."""

    name: str
    label: str
    status: str
    detail: str
    ms: float | None
    bar_x: int
    bar_width: int
    said: str

    @property
    def came_to(self) -> str:
        """What a failed stage did not bring about; why is the finding's to say."""
        return _FAILED[Stage(self.name)]


@dataclass(frozen=True, slots=True)
class LogLine:
    """`pieces` are (text, hidden) pairs; a hidden one is a label in place of a credential."""

    at: str
    who: str
    tone: str
    pieces: Sequence[tuple[str, bool]]


@dataclass(frozen=True, slots=True)
class ServerTestView:
    test: ServerTest
    settings: ServerSettings
    stages: Sequence[StageRow]
    log: Sequence[LogLine]
    done_count: int
    seconds: float
    number: int
    running: StageRow | None
    failed: StageRow | None
    finding: Mapping[str, Any] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """Changes when there is something new to show."""
        parts = [self.test.status, str(len(self.log)), *(f"{s.status}{s.ms}" for s in self.stages)]
        return "-".join(parts)

    @property
    def progress_units(self) -> int:
        return round(BAR_UNITS * self.done_count / max(1, len(self.stages)))

    @property
    def passed_count(self) -> int:
        return sum(1 for stage in self.stages if stage.status == StageStatus.PASSED)

    @property
    def total(self) -> int:
        return len(self.stages)


def view_of(test: ServerTest) -> ServerTestView:
    settings = test.typed_settings
    stages = _rows(_complete(test.stages, settings.security), test.status)
    ended = [s for s in stages if s.status in _OVER]
    failed = next((s for s in stages if s.status == StageStatus.FAILED), None)
    running = next((s for s in stages if s.status == StageStatus.RUNNING), None)
    shown = failed or running
    number = stages.index(shown) + 1 if shown else min(len(ended) + 1, len(stages))
    return ServerTestView(
        test=test, settings=settings, stages=stages,
        log=_log(test.transcript, failed=test.status == TestStatus.FAILED, finding=test.finding or {}),
        done_count=sum(1 for s in stages if s.status in (StageStatus.PASSED, StageStatus.NOT_NEEDED)),
        seconds=sum(s.ms or 0 for s in stages) / 1000, number=number, running=running, failed=failed,
        finding=test.finding or {},
    )




def _complete(stages: Sequence[Mapping[str, Any]], security: Security) -> list[dict[str, Any]]:
    """Every stage from the start, so that rows never jump; with SSL/TLS encryption stands after Connect."""
    order = list(Stage)
    if security is Security.TLS:
        order = [Stage.RESOLVE, Stage.CONNECT, Stage.STARTTLS, Stage.CERTIFICATE, Stage.GREETING, Stage.EHLO,
                 *order[order.index(Stage.AUTHENTICATE):]]
    known = {str(stage.get("name")): dict(stage) for stage in stages}
    found = []
    for name in order:
        label = "SSL/TLS" if name is Stage.STARTTLS and security is Security.TLS else STAGE_LABELS[name]
        found.append({"name": str(name), "status": str(StageStatus.WAITING), **known.get(name, {}), "label": label})
    return found


def _rows(stages: Sequence[Mapping[str, Any]], status: str) -> list[StageRow]:
    total_ms = sum(float(stage.get("ms") or 0) for stage in stages) or 1.0
    scale = BAR_UNITS / max(total_ms, 3_000.0)
    rows, at = [], 0.0
    for stage in stages:
        ms = float(stage["ms"]) if stage.get("ms") is not None else None
        state = _ended_status(str(stage["status"]), status)
        width = max(2, round((ms or 0) * scale)) if ms is not None else 0
        detail = str(stage.get("detail") or _words_of(state))
        rows.append(StageRow(
            name=str(stage["name"]), label=str(stage["label"]), status=state, detail=detail, ms=ms,
            bar_x=min(BAR_UNITS - 2, round(at * scale)), bar_width=width, said=_said(stage, state, ms),
        ))
        at += ms or 0
    return rows


def _ended_status(stage: str, test: str) -> str:
    """A stage that was open when its test ended was not reached."""
    is_open = stage in (StageStatus.WAITING, StageStatus.RUNNING)
    return str(StageStatus.NOT_REACHED) if is_open and test in ("passed", "failed", "stopped") else stage


def _words_of(status: str) -> str:
    return {"not-reached": "Not reached", "not-needed": "Not needed"}.get(status, "")


def _said(stage: Mapping[str, Any], status: str, ms: float | None) -> str:
    if status not in _OVER:
        return ""
    verb = "passed" if status == StageStatus.PASSED else "failed"
    after = f" after {round(ms):,} milliseconds" if ms is not None else ""
    return f"{stage['label']} {verb}{after}."


def _log(lines: Sequence[str], *, failed: bool, finding: Mapping[str, Any]) -> list[LogLine]:
    quoted = [str(line) for line in finding.get("evidence", ())] if failed else []
    found = []
    for line in lines:
        match = _LINE.match(line)
        at, who, text = (match["at"], match["who"].rstrip(":"), match["text"]) if match else ("", "", line)
        is_proof = who == "S" and any(text.strip() and text.strip() in quote for quote in quoted)
        found.append(LogLine(at, who, "proof" if is_proof else who, _pieces(text)))
    return found


def _pieces(text: str) -> list[tuple[str, bool]]:
    pieces: list[tuple[str, bool]] = []
    at = 0
    for match in _HIDDEN.finditer(text):
        pieces += [(text[at:match.start()], False), (match[1], True)]
        at = match.end()
    return [piece for piece in (*pieces, (text[at:], False)) if piece[0]]
