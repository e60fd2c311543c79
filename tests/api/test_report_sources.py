"""Report sources and connections through the API: kept, tried, and their secrets never told."""

import json
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from postroom.flow.reports import try_source
from postroom.flow.reports.source_settings import password_of, secret_of
from postroom.flow.reports.stored_report import report_blobs, store_report
from postroom.policy.report_roots import ReportRoots
from postroom.store.models import AuditEntry, ReportSource, SqlConnection, Subscription

from .conftest import Call

SOURCES, CONNECTIONS = "/api/v1/report-sources", "/api/v1/sql-connections"
URL = {
    "name": "Shop", "kind": "url", "settings": {"url": "https://shop.example/sales.csv"}, "secret": "Bearer swordfish",
}
DATABASE = {
    "name": "Shop", "kind": "postgresql", "password": "swordfish",
    "settings": {"host": "db.example", "database": "shop", "username": "reader"},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(settings, "REPORT_ROOTS", ReportRoots((("reports", str(tmp_path)),)))
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_a_source_is_added_changed_and_removed_and_each_is_audited(admin: Call) -> None:
    made = admin("post", SOURCES, {"name": "Sales", "settings": {"root": "reports", "pattern": "sales/*.csv"}})
    assert made.status_code == 201, made.content
    path = f"{SOURCES}/{made.json()['id']}"
    changed = admin("patch", path, {"settings": {"fresh_within_s": 3600}}).json()
    assert changed["settings"] == {"root": "reports", "pattern": "sales/*.csv", "fresh_within_s": 3600}
    assert admin("delete", path).status_code == 204
    assert admin("get", path).status_code == 404
    entries = AuditEntry.objects.filter(action__startswith="source.").order_by("pk")
    assert [entry.action for entry in entries] == ["source.add", "source.change", "source.remove"]


def test_an_address_or_a_database_that_wants_no_secret_is_added_without_one(admin: Call) -> None:
    made = admin("post", SOURCES, {key: value for key, value in URL.items() if key != "secret"})
    assert (made.status_code, made.json().get("has_secret")) == (201, False)
    made = admin("post", CONNECTIONS, {key: value for key, value in DATABASE.items() if key != "password"})
    assert (made.status_code, made.json().get("has_password")) == (201, False)


def test_t4_a_secret_stays_with_its_address_and_is_never_told(admin: Call) -> None:
    made = admin("post", SOURCES, URL).json()
    row = ReportSource.objects.get()
    assert (made["has_secret"], secret_of(row)) == (True, "Bearer swordfish")
    path = f"{SOURCES}/{made['id']}"
    elsewhere = ({"url": "https://other.example/x"}, {"url": "http://shop.example/a"}, {"secret_header": "X-Key"})
    for moved in elsewhere:
        answer = admin("patch", path, {"settings": moved})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "secret")
    assert admin("patch", path, {"settings": {"url": "https://shop.example/other.csv"}}).status_code == 200
    row.refresh_from_db()
    assert secret_of(row) == "Bearer swordfish"
    said = admin("get", path).content + admin("get", SOURCES).content
    assert b"swordfish" not in said + str(list(AuditEntry.objects.values_list("changes", flat=True))).encode()
    assert admin("patch", path, {"secret": ""}).json()["has_secret"] is False


@pytest.mark.parametrize("moved", [{"host": "b.example"}, {"port": 5433}, {"username": "root"}, {"tls": "off"}])
def test_t4_a_password_stays_with_its_database(admin: Call, moved: dict[str, object]) -> None:
    made = admin("post", CONNECTIONS, DATABASE)
    assert made.status_code == 201, made.content
    path = f"{CONNECTIONS}/{made.json()['id']}"
    answer = admin("patch", path, {"settings": moved})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "destination-changed")
    assert admin("patch", path, {"settings": moved, "password": "other"}).status_code == 200
    assert password_of(SqlConnection.objects.get()) == "other"
    assert b"other" not in admin("get", path).content


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"kind": "file", "settings": {"root": "elsewhere", "pattern": "a.csv"}}, "settings.root"),
        ({"kind": "file", "settings": {"root": "reports", "pattern": "../a.csv"}}, "settings.pattern"),
        ({"kind": "file", "settings": {"root": "reports", "pattern": "/etc/passwd"}}, "settings.pattern"),
        ({"kind": "file", "settings": {"root": "reports", "pattern": "a.csv", "url": "x"}}, "settings.url"),
        ({"kind": "url", "settings": {"url": "file:///etc/passwd"}}, "settings.url"),
        ({"kind": "url", "settings": {"url": "https://user:pw@a.example/"}}, "settings.url"),
        ({"kind": "url", "settings": {"url": "https://{host}/"}}, "settings.url"),
        ({"kind": "url", "settings": {"url": "https://a.example/", "headers": {"Host": "b"}}}, "settings.headers"),
        ({"kind": "url", "settings": {"url": "https://a.example/", "headers": {"A": "b\r\nC: d"}}}, "settings.headers"),
        ({"kind": "sql", "settings": {"query": "DROP TABLE t"}}, "settings.query"),
        ({"kind": "sql", "settings": {"query": "SELECT 1"}}, "connection"),
        ({"kind": "pushed", "settings": {"root": "reports"}}, "settings.root"),
        ({"kind": "pushed", "secret": "x"}, "secret"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_what_can_not_be_a_source_is_refused_at_the_field(admin: Call, body: dict[str, object], field: str) -> None:
    answer = admin("post", SOURCES, {"name": "A", **body})
    assert answer.status_code == 422
    assert field in [error["field"] for error in answer.json()["errors"]]
    assert not ReportSource.objects.exists()


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"headers": {"Authorization": "Bearer canary-7f3a"}}, "settings.headers"),
        ({"headers": {"x-api-key": "canary-7f3a"}}, "settings.headers"),
        ({"headers": {"Cookie": "session=canary-7f3a"}}, "settings.headers"),
        ({"headers": {"X-Department": "Bearer canary-7f3a"}}, "settings.headers"),
        ({"url": "https://a.example/?token=canary-7f3a"}, "settings.url"),
        ({"url": "https://canary-7f3a@a.example/"}, "settings.url"),
    ],
)
def test_t5_a_secret_in_the_open_is_refused_with_where_it_belongs(
    admin: Call, settings: dict[str, object], field: str
) -> None:
    made = admin("post", SOURCES, {"name": "Web", "kind": "url", "settings": {"url": "https://a.example/"}}).json()
    path = f"{SOURCES}/{made['id']}"
    given = {"name": "Other", "kind": "url", "settings": {"url": "https://a.example/", **settings}}
    for answer in (admin("post", SOURCES, given), admin("patch", path, {"settings": settings})):
        error = answer.json()["errors"][0]
        assert (answer.status_code, error["field"], error["code"]) == (422, field, "secret")
        assert "secret header field" in error["text"]
        assert "canary" not in answer.content.decode()
    assert "canary" not in str(list(ReportSource.objects.values("settings")))
    assert "canary" not in str(list(AuditEntry.objects.values()))


def test_t5_a_secret_that_was_taken_in_the_open_before_is_hidden_and_has_to_move(admin: Call) -> None:
    url = "https://me:canary-7f3a@a.example/r?token=canary-7f3a"
    given = {"url": url, "headers": {"X-Api-Key": "canary-7f3a"}}
    row = ReportSource.objects.create(name="Web", kind="url", settings=given)
    blob = report_blobs().put([b"North\r\n"])
    store_report(row, blob, file_name="r.csv", media_type="", origin=url, now=timezone.now())
    path = f"{SOURCES}/{row.pk}"
    shown = admin("get", path)
    assert "canary" not in shown.content.decode()
    assert shown.json()["newest_report"]["origin"] == shown.json()["settings"]["url"]
    kept = shown.json()["settings"]
    answer = admin("patch", path, {"settings": {"url": kept["url"], "headers": kept["headers"]}})
    assert {error["field"] for error in answer.json()["errors"]} == {"settings.url", "settings.headers"}
    repaired = {"url": "https://a.example/r", "headers": {}, "secret_header": "X-Api-Key"}
    assert admin("patch", path, {"settings": repaired, "secret": "canary-7f3a"}).status_code == 200
    row.refresh_from_db()
    assert (secret_of(row), row.settings["headers"]) == ("canary-7f3a", {})
    assert "canary" not in str(list(AuditEntry.objects.values()))


def test_a_source_that_a_subscription_uses_stays(admin: Call) -> None:
    source = ReportSource.objects.create(name="Sales", kind=ReportSource.Kind.PUSHED)
    Subscription.objects.create(name="Weekly", source=source, list_name="weekly")
    answer = admin("delete", f"{SOURCES}/{source.pk}")
    assert (answer.status_code, "Weekly" in answer.json()["detail"]) == (409, True)


def test_a_try_waits_for_the_engine_and_tells_what_came(admin: Call, folder: Path) -> None:
    (folder / "a.csv").write_text("Region\r\nNorth\r\n")
    source = admin("post", SOURCES, {"name": "A", "settings": {"root": "reports", "pattern": "a.csv"}}).json()
    asked = admin("post", f"{SOURCES}/{source['id']}/try", {})
    assert (asked.status_code, asked.json()["state"]) == (202, "waiting")
    row = try_source.claim_try()
    assert row is not None
    try_source.run_try(row)
    told = admin("get", f"/api/v1/source-tries/{asked.json()['id']}").json()
    assert (told["state"], told["report"]["row_count"], told["report"]["sample"]["rows"]) == ("done", 1, [["North"]])
    (folder / "a.csv").unlink()
    second = admin("post", f"{SOURCES}/{source['id']}/try", {}).json()
    row = try_source.claim_try()
    assert row is not None
    try_source.run_try(row)
    told = admin("get", f"/api/v1/source-tries/{second['id']}").json()
    assert (told["state"], told["fault"]["kind"]) == ("failed", "missing")


@pytest.mark.parametrize("bad", ["half \ud800", "a\0b"])
def test_a_try_takes_no_parameter_that_no_database_keeps(admin: Call, bad: str) -> None:
    source = ReportSource.objects.create(name="Sales", kind=ReportSource.Kind.PUSHED)
    for parameters in ({"region": bad}, {bad: "north"}):
        answer = admin("post", f"{SOURCES}/{source.pk}/try", json.dumps({"parameters": parameters}))
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"].startswith("parameters.")


def test_one_try_of_a_source_waits_at_a_time_and_old_ones_go(admin: Call) -> None:
    source = ReportSource.objects.create(name="Sales", kind=ReportSource.Kind.PUSHED)
    ids = {admin("post", f"{SOURCES}/{source.pk}/try", {}).json()["id"] for _ in range(3)}
    assert len(ids) == 1
    assert try_source.forget_old_tries(timezone.now() + try_source.KEPT) == 1
