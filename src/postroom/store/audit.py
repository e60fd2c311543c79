"""The audit trail: every change of settings, secrets, tokens and queue (O2)."""

from collections.abc import Mapping
from typing import Any

from .models import AuditEntry


def record(actor: str, action: str, subject: str, changes: dict[str, Any] | None = None) -> AuditEntry:
    """Write an entry; call it inside the transaction of the change. `changes` must hold no secret."""
    return AuditEntry.objects.create(actor=actor[:254], action=action, subject=subject[:254], changes=changes or {})


def record_change(
    actor: str, action: str, subject: str, before: Mapping[str, Any], after: Mapping[str, Any],
    more: Mapping[str, Any] | None = None,
) -> bool:
    """As `record`, of what differs between `before` and `after`, as [before, after] by name, and of `more`. Where there
    is nothing it writes no entry and answers False."""
    changes = {name: [before[name], value] for name, value in after.items() if before[name] != value} | dict(more or {})
    if changes:
        record(actor, action, subject, changes)
    return bool(changes)


def record_each(actor: str, action: str, changes: Mapping[str, dict[str, Any]]) -> None:
    """An entry for each subject, as `record`."""
    AuditEntry.objects.bulk_create(
        AuditEntry(actor=actor[:254], action=action, subject=subject[:254], changes=each)
        for subject, each in changes.items()
    )
