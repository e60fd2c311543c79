"""Run a test: take a queued one, probe with its own settings and password, save each stage as it ends.

The probe goes the way of deliveries. However it ends, the result is stored with `record_test_result`, the log file is
written, and the activity log has a line.
"""

import asyncio
import os
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import structlog
from asgiref.sync import sync_to_async
from django.db import OperationalError, transaction
from django.utils import timezone

from postroom.diagnosis.explain import finding_of_cause
from postroom.store.activity_log import ActivityLog
from postroom.store.models import ServerTest
from postroom.store.vault import VaultError
from postroom.terms.finding import Finding
from postroom.terms.outcome import Stage, StageStatus, TestStatus
from postroom.terms.problem import Problem

from ..delivery.settle import note
from ..domains.signing_keys import signing_keys
from ..instance.reader import voice_for
from ..servers.configure import allowed_ports, unsealed_password
from ..servers.test_result import record_test_result
from .probe import ProbeReport, probe
from .test_log import log_text

LEASE = timedelta(seconds=120)
SAVE_S = 0.2
STORE_AGAIN_S = 1.0

_log = structlog.get_logger("postroom.run_test")


def claim_test() -> ServerTest | None:
    """The oldest queued test, now running under a lease; None when there is none (blocking).

    The engine asks after every commit, so the write lock is taken only where there is one."""
    if not ServerTest.objects.filter(status=TestStatus.QUEUED).exists():
        return None
    with transaction.atomic():
        test = ServerTest.objects.filter(status=TestStatus.QUEUED).order_by("created_at").first()
        if test is not None:
            test.status, test.started_at, test.lease_until = TestStatus.RUNNING, timezone.now(), timezone.now() + LEASE
            test.save(update_fields=["status", "started_at", "lease_until"])
    return test


def requeue_abandoned_tests(under_way: Collection[str] = ()) -> int:
    """Queue tests again that were begun and that nobody runs now; their number (blocking)."""
    return ServerTest.objects.filter(status=TestStatus.RUNNING).exclude(pk__in=under_way).update(
        status=TestStatus.QUEUED, started_at=None, lease_until=None, stages=[], transcript=[]
    )


@dataclass(slots=True)
class _Progress:
    """What the probe said last, and whether somebody saved it."""

    report: ProbeReport | None = None
    unsaved: bool = field(default=False)

    def take(self, report: ProbeReport) -> None:
        self.report, self.unsaved = report, True


class Prober:
    """Runs tests of servers. `folder` is where the log files go, by UTC day."""

    def __init__(self, log: ActivityLog, folder: Path, default_ehlo_name: str) -> None:
        self._log = log
        self._folder = folder
        self._default_ehlo_name = default_ehlo_name

    async def run(self, test: ServerTest) -> None:
        """Run a claimed test to its end, or until a stop is requested."""
        try:
            report = await sync_to_async(_refusal)(test) or await self._probed(test)
        except Exception:  # noqa: BLE001 - logged whole; a test must not run for ever
            _log.exception("a test could not be carried out", test=test.pk)
            report = _failed(Stage.CONNECT, finding_of_cause("unknown", quotes=("Postroom failed; see its log.",)))
        await _stored(partial(record_test_result, test, report))
        self._write_log(test, report)
        note(self._log, _entry(test, report))

    async def _probed(self, test: ServerTest) -> ProbeReport:
        progress = _Progress()
        probing = asyncio.create_task(probe(
            test.typed_settings, unsealed_password(test), send=test.send, on_progress=progress.take,
            default_ehlo_name=self._default_ehlo_name, ports=allowed_ports(test.server),
            voice=await sync_to_async(voice_for)(test.created_by), keys=await sync_to_async(signing_keys)(),
        ))
        try:
            while not probing.done():
                await asyncio.wait((probing,), timeout=SAVE_S)
                if await self._is_to_stop(test, progress) and not probing.done():
                    probing.cancel()
                    with suppress(asyncio.CancelledError):
                        await probing
                    return _stopped(progress.report)
            return await probing
        finally:
            probing.cancel()

    async def _is_to_stop(self, test: ServerTest, progress: _Progress) -> bool:
        try:
            return await sync_to_async(_saved)(test, progress)
        except OperationalError as error:
            _log.warning("the progress of a test could not be stored", test=test.pk, error=str(error))
            return False

    def _write_log(self, test: ServerTest, report: ProbeReport) -> None:
        """The log for people, under the day on which the test was asked for."""
        folder = self._folder / test.created_at.astimezone(UTC).date().isoformat() / "tests"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(folder / f"{test.pk}.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(log_text(_ended(test, report)))
        except OSError as error:
            _log.error("the log of a test could not be written", test=test.pk, error=str(error))


async def _stored(write: Callable[[], None]) -> None:
    """Write until the database takes it: what a test came to must not be forgotten, nor its mail sent twice (D6)."""
    while True:
        try:
            return await sync_to_async(write)()
        except OperationalError as error:
            _log.error("the result of a test could not be stored; trying again", error=str(error))
            await asyncio.sleep(STORE_AGAIN_S)


def _ended(test: ServerTest, report: ProbeReport) -> ServerTest:
    """The row as it was stored."""
    test.status, test.stages = report.status, report.stages
    test.transcript, test.facts = report.transcript, report.facts
    test.finding = report.finding.as_stored() if report.finding else None
    return test


def _saved(test: ServerTest, progress: _Progress) -> bool:
    """Store what is new and extend the lease; whether a stop was requested (blocking)."""
    rows = ServerTest.objects.filter(pk=test.pk)
    if progress.unsaved and (report := progress.report) is not None:
        progress.unsaved = False
        rows.update(
            stages=report.stages, transcript=report.transcript, facts=report.facts, lease_until=timezone.now() + LEASE
        )
    return rows.filter(stop_requested=True).exists()


def _refusal(test: ServerTest) -> ProbeReport | None:
    """A failed report when the test may not begin: a port outside the list (E4), a password that can't be read."""
    settings = test.typed_settings
    if settings.port not in allowed_ports(test.server):
        return _failed(Stage.CONNECT, finding_of_cause("port-not-allowed", values={"port": str(settings.port)}))
    try:
        unsealed_password(test)
    except VaultError as error:
        return _failed(Stage.AUTHENTICATE, finding_of_cause("password-unreadable", quotes=(str(error),)))
    try:
        signing_keys()
    except Problem as problem:
        return _failed(Stage.MESSAGE, finding_of_cause("unknown", quotes=(problem.detail,)))
    return None


def _failed(stage: Stage, finding: Finding) -> ProbeReport:
    stages = [{"name": str(stage), "status": str(StageStatus.FAILED), "ms": None, "detail": finding.title}]
    return ProbeReport(
        status=TestStatus.FAILED, stages=stages, finding=finding, transcript=[], facts={}, seconds=0.0
    )


def _stopped(report: ProbeReport | None) -> ProbeReport:
    stages = report.stages if report else []
    is_open = (StageStatus.WAITING, StageStatus.RUNNING)
    over = [{**s, "status": str(StageStatus.NOT_REACHED)} if s["status"] in is_open else s for s in stages]
    return ProbeReport(
        status=TestStatus.STOPPED, stages=over, finding=None, transcript=report.transcript if report else [],
        facts=report.facts if report else {}, seconds=report.seconds if report else 0.0,
    )


def _entry(test: ServerTest, report: ProbeReport) -> dict[str, object]:
    settings = test.typed_settings
    failed = next((s for s in report.stages if s["status"] == StageStatus.FAILED), None)
    finding = report.finding
    return {
        "at": datetime.now(UTC), "kind": "test", "outcome": str(report.status), "test": test.pk,
        "server": settings.name or settings.host, "server_id": test.server_id,
        "recipient": settings.test_recipient if test.send else None,
        "stage": str(failed["name"]) if failed else None,
        "reply": finding.evidence[-1] if finding and finding.evidence else None,
        "cause": finding.cause if finding else None, "title": finding.title if finding else None,
        "seconds": round(report.seconds, 3),
        "severity": "error" if report.status == TestStatus.FAILED else "information",
    }
