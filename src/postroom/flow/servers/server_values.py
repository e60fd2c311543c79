"""A server and a test by their API names, as the API and the command line tell them. No password is among them (T5)."""

from typing import Any

from postroom.policy.settings_check import warnings_of
from postroom.store.models import ServerTest, SmtpServer

from ..instance.reader import told, told_tries, told_warnings


def server_values(row: SmtpServer) -> dict[str, Any]:
    """A server's settings and state: no password, only whether there is one."""
    settings = row.typed_settings
    return {
        **settings.as_json(),
        "id": row.pk,
        "state": row.state,
        "verified_at": row.verified_at if row.is_verified else None,
        "has_password": bool(row.sealed_password),
        "enabled": row.enabled,
        "is_default": row.is_default,
        "position": row.position,
        "use_unverified": row.use_unverified,
        "reason": row.unverified_reason,
        "failing_since": row.failing_since,
        "paused_at": row.paused_at,
        "paused_until": row.paused_until,
        "pause_reason": row.pause_reason,
        "checked_at": row.checked_at,
        "certificate_expires_at": row.certificate_expires_at,
        "distrusted": row.distrusted,
        "finding": told(row.failing_finding) or None if row.failing_since else None,
        "warnings": [{"field": w.field, "code": w.code, "text": w.text} for w in warnings_of(settings)],
    }


def values_of_test(row: ServerTest) -> dict[str, Any]:
    """How a test goes or went, in the active language."""
    return {
        "id": row.pk,
        "status": row.status,
        "stages": row.stages,
        "finding": told(row.finding) or None,
        "log_url": f"/api/v1/tests/{row.pk}/log",
        "send": row.send,
        "server": row.server_id,
        "facts": {name: value for name, value in row.facts.items() if name != "also_tried"},
        "also_tried": told_tries(row.facts),
        "warnings": told_warnings(row.facts),
        "created_at": row.created_at,
        "finished_at": row.finished_at,
    }
