"""Suppress: who gets no mail any more, entered by people, by hard bounces, by complaints, by the recipients themselves.

Claims read the table (`store/suppressed.py`); here is how rows come and go, each with its entry in the audit trail.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from postroom.smtp.text import printable
from postroom.store import audit
from postroom.store.models import Message, Suppression
from postroom.terms.address import AddressProblem, canonical, parse_address
from postroom.terms.problem import FieldError
from postroom.terms.wording import worded

from ..instance.refusals import SettingsRefused

LIST_CHARACTERS = 100
EVIDENCE_CHARACTERS = 500
EVERY_LIST = "*"
_AT_ONCE = 500
REASONS = tuple(str(reason) for reason in Suppression.Reason)
Reason = Suppression.Reason


@dataclass(frozen=True, slots=True)
class Entry:
    """An address to suppress, checked. `list_name` as in `Suppression`."""

    address: str
    reason: str = Reason.MANUAL
    list_name: str = ""
    evidence: str = ""


def checked_entry(address: str, reason: str = Reason.MANUAL, list_name: str = "", evidence: str = "") -> Entry:
    """Raises SettingsRefused naming `address`, `reason` or `list`."""
    problems = []
    try:
        address = canonical(str(parse_address(address)))
    except AddressProblem as problem:
        problems.append(FieldError("address", "invalid", str(problem)))
    if reason not in REASONS:
        problems.append(FieldError("reason", "invalid", worded("Enter one of {reasons}.", reasons=", ".join(REASONS))))
    if (problem_of_list := list_problem(list_name, "list")) is not None and list_name not in ("", EVERY_LIST):
        problems.append(problem_of_list)
    if problems:
        raise SettingsRefused(*problems)
    # Who leaves every list still gets what is no subscription, such as a reset of the password.
    if reason == Reason.UNSUBSCRIBE and not list_name:
        list_name = EVERY_LIST
    return Entry(address, reason, list_name, printable(evidence, EVIDENCE_CHARACTERS))


def list_problem(name: str, field: str) -> FieldError | None:
    """What is wrong with the name of a list, None for a good one."""
    if name == EVERY_LIST or not name.strip() or len(name) > LIST_CHARACTERS or not name.isprintable():
        text = worded("The name of a list has 1 to {most} characters and is not only a star.", most=LIST_CHARACTERS)
        return FieldError(field, "invalid", text)
    return None


def suppress(
    entries: Iterable[Entry], *, actor: str, now: datetime, message: Message | None = None
) -> list[Suppression]:
    """The rows that are new; an address that is suppressed to the same extent already stays as it is."""
    rows = [
        Suppression(
            address=entry.address, list_name=entry.list_name, reason=entry.reason, since=now, message=message,
            evidence=entry.evidence, created_by=actor[:254],
        )
        for entry in {(entry.address, entry.list_name): entry for entry in entries}.values()
    ]
    with transaction.atomic():
        Suppression.objects.bulk_create(rows, ignore_conflicts=True)
        stored = {
            id_
            for start in range(0, len(rows), _AT_ONCE)
            for id_ in Suppression.objects.filter(pk__in=[row.pk for row in rows[start : start + _AT_ONCE]])
            .values_list("pk", flat=True)
        }
        new = [row for row in rows if row.pk in stored]
        audit.record_each(actor, "suppression.add", _told(new))
    return new


def release(ids: Sequence[str], *, actor: str, reason: str = "") -> int:
    """Take rows away, so that these addresses get mail again; how many there were."""
    with transaction.atomic():
        rows = list(Suppression.objects.filter(pk__in=ids))
        Suppression.objects.filter(pk__in=[row.pk for row in rows]).delete()
        why = {"why": printable(reason, EVIDENCE_CHARACTERS)} if reason else {}
        audit.record_each(actor, "suppression.remove", {name: told | why for name, told in _told(rows).items()})
    return len(rows)


def _told(rows: Sequence[Suppression]) -> dict[str, dict[str, Any]]:
    """Reason and lists of each address, for the audit trail."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        told = found.setdefault(row.address, {"reason": row.reason, "lists": []})
        told["lists"].append(row.list_name)
    return found
