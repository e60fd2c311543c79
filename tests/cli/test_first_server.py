"""On a machine without a browser: a first server is configured, proven and used with the command line alone."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.rig.capture import Capture, capturing
from tests.rig.installation import Installation, running_postroom

PASSWORD = "Lantern-Harbour-41"


@pytest.fixture(scope="module")
def captured() -> Iterator[Capture]:
    with capturing(PASSWORD) as capture:
        yield capture


@pytest.fixture(scope="module")
def headless(captured: Capture, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A running Postroom that may dial the port of `captured`."""
    data = tmp_path_factory.mktemp("headless") / "data"
    installation = Installation(data, POSTROOM_SMTP_PORTS=str(captured.port))
    with running_postroom(installation):
        yield installation


def settings_for(captured: Capture) -> tuple[str, ...]:
    return (
        "--host", "127.0.0.1", "--port", str(captured.port), "--security", "none", "--from", "reports@company.example",
        "--to", "marta@company.example", "--username", "reports@company.example",
    )


def test_a_first_server_is_proven_saved_and_sends(headless: Installation, captured: Capture) -> None:
    add = ("server", "add", "Relay", *settings_for(captured), "--password-stdin")

    refused = headless.command(*add, said="Harbour-Lantern-14\n")
    assert refused.returncode == 1, refused.stderr
    assert "authenticate  FAILED" in refused.stdout
    assert "Cause: The server did not accept the username or the password" in refused.stdout
    assert "Nothing was saved." in refused.stderr
    assert "Relay" not in headless.command("server", "list").stdout

    saved = headless.command(*add, said=f"{PASSWORD}\n")
    assert saved.returncode == 0, saved.stdout + saved.stderr
    assert "message       ok" in saved.stdout
    assert saved.stdout.endswith("Relay: saved, verified, default\n")
    assert len(captured.messages) == 1

    tested = headless.command("server", "test", "Relay", "--no-send", "--json")
    assert tested.returncode == 0, tested.stderr
    assert json.loads(tested.stdout)["status"] == "passed"

    sent = headless.command("send", "--to", "ann@example.org", "--subject", "By hand", "--wait", said="It works.\n")
    assert sent.returncode == 0, sent.stderr
    assert [b"Subject: By hand" in content for content in captured.messages] == [False, True]

    queue = headless.command("queue")
    assert queue.stdout.splitlines()[1].split()[:5] == ["Relay", "0", "0", "0", "0"]
    said = "".join(done.stdout + done.stderr for done in (refused, saved, tested, sent, queue))
    assert PASSWORD not in said


def test_a_change_is_tested_before_it_is_saved(headless: Installation, captured: Capture) -> None:
    before = len(captured.messages)
    words = (*settings_for(captured), "--password-stdin", "--untested")
    added = headless.command("server", "add", "Desk", *words, said=f"{PASSWORD}\n")
    assert added.returncode == 0, added.stderr
    renamed = headless.command("server", "change", "Desk", "--description", "Reports and alerts", "--json")
    assert json.loads(renamed.stdout)["test"] is None
    assert json.loads(renamed.stdout)["server"]["state"] == "unverified"
    assert len(captured.messages) == before

    from_elsewhere = headless.command("server", "change", "Desk", "--from", "desk@company.example", "--json")
    told = json.loads(from_elsewhere.stdout)
    assert (told["test"]["status"], told["server"]["from_address"]) == ("passed", "desk@company.example")
    assert (told["server"]["state"], told["server"]["description"]) == ("verified", "Reports and alerts")
    assert len(captured.messages) == before + 1


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    for words in (("server", "list"), ("queue",)):
        done = Installation(tmp_path / "nothing").command(*words)
        assert (done.returncode, done.stdout) == (1, "")
        assert "There is no Postroom in" in done.stderr
