"""`postroom announce` and `postroom user invite`."""

import argparse
import io
from types import ModuleType

import pytest

from postroom.cli import announce, user
from postroom.store.models import AccountLink, Announcement

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands stand on this test process's database."""
    for module in (announce, user):
        monkeypatch.setattr(module, "open_instance", lambda _: True)
    monkeypatch.setattr("sys.stdin", io.StringIO("On Saturday.\n"))


def run(module: ModuleType, *words: str) -> int:
    parser = argparse.ArgumentParser()
    module.add_arguments(parser)
    return int(module.run(parser.parse_args(words)))


def test_an_announcement_waits_for_the_engine_under_the_id_that_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(announce, "--subject", "Maintenance", "--to", "ann@example.org", "--stay") == 0
    row = Announcement.objects.get(pk=capsys.readouterr().out.strip())
    assert (row.texts, row.can_leave) == ({"en": {"subject": "Maintenance", "text": "On Saturday."}}, False)


def test_a_dry_run_only_counts_and_what_is_wrong_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(announce, "--subject", "A", "--to", "ann@example.org", "--dry-run") == 0
    assert capsys.readouterr().out == "1 people; nothing was stored\n"
    assert run(announce, "--subject", "A", "--group", "None") == 2
    assert not Announcement.objects.exists()


def test_a_preview_prints_what_a_recipient_would_get(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    people = ("--to", "ann@example.org", "--to", "ben@example.org")
    assert run(announce, "--subject", "For {{ recipient.address }}", *people, "--preview", "ben@example.org") == 0
    shown = capsys.readouterr().out
    assert "To: ben@example.org (one of 2)" in shown
    assert "Subject: For ben@example.org" in shown
    monkeypatch.setattr("sys.stdin", io.StringIO("{{ recipient.region }}\n"))
    assert run(announce, "--subject", "A", *people, "--preview") == 0
    assert "recipient.region" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", io.StringIO("{{ recipient.name | uper }}\n"))
    assert run(announce, "--subject", "A", *people, "--preview") == 2
    assert not Announcement.objects.exists()


def test_an_invited_user_has_a_link_instead_of_a_password(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(user, "invite", "ann@example.org", "--name", "Ann", "--role", "operator") == 0
    link = AccountLink.objects.get()
    assert link.user is not None
    assert (link.user.role, link.user.has_usable_password()) == ("operator", False)
    assert run(user, "invite", "ann@example.org", "--name", "Ann") == 0
    assert "Another invitation" in capsys.readouterr().out
    assert AccountLink.objects.get().pk != link.pk
    link.user.set_password("correct horse battery")
    link.user.save()
    assert run(user, "invite", "ann@example.org", "--name", "Ann") == 1
    assert "is a user already" in capsys.readouterr().err
