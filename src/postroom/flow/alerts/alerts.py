"""Alerts: each rule is looked at, and what is found opens an alert, keeps it open, or lets it close.

Looking changes nothing but alerts, and an alert is opened once however many look. The engine looks at everything but
itself; that it is missing, the web process notices.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

import structlog
from django.db import DatabaseError, IntegrityError, transaction

from postroom.policy.alert_kinds import KINDS, Severity
from postroom.policy.alerts import Step, step_of
from postroom.store import audit
from postroom.store.models import Alert, AlertNotice, AlertRule
from postroom.terms.wording import worded

from ..instance.refusals import NotPossible
from .alert_conditions import LOOKS, QUIET_LOOKS, Found
from .alert_rules import rules_in_order, settings_of

NOTE_CHARACTERS = 500
# Looking may take this share of the time, but no rule waits longer for its next look.
SHARE = 0.01
LONGEST_PAUSE_S = 600.0
_EVIDENCE_CHARACTERS = 2_000

_log = structlog.get_logger("postroom.alerts")


class Pace:
    """How often each rule is looked at: a look that takes long, at a queue of millions, is taken less often."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._due_s: dict[str, float] = {}

    def is_due(self, rule: AlertRule) -> bool:
        return self._now_s() >= self._due_s.get(rule.pk, 0.0)

    @contextmanager
    def measured(self, rule: AlertRule) -> Iterator[None]:
        """One look."""
        begun_s = self._now_s()
        yield
        took_s = self._now_s() - begun_s
        self._due_s[rule.pk] = begun_s + min(took_s / SHARE, LONGEST_PAUSE_S)


def look_around(now: datetime, pace: Pace | None = None, *, for_web: bool = False) -> int:
    """Look at the rules that this process looks at; how many alerts are open afterwards (blocking). Raises
    DatabaseError; any other fault of one look is written to the log, and the others go on."""
    pace = pace or Pace()
    for rule in rules_in_order():
        kind = KINDS.get(rule.kind)
        if kind is not None and kind.by_web == for_web and (pace.is_due(rule) or not rule.enabled):
            with pace.measured(rule):
                _looked(rule, now)
    return Alert.objects.filter(closed_at=None).count()


def found_now(now: datetime) -> list[tuple[AlertRule, Found]]:
    """What is wrong right now by the rules that are on; changes nothing (blocking)."""
    rules = [rule for rule in rules_in_order() if rule.enabled and rule.kind in QUIET_LOOKS]
    return [(rule, found) for rule in rules for found in QUIET_LOOKS[rule.kind](settings_of(rule), now)]


def open_alerts() -> list[Alert]:
    """Open ones, critical before others, newest first."""
    rows = Alert.objects.filter(closed_at=None).select_related("rule").order_by("-pk")
    return sorted(rows, key=lambda row: row.severity != Severity.CRITICAL)


def acknowledge(alert_id: str, actor: str, now: datetime, note: str = "") -> Alert:
    """Somebody has taken it on: nobody is reminded any more, and it is not escalated. Raises NotPossible where it is
    closed already."""
    with transaction.atomic():
        row = Alert.objects.filter(pk=alert_id).first()
        if row is None or row.closed_at is not None:
            raise NotPossible(worded("This alert is closed already."))
        if row.acknowledged_at is None:
            row.acknowledged_at, row.acknowledged_by = now, actor[:254]
        row.note = note.strip()[:NOTE_CHARACTERS] or row.note
        row.save(update_fields=["acknowledged_at", "acknowledged_by", "note"])
        audit.record(actor, "alert.acknowledge", f"{row.kind} {row.subject}".strip(), {"alert": row.pk})
    return row


def _looked(rule: AlertRule, now: datetime) -> None:
    try:
        found = LOOKS[rule.kind](settings_of(rule), now) if rule.enabled else []
    except DatabaseError:
        raise
    except Exception:  # noqa: BLE001 - one rule that can't be looked at must not keep the others from warning
        _log.exception("a rule for alerts could not be looked at", rule=rule.pk, kind=rule.kind)
        return
    _reconcile(rule, {one.key: one for one in found}, now)


def _reconcile(rule: AlertRule, found: Mapping[str, Found], now: datetime) -> None:
    """Rows are written only where something changes, so that looking costs the database nothing while all is well."""
    rows = {row.key: row for row in Alert.objects.filter(rule=rule, closed_at=None)}
    for key in {*rows, *found}:
        row, one = rows.get(key), found.get(key)
        step = step_of(
            is_open=row is not None, is_seen=one is not None, clear_since=row.clear_since if row else None, now=now
        )
        if row is None:
            if step is Step.OPEN and one is not None:
                _open(rule, one, now)
        elif one is not None:
            _see(row, one, rule, now)
        elif not rule.enabled or step is Step.CLOSE:
            Alert.objects.filter(pk=row.pk, closed_at=None).update(closed_at=now)
        elif step is Step.WAIT:
            Alert.objects.filter(pk=row.pk, closed_at=None).update(clear_since=now)


def _open(rule: AlertRule, found: Found, now: datetime) -> None:
    try:
        with transaction.atomic():
            Alert.objects.create(
                rule=rule, kind=rule.kind, key=found.key[:255], opened_at=now, seen_at=now, **_said_of(found, rule)
            )
    except IntegrityError:
        return  # another process found the same at this moment


def _see(row: Alert, found: Found, rule: AlertRule, now: datetime) -> None:
    """It is still so, perhaps in other words; a warning that became critical is told again."""
    values = _said_of(found, rule)
    changed = {name: value for name, value in values.items() if getattr(row, name) != value}
    if row.clear_since is not None:
        changed["clear_since"] = None
    if not changed:
        return
    if changed.get("severity") == Severity.CRITICAL:
        changed |= dict.fromkeys(("told_at", "acknowledged_at", "reminded_at", "escalated_at"))
    Alert.objects.filter(pk=row.pk, closed_at=None).update(seen_at=now, **changed)


def _said_of(found: Found, rule: AlertRule) -> dict[str, object]:
    is_critical = Severity.CRITICAL in (found.severity, rule.severity)
    return {
        "subject": found.subject[:255], "severity": Severity.CRITICAL if is_critical else Severity.WARNING,
        "title": found.title.as_json(), "text": found.text.as_json(), "fix": [step.as_json() for step in found.fix],
        "evidence": found.evidence[:_EVIDENCE_CHARACTERS], "link": found.link[:255], "server_id": found.server_id,
    }


def forget_closed(before: datetime, at_once: int = 500) -> int:
    """Delete alerts that were closed before then, and who was told of anything before; how many rows (blocking)."""
    rows = Alert.objects.filter(closed_at__lt=before).order_by("pk")
    old: Sequence[str] = list(rows.values_list("pk", flat=True)[:at_once])
    told = AlertNotice.objects.filter(created_at__lt=before).order_by("pk")
    old_notices = list(told.values_list("pk", flat=True)[:at_once])
    gone = Alert.objects.filter(pk__in=old).delete()[0] if old else 0
    return gone + (AlertNotice.objects.filter(pk__in=old_notices).delete()[0] if old_notices else 0)


def open_by_severity() -> dict[str, int]:
    """How many are open of each severity."""
    severities = Alert.objects.filter(closed_at=None).values_list("severity", flat=True)
    counted = Counter(severities)
    return {str(severity): counted[severity] for severity in Severity}
