"""The engine looks at domains that somebody asked for, each once, and forgets them after a day."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone
from tests.net.dns_server import SILENT, Zone, dns_server

from postroom.engine import domain_checks
from postroom.engine.domain_checks import AT_ONCE, DomainChecks
from postroom.flow.domains import read_domain
from postroom.flow.domains.check_domain import ask
from postroom.net import domain_records
from postroom.store.change import SqliteChange, open_change
from postroom.store.models import DomainCheck
from postroom.store.turn import OnlyTurn

pytestmark = pytest.mark.django_db(transaction=True)
ZONE: Zone = {
    "MX norrvik.example": ["10 mx.norrvik.example."],
    "A mx.norrvik.example": ["192.0.2.7"],
    "TXT norrvik.example": ['"v=spf1 include:spf.protection.outlook.com -all"'],
    "TXT spf.protection.outlook.com": ['"v=spf1 ip4:40.92.0.0/15 -all"'],
    "TXT _dmarc.norrvik.example": ['"v=DMARC1; p=quarantine"'],
}


@asynccontextmanager
async def looking(monkeypatch: pytest.MonkeyPatch, zone: Zone = ZONE) -> AsyncIterator[list[str]]:
    """The worker at work on the test database; yields what the DNS is asked."""
    change = open_change()
    async with dns_server(zone) as (server, resolver):
        monkeypatch.setattr(domain_records, "resolver", lambda: resolver)
        checks = DomainChecks(change, OnlyTurn())
        try:
            yield server.asked
        finally:
            await checks.stop()
            change.close()


async def finished(check: DomainCheck, within_s: float = 5.0) -> DomainCheck:
    async with asyncio.timeout(within_s):
        while True:
            row = await DomainCheck.objects.aget(pk=check.pk)
            if row.finished_at is not None:
                return row
            await asyncio.sleep(0.02)


async def test_what_is_asked_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    async with looking(monkeypatch) as asked:
        check = await finished(await sync_to_async(ask)("norrvik.example", "smtp.office365.com"))
        again = await sync_to_async(ask)("norrvik.example", "SMTP.office365.com")
    slugs = {name: part["slug"] for name, part in check.result["parts"].items()}
    assert slugs == {"mx": "mx-accepts", "spf": "spf-allows", "dkim": "dkim-missing", "dmarc": "dmarc-set"}
    assert check.result["exchangers"] == ["mx.norrvik.example"]
    assert again.pk == check.pk
    assert len(asked) == len(set(asked))


async def test_silent_servers_end_in_unknown_after_the_time_of_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_domain, "LOOK_S", 0.4)
    silent = {f"{kind} quiet.example": SILENT for kind in ("MX", "TXT")} | {"TXT _dmarc.quiet.example": SILENT}
    async with looking(monkeypatch, silent):
        check = await finished(await sync_to_async(ask)("quiet.example"), within_s=3.0)
    assert {part["status"] for part in check.result["parts"].values()} == {"unknown"}
    assert {part["values"]["reason"] for part in check.result["parts"].values()} == {"timeout"}


async def test_an_abandoned_check_is_begun_again(monkeypatch: pytest.MonkeyPatch) -> None:
    check = await sync_to_async(ask)("norrvik.example")
    await DomainCheck.objects.filter(pk=check.pk).aupdate(started_at=timezone.now())
    async with looking(monkeypatch):
        assert (await finished(check)).result["parts"]["mx"]["slug"] == "mx-accepts"


async def test_only_so_many_are_looked_at_at_once_and_all_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    under_way = most = 0
    real = read_domain.look_at

    async def counted(domain: str, host: str, own_keys: dict[str, str]):  # type: ignore[no-untyped-def]
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.05)
        try:
            return await real(domain, host, own_keys)
        finally:
            under_way -= 1

    monkeypatch.setattr("postroom.engine.domain_checks.look_at", counted)
    checks = [await sync_to_async(ask)(f"d{n}.example") for n in range(AT_ONCE * 2)]
    async with looking(monkeypatch):
        for check in checks:
            await finished(check)
    assert 1 < most <= AT_ONCE


async def test_a_look_that_breaks_leaves_the_others_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    real = read_domain.look_at

    async def breaking(domain: str, host: str, own_keys: dict[str, str]):  # type: ignore[no-untyped-def]
        if domain == "broken.example":
            raise RuntimeError("a fault of ours")
        return await real(domain, host, own_keys)

    monkeypatch.setattr("postroom.engine.domain_checks.look_at", breaking)
    broken = await sync_to_async(ask)("broken.example")
    async with looking(monkeypatch):
        await finished(await sync_to_async(ask)("norrvik.example"))
    assert (await DomainCheck.objects.aget(pk=broken.pk)).finished_at is None


async def test_checks_of_days_ago_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    old = await sync_to_async(ask)("old.example")
    await DomainCheck.objects.filter(pk=old.pk).aupdate(created_at=timezone.now() - timedelta(days=2))
    async with looking(monkeypatch), asyncio.timeout(5):
        while True:
            if not await DomainCheck.objects.filter(pk=old.pk).aexists():
                break
            await asyncio.sleep(0.02)


async def test_a_database_that_cannot_be_asked_for_a_moment_ends_no_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    has_come, failures = SqliteChange.has_come, [sqlite3.OperationalError("disk I/O error")]

    def fails_once(change: SqliteChange) -> bool:
        if failures:
            raise failures.pop()
        return has_come(change)

    monkeypatch.setattr(SqliteChange, "has_come", fails_once)
    monkeypatch.setattr(domain_checks, "UNHURRIED_S", 0.05)
    async with looking(monkeypatch):
        assert (await finished(await sync_to_async(ask)("norrvik.example"))).result
    assert not failures
