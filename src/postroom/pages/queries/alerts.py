"""Alerts as pages show them: the banner, the lists, one alert with who was told, and the rules."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from postroom.flow.alerts.alert_notices import rules_told
from postroom.flow.alerts.alert_rules import rules_in_order, settings_of
from postroom.flow.alerts.alert_settings import alert_settings
from postroom.flow.alerts.alert_words import name_of_rule, said, steps_of, title_of_alert
from postroom.flow.instance.reader import translated
from postroom.policy.alert_kinds import KINDS, Kind, Severity
from postroom.store.models import Alert, AlertNotice, AlertRule, Webhook

PAGE = 50
_NOTICES = 100
_OPENED, _CLOSED = "alert.opened", "alert.closed"


@dataclass(frozen=True, slots=True)
class Banner:
    """What every page says while something is wrong that nobody has taken on."""

    count: int
    critical: int
    first: Alert | None

    @property
    def title(self) -> str:
        return title_of_alert(self.first) if self.first is not None else ""

    @property
    def others(self) -> int:
        return self.count - 1


def banner() -> Banner:
    """One read of an index, which is empty while all is well."""
    rows = list(Alert.objects.filter(closed_at=None, acknowledged_at=None).order_by("-pk")[:200])
    critical = [row for row in rows if row.severity == Severity.CRITICAL]
    return Banner(len(rows), len(critical), next(iter(critical or rows), None))


@dataclass(frozen=True, slots=True)
class Line:
    """An alert of a list or on its own page, in the reader's language."""

    row: Alert

    @property
    def title(self) -> str:
        return title_of_alert(self.row)

    @property
    def text(self) -> str:
        return said(self.row.text)

    @property
    def steps(self) -> list[str]:
        return steps_of(self.row)

    @property
    def state(self) -> str:
        """As `states` knows it."""
        if self.row.closed_at is not None:
            return "alert-closed"
        if self.row.acknowledged_at is not None:
            return "acknowledged"
        return "critical" if self.row.severity == Severity.CRITICAL else "warning"

    @property
    def rule(self) -> str:
        return name_of_rule(self.row.rule)

    @property
    def can_be_accepted(self) -> bool:
        return self.row.kind == "domain-drift" and self.row.closed_at is None


@dataclass(frozen=True, slots=True)
class History:
    """Closed alerts; `older` is the query of the next page, "" on the last."""

    lines: Sequence[Line]
    older: str
    is_first: bool


def history(query: Mapping[str, str]) -> History:
    """Newest first."""
    before = query.get("before", "")[:26]
    rows = Alert.objects.exclude(closed_at=None).select_related("rule")
    if before:
        rows = rows.filter(pk__lt=before)
    found = list(rows.order_by("-pk")[: PAGE + 1])
    older = QueryDict(mutable=True)
    older.update({"tab": "history", "before": found[PAGE - 1].pk if len(found) > PAGE else ""})
    return History([Line(row) for row in found[:PAGE]], older.urlencode() if len(found) > PAGE else "", not before)


def notices_of(alert: Alert) -> list[AlertNotice]:
    """The mails about it, newest first."""
    rows = AlertNotice.objects.filter(created_at__gte=alert.opened_at).order_by("-pk")[: _NOTICES * 10]
    return [row for row in rows if any(item.get("alert") == alert.pk for item in row.news)][:_NOTICES]


@dataclass(frozen=True, slots=True)
class Ways:
    """How people hear of alerts: addresses, webhooks that want them, and the newest mail that could not be queued."""

    addresses: Sequence[str]
    webhooks: Sequence[Webhook]
    stuck: AlertNotice | None


def ways() -> Ways:
    """As they are now."""
    wanting = [row for row in Webhook.objects.filter(paused_for="")
               if not row.events or {_OPENED, _CLOSED} & set(row.events)]
    stuck = AlertNotice.objects.filter(message_id="", given_up_at=None).exclude(fault="").order_by("-pk").first()
    return Ways(alert_settings().recipients, wanting, stuck)


@dataclass(frozen=True, slots=True)
class Number:
    """A parameter of a rule with what it is set to."""

    name: str
    label: str
    value: Any
    least: int
    most: int

    @property
    def field(self) -> str:
        """Its id and name in the form."""
        return f"settings.{self.name}"


@dataclass(frozen=True, slots=True)
class RuleLine:
    """A rule of the list."""

    row: AlertRule
    title: str
    explanation: str
    numbers: Sequence[Number]
    told: Sequence[str]
    open_count: int


def rule_lines() -> list[RuleLine]:
    """All rules in their order."""
    chosen, opened = alert_settings(), list(Alert.objects.filter(closed_at=None).values_list("rule_id", flat=True))
    return [
        RuleLine(
            row, name_of_rule(row), translated(KINDS[row.kind].explanation), numbers_of(row, settings_of(row)),
            rules_told(row, chosen), opened.count(row.pk),
        )
        for row in rules_in_order() if row.kind in KINDS
    ]


def numbers_of(row: AlertRule, typed: Mapping[str, Any]) -> list[Number]:
    """The parameters of its kind, with what was typed or stored."""
    return [
        Number(each.name, translated(each.label), typed.get(each.name, each.default), each.least, each.most)
        for each in KINDS[row.kind].parameters
    ]


def kinds_to_add() -> list[Kind]:
    """Kinds that a second rule makes sense for: those with something to set."""
    return [kind for kind in KINDS.values() if kind.parameters]


def severities() -> list[tuple[str, str]]:
    """Each with its word."""
    return [
        (Severity.CRITICAL, _("Critical: told at once, in quiet hours too")),
        (Severity.WARNING, _("Warning: gathered with others into one mail")),
    ]
