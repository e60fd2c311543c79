"""`postroom subscription`: subscribe people to reports on the command line."""

import argparse
import json

import pytest

from postroom.cli import subscription
from postroom.store.models import AuditEntry, RecipientGroup, ReportSource, Run, Subscription

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command stands on this test process's database."""
    monkeypatch.setattr(subscription, "open_instance", lambda _: True)
    ReportSource.objects.create(name="Sales", kind="pushed")
    RecipientGroup.objects.create(name="Managers")


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    subscription.add_arguments(parser)
    return subscription.run(parser.parse_args(words))


def test_people_are_subscribed_listed_and_run(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--when", "every Monday at 08:00", "--time-zone", "Europe/Berlin")
    assert run("add", "Weekly", "--source", "Sales", "--to", "managers", "--to", "ann@example.com", *words) == 0
    row = Subscription.objects.get()
    assert capsys.readouterr().out.strip() == row.pk
    assert [(each.group is not None, each.address) for each in row.subscribers.order_by("pk")] == [
        (True, ""), (False, "ann@example.com"),
    ]
    assert run("list") == 0
    assert f"{row.next_at:%Y-%m-%d %H:%M}Z" in capsys.readouterr().out
    assert run("run", "Weekly") == 0
    assert run("run", "Weekly", "--to", "me@example.com") == 0
    told = capsys.readouterr()
    assert told.out.split() == list(Run.objects.order_by("pk").values_list("pk", flat=True))
    assert "No engine is running" in told.err
    assert run("runs", "Weekly") == 0
    assert capsys.readouterr().out.count("waiting") == 2
    assert set(AuditEntry.objects.values_list("actor", flat=True)) == {"command line"}


def test_a_condition_on_a_column_is_given_in_four_words(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("add", "Weekly", "--source", "Sales", "--to", "ann@example.com", "--only-if", "any", "on-time rate")
    assert run(*words, "at most", "95 %") == 0
    assert Subscription.objects.get().conditions["column_value"] == {
        "column": "on-time rate", "rows": "any", "operator": "at-most", "value": "95 %",
    }
    assert run(*words, "near", "95 %") == 2
    assert "comparison" in capsys.readouterr().err


def test_a_paused_one_says_so_and_a_removed_one_is_gone(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("add", "Weekly", "--source", "Sales", "--to", "ann@example.com") == 0
    assert run("pause", "Weekly") == 0
    capsys.readouterr()
    assert run("list", "--json") == 0
    (told,) = json.loads(capsys.readouterr().out)["subscriptions"]
    assert told["name"] == "Weekly"
    assert told["paused_at"]
    assert run("resume", told["id"]) == 0
    assert run("show", "Weekly") == 0
    assert run("remove", "Weekly") == 0
    assert run("show", "Weekly") == 1
    assert "There is no such subscription" in capsys.readouterr().err


def test_what_can_t_be_taken_is_wrong_usage_and_names_the_field(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("add", "Weekly", "--source", "Nothing", "--to", "nobody at all", "--when", "now and then") == 2
    told = capsys.readouterr().err
    assert all(name in told for name in ("source", "subscribers.0", "words"))
    assert not Subscription.objects.exists()
