"""`postroom schedule` and `postroom calendar`."""

import argparse
import json

import pytest

from postroom.cli import calendar
from postroom.cli.main import main
from postroom.store.models import AuditEntry


def test_a_schedule_is_explained_without_any_data(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["schedule", "weekdays at 07:30", "--zone", "Europe/Berlin", "--count", "2", "--json"]
    assert main(words) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["understood"] == "Monday to Friday, 07:30"
    assert len(told["next"]) == 2
    assert main(["schedule", "weekdays at 07:30", "--language", "fr", "--days-off", "DE-BY,Sweden"]) == 0
    assert capsys.readouterr().out.startswith("Du lundi au vendredi, 07:30\n")


@pytest.mark.parametrize("words", [["never"], ["daily at 8", "--zone", "X"], ["daily at 8", "--days-off", "Atlantis"]])
def test_what_is_no_schedule_is_a_usage_error_with_the_reason(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["schedule", *words]) == 2
    assert len(capsys.readouterr().err) > 20


@pytest.mark.django_db
def test_calendars_are_added_listed_and_removed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(calendar, "open_instance", lambda _: True)

    def run(*words: str) -> int:
        parser = argparse.ArgumentParser()
        calendar.add_arguments(parser)
        return calendar.run(parser.parse_args(words))

    assert run("add", "North", "--countries", "DE-BY,Sweden", "--days", "2027-12-24") == 0
    capsys.readouterr()
    assert run("list", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)["holiday_calendars"]
    assert (row["name"], row["countries"], row["days"]) == ("North", ["DE-BY", "SE"], ["2027-12-24"])
    assert run("list") == 0
    assert "DE-BY,SE" in capsys.readouterr().out
    assert run("add", "X", "--countries", "Atlantis") == 2
    assert "Atlantis" in capsys.readouterr().err
    assert run("remove", "North") == 0
    assert run("remove", "North") == 1
    assert set(AuditEntry.objects.values_list("actor", flat=True)) == {"command line"}
