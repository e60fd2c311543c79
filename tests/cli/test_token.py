"""`postroom token`: the token alone on standard output, its digest alone in the database."""

import argparse

import pytest

from postroom.cli import token
from postroom.flow.users.tokens import client_of
from postroom.store.models import ApiToken, AuditEntry

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command stands on this test process's database."""
    monkeypatch.setattr(token, "open_instance", lambda _: True)


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    token.add_arguments(parser)
    return token.run(parser.parse_args(words))


def test_a_new_token_is_printed_alone_and_works(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("create", "Report server", "--scope", "send") == 0
    output = capsys.readouterr()
    plain = output.out.removesuffix("\n")
    client = client_of(plain)
    assert client is not None
    assert (client.name, client.scope, client.created_by) == ("Report server", "send", "command line")
    assert plain not in str(ApiToken.objects.values_list())
    assert AuditEntry.objects.get().action == "token.create"


def test_a_token_needs_a_name_and_a_known_scope(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("create", " ", "--scope", "send") == 2
    assert run("create", "x" * 101, "--scope", "send") == 2
    assert "name" in capsys.readouterr().err
    with pytest.raises(SystemExit) as end:
        run("create", "x", "--scope", "root")
    assert end.value.code == 2
    assert not ApiToken.objects.exists()


def test_tokens_are_listed_without_their_text_and_revoked_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    run("create", "Report server", "--scope", "read")
    plain = capsys.readouterr().out.strip()
    assert run("list") == 0
    listed = capsys.readouterr().out
    assert "Report server" in listed
    assert "live" in listed
    assert plain[:12] not in listed
    assert run("revoke", "Report server") == 0
    assert client_of(plain) is None
    assert run("revoke", "Report server") == 1
