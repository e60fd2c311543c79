"""`postroom suppression`: who gets no mail, on the command line."""

import argparse
import io

import pytest

from postroom.cli import suppression
from postroom.store.models import AuditEntry, Suppression

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command stands on this test process's database."""
    monkeypatch.setattr(suppression, "open_instance", lambda _: True)


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    suppression.add_arguments(parser)
    return suppression.run(parser.parse_args(words))


def test_an_address_is_added_listed_and_removed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("add", "Ann@Example.com", "--list", "Weekly", "--evidence", "by phone") == 0
    assert run("add", "ann@example.com", "--list", "Weekly") == 0
    assert Suppression.objects.get().list_name == "Weekly"
    assert capsys.readouterr().out == "ann@example.com: suppressed\nann@example.com: was suppressed already\n"
    assert run("list") == 0
    head, line = capsys.readouterr().out.splitlines()
    assert head == "address,list,reason,since,evidence"
    assert line.startswith("ann@example.com,Weekly,manual,")
    assert run("remove", "ANN@example.com", "--list", "Daily") == 1
    assert run("remove", "ANN@example.com") == 0
    assert not Suppression.objects.exists()
    assert set(AuditEntry.objects.values_list("actor", flat=True)) == {"command line"}


def test_what_is_no_address_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("add", "nobody") == 2
    assert "address" in capsys.readouterr().err
    assert run("remove", "nobody@example.com") == 1


def test_a_file_is_taken_whole_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def given(text: str) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    given("ann@example.com\nnobody\n")
    assert run("import") == 2
    assert "Line 2" in capsys.readouterr().err
    assert not Suppression.objects.exists()
    given("ann@example.com\nben@example.com\n")
    assert run("import") == 0
    given("ann@example.com\n")
    assert run("import") == 0
    assert capsys.readouterr().out == "2 added, 0 known already\n0 added, 1 known already\n"
