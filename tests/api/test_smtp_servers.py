"""SMTP servers over the API: saved, changed, tested; a password goes in and never comes out (T4, T5)."""

import threading
import time
from typing import Any

import pytest
from django.db import transaction

from postroom.flow.servers.test_result import record_test_result
from postroom.store.models import AuditEntry, ServerTest, SmtpServer

from .conftest import Call

CANARY = "Canary-7f3a-password"
URL = "/api/v1/smtp-servers"
RELAY = {
    "name": "Relay", "from_address": "reports@company.example", "host": "smtp.company.example", "port": 587,
    "security": "starttls", "auth": "password", "username": "reports", "password": CANARY,
    "test_recipient": "ann@company.example",
}  # fmt: skip


class Report:
    """What a passed test reports, as far as it is stored."""

    status, finding = "passed", None
    stages: list[Any] = [{"name": "connect", "status": "passed", "ms": 3.2, "detail": "x"}]  # noqa: RUF012
    transcript, facts = ["  0.100 S: 220 mx"], {}


def created(admin: Call, **changes: Any) -> dict[str, Any]:
    answer = admin("post", URL, {**RELAY, **changes})
    assert answer.status_code == 201, answer.content
    document: dict[str, Any] = answer.json()
    return document


def fields(answer: Any) -> list[str]:
    assert answer.status_code == 422, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    return [error["field"] for error in answer.json()["errors"]]


def test_a_test_tells_what_else_was_tried(admin: Call) -> None:
    tried = [{"place": "smtp.company.example:465", "ok": False, "says": [{"what": "timeout", "values": {}}]}]
    row = ServerTest.objects.create(
        settings={}, created_by="x", status="failed", facts={"also_tried": tried, "size_limit": None}
    )
    answer = admin("get", f"/api/v1/tests/{row.pk}").json()
    assert answer["also_tried"] == [{"place": "smtp.company.example:465", "ok": False, "text": "No answer in time."}]
    assert answer["facts"] == {"size_limit": None}


def test_a_test_tells_what_works_and_is_unwise(admin: Call) -> None:
    facts = {"mechanism": "SCRAM-SHA-256", "tls": None}
    row = ServerTest.objects.create(settings={}, created_by="x", status="passed", facts=facts)
    (warning,) = admin("get", f"/api/v1/tests/{row.pk}").json()["warnings"]
    assert (warning["field"], warning["code"]) == ("security", "scram-without-tls")
    assert "nothing was encrypted" in warning["text"]


@pytest.mark.django_db(transaction=True)
def test_two_changes_at_once_both_stay(admin: Call) -> None:
    server = created(admin)
    answers: list[Any] = []
    other = threading.Thread(
        target=lambda: answers.append(admin("patch", f"{URL}/{server['id']}", {"from_name": "Reports"}))
    )
    with transaction.atomic():
        row = SmtpServer.objects.get(pk=server["id"])
        row.settings = {**row.settings, "description": "For reports"}
        row.save()
        other.start()
        time.sleep(0.3)
    other.join()
    assert answers[0].status_code == 200
    after = admin("get", f"{URL}/{server['id']}").json()
    assert (after["description"], after["from_name"]) == ("For reports", "Reports")


def test_a_saved_server_shows_everything_but_its_password(admin: Call, reader: Call) -> None:
    server = created(admin, limits={"connections": 3})
    assert server["state"] == "unverified"
    assert server["verified_at"] is None
    assert server["has_password"] is True
    assert "password" not in server
    assert {name: server[name] for name in RELAY if name != "password"} == {
        k: v for k, v in RELAY.items() if k != "password"
    }
    assert server["limits"]["connections"] == 3
    assert reader("get", f"{URL}/{server['id']}").json() == server
    assert reader("get", URL).json() == {"smtp_servers": [server]}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"host": "https://smtp.company.example"}, "host"),
        ({"host": "smtp company"}, "host"),
        ({"port": 22}, "port"),
        ({"port": "25"}, "port"),
        ({"port": 70000}, "port"),
        ({"security": "ssl"}, "security"),
        ({"name": ""}, "name"),
        ({"name": 5}, "name"),
        ({"from_address": "nobody"}, "from_address"),
        ({"from_name": "a\r\nBcc: x"}, "from_name"),
        ({"ehlo_name": "a\r\nMAIL FROM:<x>"}, "ehlo_name"),
        ({"password": None}, "password"),
        ({"colour": "red"}, "colour"),
        ({"state": "verified"}, "state"),
        ({"limits": {"colour": 1}}, "limits.colour"),
        ({"limits": {"connections": 0}}, "limits.connections"),
        ({"enabled": 1}, "enabled"),
        ({"use_unverified": True}, "reason"),
    ],
)
def test_a_setting_that_can_t_be_taken_is_named(admin: Call, changes: dict[str, Any], field: str) -> None:
    assert fields(admin("post", URL, {**RELAY, **changes})) == [field]
    assert not SmtpServer.objects.exists()


def test_a_url_as_host_is_offered_corrected(admin: Call) -> None:
    error = admin("post", URL, {**RELAY, "host": "smtp://smtp.company.example"}).json()["errors"][0]
    assert error["suggestion"]["host"] == "smtp.company.example"


@pytest.mark.parametrize(
    "change", [{"host": "evil.example"}, {"port": 25}, {"security": "none"}, {"username": "other"},
               {"verify_certificate": False}, {"allow_plain_auth": True}],
)  # fmt: skip
def test_a_changed_destination_needs_the_password_again(admin: Call, change: dict[str, Any]) -> None:
    server = created(admin)
    assert fields(admin("patch", f"{URL}/{server['id']}", change)) == ["password"]
    assert fields(admin("post", f"{URL}/test", {"based_on": server["id"], **change})) == ["password"]
    assert not ServerTest.objects.exists()
    assert admin("get", f"{URL}/{server['id']}").json() == server
    assert admin("patch", f"{URL}/{server['id']}", {**change, "password": "new"}).status_code == 200


def test_a_patch_changes_only_what_it_names(admin: Call) -> None:
    server = created(admin, limits={"connections": 3, "size_bytes": 1000})
    changed = admin("patch", f"{URL}/{server['id']}", {"subject_prefix": "[R]", "limits": {"connections": 5}}).json()
    assert changed == {**server, "subject_prefix": "[R]", "limits": {**server["limits"], "connections": 5}}
    assert fields(admin("patch", f"{URL}/{server['id']}", {"hosts": "x"})) == ["hosts"]
    assert fields(admin("patch", f"{URL}/{server['id']}", {"port": "25"})) == ["port"]
    assert fields(admin("patch", f"{URL}/{server['id']}", {"name": None})) == ["name"]


def test_only_a_server_that_takes_deliveries_becomes_the_default(admin: Call) -> None:
    server = created(admin)
    refused = admin("patch", f"{URL}/{server['id']}", {"is_default": True})
    assert (refused.status_code, refused.json()["type"]) == (409, "/api/docs#problem-not-possible")
    changed = admin(
        "patch", f"{URL}/{server['id']}", {"use_unverified": True, "reason": "no test mail", "is_default": True}
    )
    assert (changed.json()["is_default"], changed.json()["reason"]) == (True, "no test mail")
    assert fields(admin("patch", f"{URL}/{server['id']}", {"is_default": False})) == ["is_default"]
    assert admin("patch", f"{URL}/{server['id']}", {"enabled": False}).json()["enabled"] is False


def test_a_refused_switch_leaves_nothing_behind(admin: Call) -> None:
    assert admin("post", URL, {**RELAY, "is_default": True}).status_code == 409
    assert not SmtpServer.objects.exists()


def test_a_deleted_server_is_gone(admin: Call) -> None:
    server = created(admin)
    assert admin("delete", f"{URL}/{server['id']}").status_code == 204
    assert admin("get", f"{URL}/{server['id']}").status_code == 404


def test_a_test_is_queued_followed_and_stopped(admin: Call, reader: Call) -> None:
    server = created(admin)
    started = admin("post", f"{URL}/{server['id']}/test")
    assert started.status_code == 202
    url = f"/api/v1/tests/{started.json()['id']}"
    document = reader("get", url).json()
    assert (document["status"], document["finding"], document["log_url"]) == ("queued", None, f"{url}/log")
    assert admin("post", f"{url}/stop").json()["status"] == "stopped"


def test_a_passed_test_verifies_and_its_log_is_text(admin: Call, reader: Call) -> None:
    server = created(admin)
    test_id = admin("post", f"{URL}/{server['id']}/test", {"send": True}).json()["id"]
    record_test_result(ServerTest.objects.get(pk=test_id), Report())
    assert reader("get", f"{URL}/{server['id']}").json()["state"] == "verified"
    document = reader("get", f"/api/v1/tests/{test_id}").json()
    assert (document["status"], document["stages"][0]["name"]) == ("passed", "connect")
    log = reader("get", document["log_url"])
    assert (log["Content-Type"], log.content) == ("text/plain; charset=utf-8", b"  0.100 S: 220 mx\n")


def test_unsaved_settings_are_tested_without_a_name(admin: Call) -> None:
    settings = {name: value for name, value in RELAY.items() if name != "name"}
    answer = admin("post", f"{URL}/test", {**settings, "send": False})
    assert answer.status_code == 202
    test = ServerTest.objects.get(pk=answer.json()["id"])
    assert (test.send, test.server_id, test.typed_settings.name) == (False, None, "smtp.company.example")
    assert fields(admin("post", f"{URL}/test", {**settings, "port": 22})) == ["port"]
    assert fields(admin("post", f"{URL}/test", {**settings, "based_on": "nothing"})) == ["based_on"]


def test_a_stored_password_is_lent_to_its_own_destination(admin: Call) -> None:
    server = created(admin)
    answer = admin("post", f"{URL}/test", {"based_on": server["id"], "from_name": "New"})
    assert answer.status_code == 202
    assert ServerTest.objects.get(pk=answer.json()["id"]).sealed_password == SmtpServer.objects.get().sealed_password


def test_position_and_default_are_one_order(admin: Call) -> None:
    ids = []
    for name in ("A", "B", "C"):
        made = admin("post", URL, {**RELAY, "name": name, "use_unverified": True, "reason": "test"}).json()
        ids.append(made["id"])
    admin("patch", f"{URL}/{ids[0]}", {"is_default": True})
    moved = admin("patch", f"{URL}/{ids[2]}", {"position": 1}).json()
    assert (moved["position"], moved["is_default"]) == (1, False)
    admin("patch", f"{URL}/{ids[1]}", {"is_default": True})
    listed = admin("get", URL).json()["smtp_servers"]
    assert [(row["name"], row["position"], row["is_default"]) for row in listed] == [
        ("B", 0, True), ("A", 1, False), ("C", 2, False)
    ]
    admin("patch", f"{URL}/{ids[0]}", {"use_unverified": False})
    assert admin("patch", f"{URL}/{ids[0]}", {"position": 0}).status_code == 409
    for wrong in (-1, "1", 1.5):
        assert fields(admin("patch", f"{URL}/{ids[0]}", {"position": wrong})) == ["position"]


def test_pausing_and_resuming_through_the_api(admin: Call) -> None:
    server = admin("post", URL, {**RELAY, "use_unverified": True, "reason": "test"}).json()
    paused = admin("post", f"{URL}/{server['id']}/pause", {"until": "2099-03-01T08:00:00Z", "reason": "move"}).json()
    assert (paused["state"], paused["pause_reason"]) == ("paused", "move")
    assert paused["paused_until"].startswith("2099-03-01T08:00:00")
    assert AuditEntry.objects.filter(action="server.pause").exists()
    for until in ("2020-01-01T00:00:00Z", "2099-03-01T08:00:00", "soon", 5):
        assert fields(admin("post", f"{URL}/{server['id']}/pause", {"until": until})) == ["until"]
    resumed = admin("post", f"{URL}/{server['id']}/resume").json()
    assert (resumed["state"], resumed["paused_at"]) == ("unverified", None)
    assert admin("post", f"{URL}/{server['id']}/pause").json()["paused_until"] is None
