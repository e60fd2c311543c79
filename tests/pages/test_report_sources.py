"""The pages of report sources and connections, and the report behind a link."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.http import StreamingHttpResponse
from django.test import Client
from django.utils import timezone

from postroom.flow.reports import try_source
from postroom.flow.reports.report_link import links_for
from postroom.flow.reports.source_settings import secret_of
from postroom.flow.reports.stored_report import report_blobs, store_report
from postroom.pages import guess_limit
from postroom.policy.report_roots import ReportRoots
from postroom.store.models import ReportLink, ReportSource, SourceTry, SqlConnection, StoredReport, User

MARKUP = "<script>alert(1)</script>"
FILE = {"name": "Sales", "kind": "file", "root": "reports", "pattern": "sales/*.csv", "fresh_within_s": "1.5"}
URL = {
    "name": "Shop", "kind": "url", "url": "https://shop.example/a.pdf", "secret_header": "Authorization",
    "secret": "Bearer canary-7f3a", "timeout_s": "60", "headers": "Accept-Language: fr",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(settings, "REPORT_ROOTS", ReportRoots((("reports", str(tmp_path)),)))
    return tmp_path


@pytest.fixture
def operator(viewer: User) -> Client:
    User.objects.filter(pk=viewer.pk).update(role=User.Role.OPERATOR)
    client = Client()
    client.force_login(User.objects.get(pk=viewer.pk))
    return client


def worked_off() -> None:
    """What the engine does."""
    row = try_source.claim_try()
    assert row is not None
    try_source.run_try(row)


def test_without_sources_the_page_says_what_one_is_and_offers_to_add_it(page: Client) -> None:
    text = page.get("/report-sources").content.decode()
    assert "No report source yet" in text
    assert 'href="/report-sources/new"' in text


def test_a_source_is_added_tried_and_shown_with_its_first_rows(page: Client, folder: Path) -> None:
    answer = page.post("/report-sources/new", FILE)
    row = ReportSource.objects.get()
    assert (answer.status_code, row.settings["fresh_within_s"]) == (302, 5_400)
    (folder / "sales").mkdir()
    (folder / "sales" / "a.csv").write_text(f"Region\r\n{MARKUP}\r\n")
    assert page.post(f"/report-sources/{row.pk}/try").status_code == 302
    assert "Waiting for the engine" in page.get(f"/report-sources/{row.pk}/state").content.decode()
    worked_off()
    text = page.get(f"/report-sources/{row.pk}").content.decode()
    assert "&lt;script&gt;alert(1)" in text
    assert MARKUP not in text
    assert 'value="1.5"' in text
    assert "sales/*.csv" in page.get("/report-sources").content.decode()


def test_a_try_that_failed_says_why_in_the_reader_s_language(page: Client, administrator: User) -> None:
    page.post("/report-sources/new", FILE)
    row = ReportSource.objects.get()
    page.post(f"/report-sources/{row.pk}/try")
    worked_off()
    assert "No file matches sales/*.csv." in page.get(f"/report-sources/{row.pk}/state").content.decode()
    User.objects.filter(pk=administrator.pk).update(language="fr")
    assert "Aucun fichier" in page.get(f"/report-sources/{row.pk}/state").content.decode()


def test_t5_a_secret_is_stored_sealed_and_never_shown(page: Client) -> None:
    page.post("/report-sources/new", URL)
    row = ReportSource.objects.get()
    assert secret_of(row) == "Bearer canary-7f3a"
    assert row.settings["headers"] == {"Accept-Language": "fr"}
    assert b"canary" not in page.get(f"/report-sources/{row.pk}").content
    moved = page.post(f"/report-sources/{row.pk}", URL | {"secret": "", "url": "https://other.example/"})
    assert (moved.status_code, 'id="e-secret"' in moved.content.decode()) == (422, True)
    assert page.post(f"/report-sources/{row.pk}", URL | {"secret": "", "forget_secret": "on"}).status_code == 302
    row.refresh_from_db()
    assert secret_of(row) == ""


def test_nothing_typed_is_lost_when_a_field_is_refused(page: Client) -> None:
    answer = page.post("/report-sources/new", FILE | {"name": "", "pattern": "../x", "fresh_within_s": "soon"})
    text = answer.content.decode()
    assert answer.status_code == 422
    for field in ("name", "pattern", "fresh_within_s"):
        assert f'id="e-{field}"' in text
        assert f'href="#f-{field}"' in text
    assert 'value="../x"' in text
    assert 'value="soon"' in text


def test_an_operator_keeps_files_and_pushes_but_no_queries_and_no_secrets(operator: Client, page: Client) -> None:
    assert operator.post("/report-sources/new", FILE).status_code == 302
    assert operator.post("/report-sources/new", {"name": "Pushed", "kind": "pushed"}).status_code == 302
    assert operator.post("/report-sources/new", URL).status_code == 403
    assert operator.post("/report-sources/new", {"name": "Q", "kind": "sql", "query": "SELECT 1"}).status_code == 403
    text = operator.get("/report-sources/new").content.decode()
    assert 'value="sql"' not in text
    page.post("/report-sources/new", URL)
    shop = ReportSource.objects.get(name="Shop")
    assert operator.get(f"/report-sources/{shop.pk}").status_code == 403
    assert operator.post(f"/report-sources/{shop.pk}/remove").status_code == 403


def test_how_a_program_pushes_is_shown(page: Client) -> None:
    page.post("/report-sources/new", {"name": "Pushed", "kind": "pushed"})
    row = ReportSource.objects.get()
    assert f"/api/v1/report-sources/{row.pk}/report" in page.get(f"/report-sources/{row.pk}").content.decode()
    assert page.post(f"/report-sources/{row.pk}/remove").status_code == 302
    assert not ReportSource.objects.exists()


def test_a_connection_is_saved_and_signed_in_to_at_once(page: Client, folder: Path) -> None:
    import sqlite3

    sqlite3.connect(folder / "shop.db").close()
    values = {"name": "Shop", "kind": "sqlite", "root": "reports", "path": "shop.db", "port": "5432"}
    assert page.post("/sql-connections/new", values).status_code == 302
    row = SqlConnection.objects.get()
    worked_off()
    assert "The database let Postroom in" in page.get(f"/sql-connections/{row.pk}").content.decode()
    assert "shop.db" in page.get("/report-sources").content.decode()
    query = {"name": "Q", "kind": "sql", "connection": row.pk, "query": "SELECT 1 AS n", "format": "csv",
             "timeout_s": "60", "most_rows": "100"}
    assert page.post("/report-sources/new", query).status_code == 302
    assert page.post(f"/sql-connections/{row.pk}/remove").status_code == 302
    assert SqlConnection.objects.exists()
    ReportSource.objects.get().delete()
    page.post(f"/sql-connections/{row.pk}/remove")
    assert not SqlConnection.objects.exists()


def test_t5_a_database_s_password_is_never_shown(page: Client) -> None:
    values = {"name": "Shop", "kind": "postgresql", "host": "db.example", "port": "x", "database": "shop",
              "username": "reader", "tls": "verified", "password": "canary-7f3a"}
    refused = page.post("/sql-connections/new", values)
    assert (refused.status_code, b"canary" in refused.content) == (422, False)
    assert page.post("/sql-connections/new", values | {"port": "5432"}).status_code == 302
    row = SqlConnection.objects.get()
    assert b"canary" not in page.get(f"/sql-connections/{row.pk}").content
    assert "canary" not in row.sealed_password
    assert SourceTry.objects.get().connection_id == row.pk


@pytest.fixture
def report() -> StoredReport:
    blob = report_blobs().put([b"Region\r\nNorth\r\n"])
    return store_report(
        None, blob, file_name="Ventes été\u202e.csv", media_type="text/html", origin="", now=timezone.now()
    )


def link_to(report: StoredReport, days: float = 1) -> str:
    now = timezone.now()
    return links_for(report, ["ann@a.example"], now + timedelta(days=days), now)["ann@a.example"].removeprefix(
        settings.PUBLIC_URL
    )


def read(answer: Any) -> bytes:
    assert isinstance(answer, StreamingHttpResponse)

    async def joined() -> bytes:
        return b"".join([part async for part in answer])

    return bytes(async_to_sync(joined)())


@pytest.mark.usefixtures("administrator")
def test_w10_a_link_gives_the_report_as_a_download_that_can_do_nothing(client: Client, report: StoredReport) -> None:
    path = link_to(report)
    answer = client.get(path)
    assert read(answer) == b"Region\r\nNorth\r\n"
    assert answer["Content-Disposition"] == "attachment; filename*=utf-8''Ventes%20%C3%A9t%C3%A9.csv"
    assert answer["Content-Length"] == "15"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]
    assert "no-store" in answer["Cache-Control"]
    assert not answer.cookies
    assert "ann" not in path
    link = ReportLink.objects.get()
    assert (link.fetch_count, link.fetched_at is not None) == (1, True)
    assert (client.head(path).status_code, ReportLink.objects.get().fetch_count) == (200, 1)


@pytest.mark.usefixtures("administrator")
def test_a_link_that_is_over_says_so_and_gives_nothing(client: Client, report: StoredReport) -> None:
    path = link_to(report, days=-1)
    answer = client.get(path)
    assert (answer.status_code, b"North" in answer.content) == (410, False)
    assert "expired" in answer.content.decode()
    ReportLink.objects.all().delete()
    assert client.get(path).status_code == 410


@pytest.mark.usefixtures("administrator")
def test_s6_a_link_that_was_not_made_here_gives_nothing(client: Client, report: StoredReport) -> None:
    path = link_to(report)
    for wrong in (path[:-1], path[:-1] + ("0" if path[-1] != "0" else "1"), "/reports/x", path.upper()[:9] + "0" * 52):
        assert client.get(wrong).status_code == 404
    assert ReportLink.objects.get().fetch_count == 0


@pytest.mark.usefixtures("administrator")
def test_w8_who_guesses_links_waits_and_others_do_not(client: Client, report: StoredReport) -> None:
    path = link_to(report)
    for _ in range(guess_limit.WRONG_LINKS):
        assert client.get("/reports/x").status_code == 404
    answer = client.get("/reports/x")
    assert (answer.status_code, answer["Retry-After"]) == (429, "300")
    assert client.get("/reports/x", headers={"X-Forwarded-For": "192.0.2.9"}).status_code == 429
    assert client.get("/reports/x", REMOTE_ADDR="192.0.2.7").status_code == 404
    assert client.get(path).status_code == 200, "behind a proxy everybody comes from the guesser's address"


def test_each_recipient_has_one_link_that_lasts_to_its_latest_end(report: StoredReport) -> None:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    first = links_for(report, ["a@a.example", "b@b.example", "a@a.example"], now + timedelta(days=2), now)
    again = links_for(report, ["a@a.example"], now + timedelta(days=1), now)
    assert (len(first), again["a@a.example"]) == (2, first["a@a.example"])
    assert first["a@a.example"] != first["b@b.example"]
    assert ReportLink.objects.get(recipient="a@a.example").expires_at == now + timedelta(days=2)


def test_a_form_that_was_open_before_there_was_a_connection_learns_of_it_and_loses_nothing(page: Client) -> None:
    text = page.get("/report-sources/new").content.decode()
    assert 'href="/sql-connections/new" target="_blank"' in text
    assert 'hx-get="/sql-connections/choices?of="' in text
    assert page.get("/sql-connections/choices?of=").status_code == 204
    row = SqlConnection.objects.create(name="Shop", kind="sqlite", settings={"root": "reports", "path": "shop.db"})
    for prefix in ("", "source-"):
        part = page.get(f"/sql-connections/choices?of={prefix}").content.decode()
        assert f'name="{prefix}connection"' in part
        assert f'<option value="{row.pk}" selected>Shop</option>' in part
        assert "hx-get" not in part
    assert page.get("/sql-connections/choices?of=<b>").status_code == 204
