"""`postroom route` and `postroom rule`: what would happen to a message, and by which rules."""

import json

import pytest

from postroom.cli.main import main
from postroom.flow.servers.delivery_rules import add_rule
from postroom.store.models import SmtpServer


@pytest.fixture(autouse=True)
def opened(db: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001  every test reads rows
    """The test database stands for the installation."""
    for module in ("route", "rule"):
        monkeypatch.setattr(f"postroom.cli.{module}.open_instance", lambda _: True)


def test_the_route_is_told_line_by_line(relay: SmtpServer, capsys: pytest.CaptureFixture[str]) -> None:
    add_rule({"server": relay.pk, "purposes": ["report"], "name": "Reports"}, "test")
    assert main(["route", "--to", "ann@example.org", "--purpose", "report"]) == 0
    told = capsys.readouterr().out
    assert "-> Reports fits: Relay takes it." in told
    assert "-> Try 1. [" in told


def test_the_route_is_told_as_json(relay: SmtpServer, capsys: pytest.CaptureFixture[str]) -> None:  # noqa: ARG001
    assert main(["route", "--to", "ann@example.org", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document) == {"steps", "attempts_at", "expires_at"}


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ([], 2), (["--to", "nobody"], 2), (["--to", "a@example.org", "--client", "x"], 2),
        (["--to", "a@example.org", "--server", "x"], 1), (["--delivery", "x"], 1),
    ],
)
def test_what_cannot_be_explained_is_said(
    relay: SmtpServer, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int  # noqa: ARG001
) -> None:
    assert main(["route", *arguments]) == status
    assert capsys.readouterr().err


def test_rules_are_listed_in_their_order(relay: SmtpServer, capsys: pytest.CaptureFixture[str]) -> None:
    add_rule({"server": relay.pk, "recipient_domains": ["example.org"], "only": True}, "test")
    add_rule({"server": relay.pk, "enabled": False, "name": "Later"}, "test")
    assert main(["rule", "list"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert "to=example.org only" in first
    assert "off" in second
    assert "every message" in second
    assert main(["rule", "list", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["delivery_rules"]) == 2
