"""For how long what is over is kept: four numbers of days, changed by an administrator."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from postroom.store import audit
from postroom.store.models import InstanceValue
from postroom.terms.problem import FieldError

MOST_DAYS = 3_650
_NAME = "retention"


@dataclass(frozen=True, slots=True)
class Retention:
    """Days for which each is kept, 0 for ever. Contents and messages count from the end of the last delivery."""

    log_days: int = 90
    content_days: int = 30
    message_days: int = 90
    sandbox_days: int = 7


class RetentionRefused(Exception):
    """The values can't be taken; `problems` says of each what to enter instead."""

    def __init__(self, problems: list[FieldError]) -> None:
        super().__init__("; ".join(f"{problem.field}: {problem.text}" for problem in problems))
        self.problems = problems


def retention() -> Retention:
    """As it is stored (blocking)."""
    row = InstanceValue.objects.filter(name=_NAME).first()
    stored = row.value if row is not None and isinstance(row.value, dict) else {}
    names = {field.name for field in fields(Retention)}
    return Retention(**{name: int(value) for name, value in stored.items() if name in names})


def change_retention(values: Mapping[str, str], actor: str) -> Retention:
    """Store the numbers as typed and note what differs in the audit trail. Raises RetentionRefused."""
    typed = {name: values.get(name, "").strip() for name in asdict(Retention())}
    problems = [
        FieldError(name, "range", _("Enter a number of days from 0 to %(most)d; 0 keeps them.") % {"most": MOST_DAYS})
        for name, text in typed.items() if not (text.isascii() and text.isdecimal() and int(text) <= MOST_DAYS)
    ]
    if problems:
        raise RetentionRefused(problems)
    after = Retention(**{name: int(text) for name, text in typed.items()})
    with transaction.atomic():
        old = asdict(retention())
        changes = {name: [old[name], value] for name, value in asdict(after).items() if value != old[name]}
        if changes:
            InstanceValue.objects.update_or_create(name=_NAME, defaults={"value": asdict(after)})
            audit.record(actor, "retention.change", "Storage and retention", changes)
    return after


def kept_since(days: int, now: datetime) -> datetime | None:
    """What ended before that goes; None when everything is kept."""
    return now - timedelta(days=days) if days else None
