"""A test of a server as its page shows it: stages with bars, and the sentence said at each end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from postroom.flow.instance.reader import told, told_tries
from postroom.pages import words
from postroom.pages.states import look_of
from postroom.store.models import ServerTest
from postroom.terms.outcome import Stage, StageStatus, TestStatus
from postroom.terms.server import Security, ServerSettings

from .stage_words import brief_of, came_to, detail_of
from .test_log import LogLine, log_of

STAGE_LABELS = {
    Stage.RESOLVE: gettext_lazy("Resolve name"),
    Stage.CONNECT: gettext_lazy("Connect"),
    Stage.GREETING: gettext_lazy("Greeting"),
    Stage.EHLO: "EHLO",
    Stage.STARTTLS: "STARTTLS",
    Stage.CERTIFICATE: gettext_lazy("Certificate"),
    Stage.AUTHENTICATE: gettext_lazy("Authenticate"),
    Stage.SENDER: gettext_lazy("Sender accepted"),
    Stage.RECIPIENT: gettext_lazy("Recipient accepted"),
    Stage.MESSAGE: gettext_lazy("Message accepted"),
}
BAR_UNITS = 200
SCALE_MS = 3_000.0
_OVER = (StageStatus.PASSED, StageStatus.FAILED)


@dataclass(frozen=True, slots=True)
class StageRow:
    """One stage. `brief` is its detail where there is little room; `came_to` what a failed one came to. `bar_x` and
    `bar_width` are of BAR_UNITS; `said` is read out when the stage has ended."""

    name: str
    label: str
    status: str
    detail: str
    brief: str
    ms: float | None
    bar_x: int
    bar_width: int
    said: str
    came_to: str

    @property
    def word(self) -> str:
        """Its status in the reader's language."""
        return look_of(self.status).word


@dataclass(frozen=True, slots=True)
class ServerTestView:
    test: ServerTest
    settings: ServerSettings
    stages: Sequence[StageRow]
    log: Sequence[LogLine]
    log_lines: int
    done_count: int
    number: int
    running: StageRow | None
    failed: StageRow | None
    finding: Mapping[str, Any] = field(default_factory=dict)
    tried: Sequence[Mapping[str, Any]] = ()

    @property
    def version(self) -> str:
        """Changes when there is something new to show."""
        parts = [self.test.status, str(self.log_lines), *(f"{s.status}{s.ms}" for s in self.stages)]
        return "-".join(parts)

    @property
    def progress_units(self) -> int:
        return round(BAR_UNITS * self.done_count / max(1, len(self.stages)))

    @property
    def ms_per_unit(self) -> float:
        """How long one of BAR_UNITS lasts while the test runs."""
        return SCALE_MS / BAR_UNITS

    @property
    def passed_count(self) -> int:
        return self._counted(StageStatus.PASSED)

    @property
    def not_reached_count(self) -> int:
        return self._counted(StageStatus.NOT_REACHED)

    @property
    def total(self) -> int:
        return len(self.stages)

    @property
    def seconds(self) -> float:
        """What the stages took, or while the test runs the time since it began."""
        if self.test.is_over or self.test.started_at is None:
            return sum(s.ms or 0 for s in self.stages) / 1000
        return max(0.0, (timezone.now() - self.test.started_at).total_seconds())

    def _counted(self, status: StageStatus) -> int:
        return sum(1 for stage in self.stages if stage.status == status)


def view_of(test: ServerTest) -> ServerTestView:
    settings = test.typed_settings
    stages = _rows(_complete(test.stages, settings.security), test, settings)
    ended = [s for s in stages if s.status in _OVER]
    failed = next((s for s in stages if s.status == StageStatus.FAILED), None)
    running = next((s for s in stages if s.status == StageStatus.RUNNING), None)
    shown = failed or running
    return ServerTestView(
        test=test, settings=settings, stages=stages,
        log=log_of(test.transcript, test.finding if test.status == TestStatus.FAILED else None),
        log_lines=len(test.transcript),
        done_count=sum(1 for s in stages if s.status in (StageStatus.PASSED, StageStatus.NOT_NEEDED)),
        number=stages.index(shown) + 1 if shown else min(len(ended) + 1, len(stages)),
        running=running, failed=failed, finding=told(test.finding), tried=told_tries(test.facts),
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
        label = "SSL/TLS" if name is Stage.STARTTLS and security is Security.TLS else str(STAGE_LABELS[name])
        found.append({"name": str(name), "status": str(StageStatus.WAITING), **known.get(name, {}), "label": label})
    return found


def _rows(stages: Sequence[Mapping[str, Any]], test: ServerTest, settings: ServerSettings) -> list[StageRow]:
    total_ms = sum(float(stage.get("ms") or 0) for stage in stages) or 1.0
    scale = BAR_UNITS / max(total_ms, SCALE_MS)
    rows, at = [], 0.0
    for stage in stages:
        ms = float(stage["ms"]) if stage.get("ms") is not None else None
        state = _ended_status(str(stage["status"]), test.status)
        width = max(2, round((ms or 0) * scale)) if ms is not None or state == StageStatus.RUNNING else 0
        detail = detail_of(stage, state, test.facts, settings)
        rows.append(StageRow(
            name=str(stage["name"]), label=str(stage["label"]), status=state, detail=detail,
            brief=brief_of(stage, state, test.facts) or detail, ms=ms,
            bar_x=min(BAR_UNITS - 2, round(at * scale)), bar_width=width, said=_said(stage, state, ms),
            came_to=came_to(Stage(stage["name"]), test.finding or {}, settings.port),
        ))
        at += ms or 0
    return rows


def _ended_status(stage: str, test: str) -> str:
    """A stage that was open when its test ended was not reached."""
    is_open = stage in (StageStatus.WAITING, StageStatus.RUNNING)
    return str(StageStatus.NOT_REACHED) if is_open and test in ("passed", "failed", "stopped") else stage


def _said(stage: Mapping[str, Any], status: str, ms: float | None) -> str:
    if status not in _OVER:
        return ""
    passed = status == StageStatus.PASSED
    if ms is None:
        text = _("%(stage)s passed.") if passed else _("%(stage)s failed.")
    elif passed:
        text = _("%(stage)s passed after %(ms)s milliseconds.")
    else:
        text = _("%(stage)s failed after %(ms)s milliseconds.")
    return text % {"stage": stage["label"], "ms": words.number(round(ms)) if ms is not None else ""}
