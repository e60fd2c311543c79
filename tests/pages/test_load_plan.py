"""The page Load planner, its document and its command."""

import argparse
import json
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from postroom.cli import load_plan as command
from postroom.flow.subscriptions.schedules import next_instant
from postroom.store.models import ReportSource, Run, SmtpServer, Subscription, User


@pytest.fixture
def tomorrow(relay: SmtpServer) -> str:
    """A day on which two large reports are due over a server with a limit."""
    relay.settings = {**relay.settings, "limits": {"messages_per_minute": 60}}
    relay.save()
    source = ReportSource.objects.create(name="Pushed", kind="pushed")
    schedule = {"words": "every day at 12:00", "time_zone": "Europe/Berlin"}
    for name in ("<b>Sales</b>", "Stock"):
        row = Subscription.objects.create(
            name=name, list_name=name, source=source, schedule=schedule, server=relay,
            next_at=next_instant(schedule, None, timezone.now()),
        )
        Run.objects.create(subscription=row, cause="schedule", due_at=timezone.now(), planned=1_200, queued=1_200)
    return (timezone.localdate() + timedelta(days=1)).isoformat()


def test_the_page_says_when_the_last_has_left_what_held_it_and_what_to_move(page: Client, tomorrow: str) -> None:
    said = page.get("/load-plan", {"day": tomorrow}).content.decode()
    assert "2 reports take longer than 15 minutes." in said
    assert "limit per minute" in said
    assert "12:20" in said
    assert "12:40" in said
    assert "instead of 12:00" in said
    assert "&lt;b&gt;Sales&lt;/b&gt;" in said
    assert 'aria-current="date"' in said


def test_an_empty_day_says_so_and_a_strange_one_is_today(page: Client) -> None:
    for day in ("", "2020-01-01", "x", "2026-99-99"):
        answer = page.get("/load-plan", {"day": day})
        assert answer.status_code == 200
        assert "Nothing is planned for this day" in answer.content.decode()


def test_a_viewer_may_read_it(viewer: User) -> None:
    client = Client()
    client.force_login(viewer)
    assert client.get("/load-plan").status_code == 200


@pytest.mark.usefixtures("relay")
def test_the_command_prints_the_plan(
    tomorrow: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "open_instance", lambda _: True)

    def run(*words: str) -> int:
        parser = argparse.ArgumentParser()
        command.add_arguments(parser)
        return command.run(parser.parse_args(words))

    assert run("--day", tomorrow, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    planned = [(each["name"], each["messages"]) for each in told["arrivals"]]
    assert planned == [("<b>Sales</b>", 1_200), ("Stock", 1_200)]
    assert run("--day", tomorrow) == 0
    assert "held by messages_per_minute" in capsys.readouterr().out
    assert run("--day", "soon") == 2
