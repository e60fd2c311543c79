"""Asking for a look at a domain: what counts as a domain, what is reused, and how many may wait."""

from datetime import timedelta

import pytest
from django.utils import timezone

from postroom.flow.domains import check_domain
from postroom.flow.domains.check_domain import TooManyChecks, ask, claim_check, forget_old_checks, latest_check
from postroom.flow.domains.read_domain import domain_in
from postroom.store.models import DomainCheck

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("typed", "domain"),
    [
        ("reports@norrvik.example", "norrvik.example"), (" Norrvik.Example ", "norrvik.example"),
        ("a@bücher.example", "xn--bcher-kva.example"), ("reports@norrvik", ""), ("reports@", ""), ("", ""),
        ("reports", ""), ("a@[192.0.2.1]", ""), ("a@192.0.2.1", ""), ("a b@x.example", ""), ("x@-a.example", ""),
        ("Name <a@b.example>", ""), ("a@b.example\nc", ""),
    ],
)
def test_the_domain_of_what_was_typed(typed: str, domain: str) -> None:
    assert domain_in(typed) == domain


def test_a_young_result_answers_again_and_an_old_one_does_not() -> None:
    check = ask("norrvik.example", "smtp.office365.com")
    assert ask("norrvik.example", "SMTP.OFFICE365.COM.").pk == check.pk
    finish(check, ago=timedelta(minutes=9))
    assert ask("norrvik.example", "smtp.office365.com").pk == check.pk
    finish(check, ago=timedelta(minutes=11))
    assert ask("norrvik.example", "smtp.office365.com").pk != check.pk


def test_each_server_has_its_own_look() -> None:
    assert ask("norrvik.example", "smtp.office365.com").pk != ask("norrvik.example").pk
    latest = latest_check("norrvik.example", "")
    assert latest is not None
    assert latest.server_host == ""


def test_check_again_looks_anew_but_not_twice_at_once() -> None:
    check = ask("norrvik.example")
    assert ask("norrvik.example", anew=True).pk == check.pk
    finish(check, ago=timedelta(seconds=5))
    again = ask("norrvik.example", anew=True)
    assert again.pk != check.pk
    finish(again, ago=timedelta(seconds=1))
    assert ask("norrvik.example", anew=True).pk == again.pk


def test_a_check_whose_engine_is_gone_is_not_waited_for() -> None:
    check = ask("norrvik.example")
    DomainCheck.objects.filter(pk=check.pk).update(started_at=timezone.now() - timedelta(minutes=1))
    assert ask("norrvik.example").pk != check.pk


def test_only_so_many_may_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_domain, "PENDING", 3)
    for n in range(3):
        ask(f"d{n}.example")
    with pytest.raises(TooManyChecks):
        ask("d4.example")
    assert ask("d1.example")
    assert claim_check() is not None
    assert ask("d4.example")


def test_the_oldest_is_claimed_first_and_each_once() -> None:
    first, second = ask("a.example"), ask("b.example")
    claimed = [claim_check(), claim_check(), claim_check()]
    assert [each.pk if each else None for each in claimed] == [first.pk, second.pk, None]


def test_old_checks_are_deleted() -> None:
    check = ask("a.example")
    ask("b.example")
    DomainCheck.objects.filter(pk=check.pk).update(created_at=timezone.now() - timedelta(hours=25))
    assert forget_old_checks(timezone.now()) == 1
    assert DomainCheck.objects.count() == 1


def finish(check: DomainCheck, ago: timedelta) -> None:
    at = timezone.now() - ago
    DomainCheck.objects.filter(pk=check.pk).update(created_at=at, started_at=at, finished_at=at)
