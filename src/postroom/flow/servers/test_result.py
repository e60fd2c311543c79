"""What a finished test means for the saved server it belongs to: verified, failing, working again, or nothing.

A test speaks for a saved server only while its settings and password are the very ones that are saved.
"""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from postroom.store.models import Delivery, ServerTest, SmtpServer
from postroom.terms.outcome import DeliveryState, Stage, StageStatus, TestStatus

from .server_health import mark_failing

# Who asks for the tests of the night.
NIGHTLY = "nightly check"
# What a test covers that sends nothing.
CONNECTION_STAGES = (
    Stage.RESOLVE, Stage.CONNECT, Stage.GREETING, Stage.EHLO, Stage.STARTTLS, Stage.CERTIFICATE, Stage.AUTHENTICATE,
)


def record_test_result(test: ServerTest, report: Any) -> None:
    """Store how a test ended, and in the same commit what that means for the saved server.

    `report` is a ProbeReport (flow/probes/probe.py). A test that sent no mail proves nothing more than the connection,
    so it verifies nothing. A stopped test stays stopped and means nothing.
    """
    with transaction.atomic():
        row = ServerTest.objects.select_related("server").get(pk=test.pk)
        row.status = report.status
        row.stages, row.transcript, row.facts = report.stages, report.transcript, report.facts
        row.finding = report.finding.as_stored() if report.finding else None
        row.finished_at, row.lease_until = timezone.now(), None
        row.save()
        if row.server is not None and speaks_for(row, row.server):
            _take(row, row.server)


def speaks_for(test: ServerTest, server: SmtpServer) -> bool:
    """Whether the test was made with exactly what is saved."""
    return test.typed_settings.fingerprint(test.secret_id) == server.typed_settings.fingerprint(server.secret_id)


def mark_verified(server: SmtpServer, test: ServerTest) -> None:
    """The server's settings are proven by a passed live test."""
    if server.failing_since is not None:
        _hurry_deferred(server)
    server.verified_fingerprint = test.typed_settings.fingerprint(test.secret_id)
    server.verified_at, server.verified_by = test.finished_at, test.created_by
    server.failing_since, server.failing_finding = None, None
    server.changed_at, server.changed_by, server.changed_fields = None, "", []
    server.certificate_expires_at = _certificate_expiry(test)
    server.save(update_fields=[
        "verified_fingerprint", "verified_at", "verified_by", "failing_since", "failing_finding", "changed_at",
        "changed_by", "changed_fields", "certificate_expires_at", "updated_at",
    ])


def _take(test: ServerTest, server: SmtpServer) -> None:
    rows = SmtpServer.objects.filter(pk=server.pk)
    if (expires_at := _certificate_expiry(test)) is not None:
        rows.update(certificate_expires_at=expires_at)
    if test.status == TestStatus.PASSED and test.send:
        mark_verified(server, test)
    elif test.status == TestStatus.PASSED:
        _take_connection(test, server)
    elif test.status == TestStatus.FAILED and (stage := _failed_stage(test)) in CONNECTION_STAGES and test.finding:
        mark_failing(server.pk, test.finding, stage, since=test.finished_at or timezone.now())


def _take_connection(test: ServerTest, server: SmtpServer) -> None:
    rows = SmtpServer.objects.filter(pk=server.pk)
    if test.created_by == NIGHTLY:
        rows.update(checked_at=test.finished_at)
    if server.failing_since is not None and (server.failing_finding or {}).get("stage") in CONNECTION_STAGES:
        _hurry_deferred(server)
        rows.update(failing_since=None, failing_finding=None)


def _failed_stage(test: ServerTest) -> str:
    return next((str(stage["name"]) for stage in test.stages if stage["status"] == StageStatus.FAILED), "")


def _certificate_expiry(test: ServerTest) -> datetime | None:
    """When the certificate that the server showed ends; None where it showed none."""
    ends = ((test.facts or {}).get("tls") or {}).get("not_after")
    try:
        return datetime.fromisoformat(str(ends)) if ends else None
    except ValueError:
        return None


def _hurry_deferred(server: SmtpServer) -> None:
    """What waited for the repair of a failing server need not wait any longer."""
    now = timezone.now()
    waiting = Delivery.objects.filter(server=server, state=DeliveryState.DEFERRED, due_at__gt=now)
    waiting.update(due_at=now, updated_at=now)
