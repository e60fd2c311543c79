"""`postroom dkim`: the record to publish on standard output, and the steps to signing."""

import argparse
from collections.abc import Iterator

import pytest
from tests.net.dns_server import Zone, dns_server_beside

from postroom.cli import dkim
from postroom.flow.domains.signing_keys import signing_keys
from postroom.store.models import DkimKey

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command stands on this test process's database."""
    monkeypatch.setattr(dkim, "open_instance", lambda _: True)


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    dkim.add_arguments(parser)
    return dkim.run(parser.parse_args(words))


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Iterator[DkimKey]:
    """A key that the DNS shows."""
    assert run("create", "company.example", "--algorithm", "ed25519", "--selector", "pr1") == 0
    key = DkimKey.objects.get()
    zone: Zone = {f"TXT {key.record_name}": [f'"{key.record_value}"'], "MX company.example": ["0 mx.company.example."]}
    with dns_server_beside(zone) as place:
        monkeypatch.setenv("POSTROOM_DNS", place)
        yield key


def test_a_new_key_is_printed_as_the_record_to_publish(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("create", "Company.example") == 0
    key = DkimKey.objects.get()
    said = capsys.readouterr()
    assert said.out == f"{key.record_name}  TXT  {key.record_value}\n"
    assert (key.algorithm, key.domain, key.state) == ("rsa", "company.example", "new")
    assert "postroom dkim check" in said.err
    assert run("list") == 0
    listed = capsys.readouterr().out
    assert key.record_value in listed
    assert "PRIVATE" not in listed


def test_a_published_key_is_found_switched_on_off_and_removed(
    published: DkimKey, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("check", published.record_name) == 0
    assert "is published" in capsys.readouterr().out
    assert run("activate", published.record_name) == 0
    assert [key.selector for key in signing_keys()["company.example"]] == ["pr1"]
    assert run("delete", published.pk) == 1
    assert run("retire", published.pk) == 0
    assert signing_keys() == {}
    assert run("delete", published.pk) == 0
    assert not DkimKey.objects.exists()


def test_a_key_that_is_not_published_is_switched_on_only_by_choice(
    published: DkimKey, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("create", "company.example", "--selector", "pr2") == 0
    assert run("check", "pr2._domainkey.company.example") == 1
    assert "does not show" in capsys.readouterr().err
    assert run("activate", "pr2._domainkey.company.example") == 1
    assert run("activate", "pr2._domainkey.company.example", "--unpublished") == 0
    assert published.selector == "pr1"


def test_what_is_no_key_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("create", "localhost") == 2
    assert run("retire", "nothing") == 1
    assert "no such key" in capsys.readouterr().err
