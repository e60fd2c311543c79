"""The audit trail: every change of settings, secrets, tokens and queue (O2)."""

from collections.abc import Mapping
from typing import Any

from .models import AuditEntry


def record(actor: str, action: str, subject: str, changes: dict[str, Any] | None = None) -> AuditEntry:
    """Write an entry; call it inside the transaction of the change. `changes` must hold no secret."""
    return AuditEntry.objects.create(actor=actor[:254], action=action, subject=subject[:254], changes=changes or {})


def record_each(actor: str, action: str, changes: Mapping[str, dict[str, Any]]) -> None:
    """An entry for each subject, as `record`."""
    AuditEntry.objects.bulk_create(
        AuditEntry(actor=actor[:254], action=action, subject=subject[:254], changes=each)
        for subject, each in changes.items()
    )
