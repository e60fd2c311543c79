"""Pushing a report: streamed, stored whole, and the runs that begin with it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError

from postroom.flow.reports.stored_report import report_blobs, report_content
from postroom.flow.users.tokens import create_token, revoke_token
from postroom.intake import pushes
from postroom.intake.pushes import Pushes
from postroom.store.models import AuditEntry, ReportSource, Run, StoredReport, Subscription

NOW = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture
def source(database: None) -> ReportSource:  # noqa: ARG001 - comes first
    return ReportSource.objects.create(name="Nightly", kind=ReportSource.Kind.PUSHED)


@pytest.fixture
async def client(database: None, token: str) -> AsyncIterator[httpx.AsyncClient]:  # noqa: ARG001 - comes first
    door = Pushes(report_blobs()._folder, most_bytes=1_000_000)
    transport = httpx.ASGITransport(app=door)  # type: ignore[arg-type]
    async with httpx.AsyncClient(
        transport=transport, base_url="http://test", headers={"Authorization": f"Bearer {token}"}
    ) as made:
        yield made


def path_of(source: ReportSource) -> str:
    return f"/api/v1/report-sources/{source.pk}/report"


async def test_a_pushed_report_is_stored_as_it_came(client: httpx.AsyncClient, source: ReportSource) -> None:
    octets = b"Region,Sum\r\nNorth,1\r\n"
    answer = await client.post(
        path_of(source), params={"file_name": "../../a b.csv"}, content=octets, headers={"Content-Type": "text/csv"}
    )
    assert (answer.status_code, answer.json()["file_name"], answer.json()["runs"]) == (201, "a b.csv", 0)
    report = await StoredReport.objects.aget()
    assert b"".join(await sync_to_async(lambda: list(report_content(report).chunks()))()) == octets
    entry = await AuditEntry.objects.aget(action="source.push")
    assert (entry.subject, entry.actor) == ("Nightly", "API token Report server")


async def test_subscriptions_that_run_on_a_push_begin_with_that_report(
    client: httpx.AsyncClient, source: ReportSource
) -> None:
    for name, on_push, paused_at in (("on", True, None), ("off", False, None), ("paused", True, NOW)):
        await Subscription.objects.acreate(
            name=name, source=source, list_name=name, on_push=on_push, paused_at=paused_at
        )
    answer = await client.post(path_of(source), content=b"a report")
    run = await Run.objects.select_related("subscription", "report").aget()
    assert (answer.json()["runs"], run.subscription.name, run.cause) == (1, "on", Run.Cause.PUSH)
    assert run.report is not None
    assert run.report.pk == answer.json()["id"]


async def test_u4_the_same_push_twice_is_one_report_and_one_run(
    client: httpx.AsyncClient, source: ReportSource
) -> None:
    await Subscription.objects.acreate(name="on", source=source, list_name="on", on_push=True)
    header = {"Idempotency-Key": "night-1"}
    answers = [await client.post(path_of(source), content=b"a report", headers=header) for _ in range(2)]
    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert (await StoredReport.objects.acount(), await Run.objects.acount()) == (1, 1)
    other = await client.post(path_of(source), content=b"another report", headers=header)
    assert (other.status_code, other.json()["type"]) == (409, "/api/docs#problem-idempotency-conflict")


async def test_s7_an_empty_or_too_large_report_is_none(client: httpx.AsyncClient, source: ReportSource) -> None:
    assert (await client.post(path_of(source), content=b"")).status_code == 422
    assert (await client.post(path_of(source), content=bytes(1_000_001))).status_code == 413
    assert await StoredReport.objects.acount() == 0


async def test_s7_a_report_that_breaks_off_is_none(client: httpx.AsyncClient, source: ReportSource) -> None:
    async def half() -> AsyncIterator[bytes]:
        yield b"Region\r\n"
        raise ConnectionError

    assert (await client.post(path_of(source), content=half())).status_code == 500
    assert await StoredReport.objects.acount() == 0


async def test_only_a_source_that_is_pushed_to_takes_reports(client: httpx.AsyncClient) -> None:
    other = await ReportSource.objects.acreate(name="File", kind=ReportSource.Kind.FILE)
    assert (await client.post(path_of(other), content=b"x")).status_code == 409
    assert (await client.post("/api/v1/report-sources/X/report", content=b"x")).status_code == 404


async def test_w1_only_sending_and_administering_tokens_push(client: httpx.AsyncClient, source: ReportSource) -> None:
    revoked, plain = await sync_to_async(create_token)("Revoked", "send", "test")
    await sync_to_async(revoke_token)(revoked, "test")
    statuses = {
        "stranger": (await client.post(path_of(source), content=b"x", headers={"Authorization": ""})).status_code,
        "revoked": (
            await client.post(path_of(source), content=b"x", headers={"Authorization": f"Bearer {plain}"})
        ).status_code,
    }
    for scope in ("read", "send", "admin"):
        _, plain = await sync_to_async(create_token)(scope, scope, "test")
        answer = await client.post(path_of(source), content=b"x", headers={"Authorization": f"Bearer {plain}"})
        statuses[scope] = answer.status_code
    assert statuses == {"stranger": 401, "revoked": 401, "read": 403, "send": 201, "admin": 201}


@pytest.mark.parametrize("query", ["?file=a.csv", "?file_name=a&file_name=b", "?file_name=%FF"])
async def test_w11_a_query_that_says_something_else_is_refused(
    client: httpx.AsyncClient, source: ReportSource, query: str
) -> None:
    assert (await client.post(path_of(source) + query, content=b"x")).status_code in (400, 422)
    assert await StoredReport.objects.acount() == 0


async def test_d6_a_database_that_does_not_answer_is_said_and_the_next_push_is_taken(
    client: httpx.AsyncClient, source: ReportSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(_plain: str) -> None:
        raise OperationalError("database is locked")

    with monkeypatch.context() as patch:
        patch.setattr(pushes, "client_of", busy)
        answer = await client.post(path_of(source), content=b"x")
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
    assert (await client.post(path_of(source), content=b"x")).status_code == 201
