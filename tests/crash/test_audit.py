"""The audit notices what it is there to notice."""

import pytest

from .audit import OPEN, StoredDelivery, audited

ANN = StoredDelivery("m1", "<1@x>", "ann@example.org", "sent", 0)
BOB = StoredDelivery("m1", "<1@x>", "bob@example.org", "sent", 0)
ACCEPTED = {"m1": ["ann@example.org", "bob@example.org"]}
ARRIVED = [("<1@x>", "ann@example.org"), ("<1@x>", "bob@example.org")]


def test_everything_in_its_place_holds() -> None:
    audit = audited(ACCEPTED, [ANN, BOB], ARRIVED)
    assert audit.holds
    assert (audit.accepted, audit.stored, audit.delivered, audit.delivered_twice, audit.uncertain) == (2, 2, 2, 0, 0)


def test_a_row_that_is_gone_is_a_loss() -> None:
    assert not audited(ACCEPTED, [ANN], ARRIVED).holds


def test_a_delivery_called_sent_that_never_arrived_is_a_loss() -> None:
    assert not audited(ACCEPTED, [ANN, BOB], ARRIVED[:1]).holds


@pytest.mark.parametrize("state", sorted(OPEN))
def test_a_delivery_that_waits_or_failed_is_none(state: str) -> None:
    waiting = StoredDelivery("m1", "<1@x>", "bob@example.org", state, 0)
    assert audited(ACCEPTED, [ANN, waiting], ARRIVED[:1]).holds


def test_a_message_that_came_twice_must_be_counted_as_uncertain() -> None:
    assert not audited(ACCEPTED, [ANN, BOB], [*ARRIVED, ARRIVED[0]]).holds
    uncertain = StoredDelivery("m1", "<1@x>", "ann@example.org", "sent", 1)
    assert audited(ACCEPTED, [uncertain, BOB], [*ARRIVED, ARRIVED[0]]).holds
    assert not audited(ACCEPTED, [uncertain, BOB], [*ARRIVED, ARRIVED[0], ARRIVED[0]]).holds
