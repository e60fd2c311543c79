"""T4, T5, T6, T7, T8: a stored password goes to its own server and nowhere else, in any form."""

import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from tests.canaries import forms_in, forms_in_files, forms_in_processes
from tests.rig.api import Api
from tests.rig.capture import Capture, capturing
from tests.rig.installation import Installation, Run, running_postroom

PASSWORD = "canary of the server é+/=&\"'<1>"
WRONG = "canary that the server refuses"
SIGN_IN = "canary of the administrator"
PAGES = ["", "messages", "activity", "smtp-servers", "smtp-servers/new", "sandbox", "tokens", "account"]


@dataclass
class Story:
    """A Postroom that has used passwords in every way: tests passed and failed, a message sent."""

    run: Run
    api: Api
    capture: Capture
    other: Capture
    server: dict[str, Any]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    data = tmp_path_factory.mktemp("passwords") / "data"
    with capturing(PASSWORD) as capture, capturing(PASSWORD) as other:
        installation = Installation(data, POSTROOM_SMTP_PORTS=f"{capture.port},{other.port}")
        with running_postroom(installation) as run:
            create = ("user", "create", "ada@example.org", "--name", "Ada", "--role", "administrator")
            assert installation.command(*create, said=f"{SIGN_IN}\n").returncode == 0
            api = Api(run)
            server = api.ask("POST", "smtp-servers", 201, settings_of(capture.port))
            yield Story(run, api, capture, other, told(api, server))


def settings_of(port: int) -> dict[str, Any]:
    return {
        "name": "Capture", "host": "127.0.0.1", "port": port, "security": "none", "auth": "password",
        "username": "reports", "password": PASSWORD, "from_address": "reports@example.org",
        "test_recipient": "someone@example.org",
    }


def told(api: Api, server: dict[str, Any]) -> dict[str, Any]:
    """Use the passwords: a failing test, a passing one, a message."""
    failed = api.ended_test("smtp-servers/test", {**settings_of(server["port"]), "name": "Wrong", "password": WRONG})
    assert (failed["status"], failed["finding"]["field"]) == ("failed", "password"), failed
    passed = api.ended_test(f"smtp-servers/{server['id']}/test")
    assert passed["status"] == "passed", passed
    api.ask("PATCH", f"smtp-servers/{server['id']}", 200, {"is_default": True})
    message = {"to": ["someone@example.org"], "subject": "Figures", "text": "Good.", "server": server["id"]}
    accepted = api.ask("POST", "messages", 202, message)
    assert api.settled_message(accepted["id"])["deliveries"][0]["state"] == "sent"
    for test in (failed, passed):
        api.text(f"tests/{test['id']}/log")
    saved: dict[str, Any] = api.ask("GET", f"smtp-servers/{server['id']}", 200)
    assert saved["state"] == "verified"
    return saved


def test_the_password_was_used_and_only_where_it_belongs(story: Story) -> None:
    assert set(story.capture.passwords) == {PASSWORD, WRONG}
    assert len(story.capture.messages) == 2
    assert story.other.passwords == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("host", "localhost"), ("host", "127.0.0.2"), ("port", None), ("security", "starttls"), ("security", "tls"),
        ("username", "somebody-else"), ("verify_certificate", False), ("allow_plain_auth", True), ("ca_pem", "other"),
    ],
)
def test_t4_no_changed_destination_takes_the_stored_password_along(story: Story, field: str, value: Any) -> None:
    change = {field: story.other.port if field == "port" else value}
    path = f"smtp-servers/{story.server['id']}"
    refused = [
        story.api.ask("PATCH", path, 422, change),
        story.api.ask("POST", "smtp-servers/test", 422, {**change, "based_on": story.server["id"], "name": "Capture"}),
    ]
    for problem in refused:
        assert "password" in {error["field"] for error in problem["errors"]}, problem
    assert story.api.ask("GET", path, 200) == story.server
    assert story.other.connections == 0


def test_t5_no_answer_of_the_api_returns_a_password(story: Story) -> None:
    server = f"smtp-servers/{story.server['id']}"
    for path in ("smtp-servers", "messages", "deliveries", "activity", server, "openapi.json"):
        story.api.ask("GET", path, 200)
    shown = [(a.request.url, form) for a in story.api.answers for form in found(f"{a.headers}\n{a.text}")]
    assert len(story.api.answers) > 20
    assert shown == []


def test_t5_no_page_returns_a_password(story: Story) -> None:
    with httpx.Client(base_url=story.run.url, follow_redirects=True, timeout=30) as browser:
        form = browser.get("/login").text
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
        assert token
        answer = browser.post(
            "/login",
            data={"csrfmiddlewaretoken": token.group(1), "email": "ada@example.org", "password": SIGN_IN},
            headers={"Origin": story.run.url},
        )
        paths = [*PAGES, f"smtp-servers/{story.server['id']}", *linked(browser.get("/smtp-servers").text)]
        answers = [answer, *(browser.get(f"/{path}") for path in paths)]
    assert {(a.request.url.path, a.status_code) for a in answers if a.status_code != 200} == set()
    assert "/login" not in {a.request.url.path for a in answers}
    assert [(a.request.url, form) for a in answers for form in found(f"{a.headers}\n{a.text}")] == []


def linked(page: str) -> list[str]:
    """Pages of tests that a page links to."""
    return sorted(set(re.findall(r'href="/(smtp-tests/[A-Z0-9]+(?:/log)?)"', page)))


def test_t8_no_process_shows_a_password_in_its_arguments(story: Story) -> None:
    assert story.run.process.poll() is None
    assert [place for secret in (PASSWORD, WRONG, SIGN_IN) for place in forms_in_processes(secret)] == []


def test_t6_and_t7_nothing_on_the_disk_and_nothing_said_holds_a_password(story: Story) -> None:
    data = story.run.installation.data
    assert (data / "postroom.sqlite3-wal").stat().st_size > 0
    assert [place for secret in (PASSWORD, WRONG, SIGN_IN) for place in forms_in_files(secret, data)] == []
    assert found(story.run.output) == []


def test_t6_the_same_after_a_stop_and_without_its_keys_it_does_not_start(story: Story) -> None:
    assert story.run.stop(signal.SIGTERM) == 0
    data = story.run.installation.data
    assert [place for secret in (PASSWORD, WRONG, SIGN_IN) for place in forms_in_files(secret, data)] == []
    (data / "keys").rename(data / "keys-elsewhere")
    done = story.run.installation.command("run", "--port", "0")
    assert done.returncode == 1
    assert "[keys-missing]" in done.stderr
    assert not (data / "keys").exists()


def found(text: str) -> list[str]:
    """Forms of any of the passwords in a text."""
    return [form for secret in (PASSWORD, WRONG, SIGN_IN) for form in forms_in(secret, text)]
