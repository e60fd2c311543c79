"""`postroom bounce`: what an alias pipes in is kept, and the mail system hears nothing that it would bounce."""

import argparse
import io
from typing import Any

import pytest
from django.db import OperationalError
from tests.bounced import SETTINGS, dsn, sent

from postroom.cli import bounce
from postroom.flow.delivery import bounce as flow
from postroom.flow.delivery.return_path import reverse_path_of
from postroom.store.models import Bounce, Suppression

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command stands on this test process's database."""
    monkeypatch.setattr(bounce, "open_instance", lambda _: True)


def run(monkeypatch: pytest.MonkeyPatch, octets: bytes, *words: str) -> int:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(octets)))
    parser = argparse.ArgumentParser()
    bounce.add_arguments(parser)
    return bounce.run(parser.parse_args(words))


def test_a_bounce_from_standard_input_is_recorded_and_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    delivery = sent()
    assert run(monkeypatch, dsn()) == 0
    assert Bounce.objects.get().delivery_id == delivery.pk
    assert capsys.readouterr().out == (
        "recorded\nanna@customer.example: failed 5.1.1 recipient-unknown\nanna@customer.example: suppressed\n"
    )


def test_the_address_it_was_delivered_to_tells_which_delivery(monkeypatch: pytest.MonkeyPatch) -> None:
    delivery = sent()
    path = reverse_path_of(SETTINGS, "reports@reports.example", delivery.pk)
    assert run(monkeypatch, dsn(message_id=""), "--recipient", path) == 0
    assert Bounce.objects.get().delivery_id == delivery.pk


@pytest.mark.parametrize("octets", [b"", b"Subject: hello\r\n\r\nHello\r\n", b"\xff\x00" * 100])
def test_anything_else_is_taken_and_kept_nowhere(monkeypatch: pytest.MonkeyPatch, octets: bytes) -> None:
    assert run(monkeypatch, octets) == 0
    assert not Suppression.objects.exists()


def test_what_can_not_be_stored_now_is_kept_by_the_mail_system(monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*_: Any) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(flow, "take_report", locked)
    assert run(monkeypatch, dsn()) == 75
