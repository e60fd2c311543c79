"""`postroom recipient` and `postroom group`."""

import argparse
from pathlib import Path
from types import ModuleType

import pytest

from postroom.cli import group, recipient
from postroom.flow.domains.recipient_domains import allowed
from postroom.store.models import AuditEntry, Recipient, RecipientGroup

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands stand on this test process's database."""
    for module in (recipient, group):
        monkeypatch.setattr(module, "open_instance", lambda _: True)


def run(module: ModuleType, *words: str) -> int:
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    return int(module.run(parser.parse_args(words)))


def test_a_recipient_is_added_to_a_group_listed_as_csv_and_removed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(group, "add", "Board", "ben@example.org") == 0
    words = ("add", "Ann@example.org", "--name", "Ann", "--group", "Board", "--value", "region=North")
    assert run(recipient, *words) == 0
    assert run(recipient, *words) == 2
    assert run(recipient, "add", "carl@example.org", "--group", "Nobody") == 1
    capsys.readouterr()
    assert run(recipient, "list", "--group", "Board") == 0
    assert capsys.readouterr().out.splitlines() == [
        "address,name,language,time_zone,groups,region", "Ann@example.org,Ann,,,Board,North",
        "ben@example.org,,,,Board,",
    ]
    assert run(recipient, "remove", "ANN@example.org") == 0
    assert run(recipient, "remove", "ANN@example.org") == 1
    assert set(AuditEntry.objects.values_list("actor", flat=True)) == {"command line"}


def test_a_file_is_looked_at_taken_and_taken_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "people.csv"
    file.write_text("ann@example.org\nnobody\n")
    assert run(recipient, "import", str(file), "--dry-run") == 0
    out, err = capsys.readouterr()
    assert out == "1 new, 0 changed, 0 unchanged, 1 left out; nothing was stored\n"
    assert err.startswith("Line 2: ")
    assert not Recipient.objects.exists()
    assert run(recipient, "import", str(file), "--group", "Board") == 0
    import_id = capsys.readouterr().out.split()[-1]
    assert RecipientGroup.objects.get().members.count() == 1
    assert run(recipient, "undo", import_id) == 0
    assert run(recipient, "undo", import_id) == 1
    assert not Recipient.objects.exists()
    assert run(recipient, "import", str(tmp_path / "none.csv")) == 2


def test_members_join_and_leave_and_a_removed_group_keeps_its_people(capsys: pytest.CaptureFixture[str]) -> None:
    run(group, "add", "Board", "ann@example.org", "ben@example.org")
    assert run(group, "members", "Board", "--join", "carl@example.org", "--leave", "ANN@example.org") == 0
    assert run(group, "list") == 0
    assert capsys.readouterr().out.splitlines()[-1] == "     2  Board"
    assert run(group, "members", "Board", "--join", "nobody") == 2
    assert run(group, "remove", "Board") == 0
    assert run(group, "remove", "Board") == 1
    assert Recipient.objects.count() == 3


def test_the_domains_that_mail_may_go_to_are_set_and_opened_again(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(recipient, "domains", "--only", "example.org") == 0
    assert (allowed("example.org"), allowed("other.example")) == (True, False)
    assert run(recipient, "domains", "--only", "x", "--all") == 2
    assert run(recipient, "domains", "--all") == 0
    assert capsys.readouterr().out == "example.org\nevery domain\n"
