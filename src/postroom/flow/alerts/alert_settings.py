"""Whom alerts go to and when: for all rules that name nobody of their own."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import time, timedelta
from typing import Any

from django.db import transaction

from postroom.policy.alerts import Quiet, Telling
from postroom.store import audit
from postroom.store.models import InstanceValue, User
from postroom.terms.problem import FieldError
from postroom.terms.wording import worded

from ..instance.refusals import SettingsRefused
from .alert_rules import checked_addresses

_NAME = "alert_settings"
_MOST = {"digest_minutes": 24 * 60, "remind_hours": 24 * 30, "escalate_minutes": 7 * 24 * 60}


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """`addresses` are told; none means all administrators. Warnings gather for `digest_minutes`; what is open is told
    again after `remind_hours`, and to `escalate_to` where nobody acknowledged it for `escalate_minutes` (0: never).
    `quiet_from` and `quiet_until` are "HH:MM" in the site's zone, "" for no quiet hours."""

    addresses: tuple[str, ...] = field(default_factory=tuple)
    digest_minutes: int = 10
    remind_hours: int = 24
    escalate_minutes: int = 0
    escalate_to: tuple[str, ...] = field(default_factory=tuple)
    quiet_from: str = ""
    quiet_until: str = ""
    tell_closed: bool = True

    @property
    def telling(self) -> Telling:
        """The same as policy sees it."""
        since, until = _clock(self.quiet_from), _clock(self.quiet_until)
        return Telling(
            digest=timedelta(minutes=self.digest_minutes),
            remind=timedelta(hours=self.remind_hours) if self.remind_hours else None,
            escalate=timedelta(minutes=self.escalate_minutes) if self.escalate_minutes and self.escalate_to else None,
            quiet=Quiet(since, until) if since is not None and until is not None else None,
            closings=self.tell_closed,
        )

    @property
    def recipients(self) -> list[str]:
        """Who is told (blocking)."""
        administrators = User.objects.filter(role=User.Role.ADMINISTRATOR, is_active=True).order_by("pk")
        return list(self.addresses) or list(administrators.values_list("email", flat=True))

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "addresses": list(self.addresses), "escalate_to": list(self.escalate_to)}


def alert_settings() -> AlertSettings:
    """As they are stored, with defaults for what nobody has set (blocking)."""
    row = InstanceValue.objects.filter(name=_NAME).first()
    stored = row.value if row is not None and isinstance(row.value, dict) else {}
    names = AlertSettings.__dataclass_fields__
    known: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in stored.items() if name in names
    }
    return AlertSettings(**known)


def change_alert_settings(values: Mapping[str, Any], actor: str) -> AlertSettings:
    """Store what `values` has. Raises SettingsRefused naming every field at fault."""
    with transaction.atomic():
        before = alert_settings()
        after = _checked(before, values)
        old, new = before.as_json(), after.as_json()
        changes = {name: [old[name], new[name]] for name in new if old[name] != new[name]}
        if changes:
            InstanceValue.objects.update_or_create(name=_NAME, defaults={"value": new})
            audit.record(actor, "alert-settings.change", "alerts", changes)
    return after


def _checked(before: AlertSettings, values: Mapping[str, Any]) -> AlertSettings:
    problems: list[FieldError] = []
    wanted = dict(values)
    for name in ("addresses", "escalate_to"):
        if name in wanted:
            wanted[name] = tuple(checked_addresses(name, wanted[name], problems))
    for name, most in _MOST.items():
        if name in wanted and not 0 <= wanted[name] <= most:
            problems.append(FieldError(name, "range", worded("Enter a whole number from 0 to {most}.", most=most)))
    for name in ("quiet_from", "quiet_until"):
        if wanted.get(name) and _clock(wanted[name]) is None:
            problems.append(FieldError(name, "invalid", worded("Enter a time of day, such as 22:00.")))
    refused = {problem.field for problem in problems}
    after = replace(before, **{name: value for name, value in wanted.items() if name not in refused})
    if bool(after.quiet_from) != bool(after.quiet_until) and not refused & {"quiet_from", "quiet_until"}:
        missing = "quiet_until" if after.quiet_from else "quiet_from"
        problems.append(FieldError(missing, "required", worded("Enter both times of the quiet hours, or none.")))
    if after.escalate_minutes and not after.escalate_to and "escalate_to" not in refused:
        problems.append(FieldError("escalate_to", "required", worded("Enter who is told when nobody acknowledges.")))
    if problems:
        raise SettingsRefused(*problems)
    return after


def _clock(text: str) -> time | None:
    try:
        return time.fromisoformat(text) if len(text) == 5 else None
    except ValueError:
        return None
