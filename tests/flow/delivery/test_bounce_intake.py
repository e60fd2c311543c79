"""Bounces that come in over SMTP, addressed to a delivery's own return path."""

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import OperationalError
from tests.bounced import SETTINGS, dsn, sent

from postroom.flow.delivery import bounce_intake
from postroom.flow.delivery.bounce import Verdict
from postroom.flow.delivery.bounce_intake import BounceDoor, is_bounce_address
from postroom.flow.delivery.return_path import reverse_path_of
from postroom.store.models import Bounce, Suppression
from postroom.store.writer import StorageBusy

pytestmark = pytest.mark.django_db(transaction=True)


def test_only_a_signed_return_path_is_a_bounce_address() -> None:
    path = reverse_path_of(SETTINGS, "reports@reports.example", sent().pk)
    assert is_bounce_address(path)
    assert is_bounce_address(path.swapcase())
    for other in ("", "bounces@reports.example", "bounces+x@reports.example", "a+" + "0" * 42 + "@b.example"):
        assert not is_bounce_address(other), other


def test_what_arrives_there_is_recorded_for_its_delivery() -> None:
    delivery = sent()
    path = reverse_path_of(SETTINGS, "reports@reports.example", delivery.pk)
    taken = async_to_sync(BounceDoor().take)(dsn(message_id=""), path)
    assert taken.verdict is Verdict.RECORDED
    assert Bounce.objects.get().delivery_id == delivery.pk
    assert Suppression.objects.get().address == "anna@customer.example"


def test_a_report_that_can_not_be_stored_is_left_with_its_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*_: Any) -> None:
        raise OperationalError("database is locked")

    path = reverse_path_of(SETTINGS, "reports@reports.example", sent().pk)
    monkeypatch.setattr(bounce_intake, "take_report", locked)
    with pytest.raises(StorageBusy):
        async_to_sync(BounceDoor().take)(dsn(), path)
