"""Providers of mail are told apart by the names of their hosts, and nobody else takes their names."""

from itertools import combinations

import pytest

from postroom.diagnosis.catalogue import catalogue
from postroom.diagnosis.domain.sender import senders
from postroom.terms.mail_provider import MailProvider, is_below, mail_providers

EACH = list(mail_providers().values())


@pytest.mark.parametrize("each", EACH, ids=lambda each: each.slug)
def test_its_names_are_bare_lower_case_domains(each: MailProvider) -> None:
    assert each.name
    assert each.hosts
    for name in (*each.hosts, *each.exchangers, *each.others):
        assert name == name.lower().strip(".")
        assert "." in name


def test_no_name_belongs_to_two_providers() -> None:
    for one, other in combinations(EACH, 2):
        names = (*one.hosts, *one.exchangers, *one.others)
        assert not any(other.owns(name) for name in names), (one.slug, other.slug)
        assert not any(one.owns(name) for name in (*other.hosts, *other.exchangers, *other.others))


@pytest.mark.parametrize(("slug", "host", "takes", "receives", "owns"), [
    ("microsoft365", "smtp.office365.com", True, True, True),
    ("microsoft365", "norrvik-example.mail.protection.outlook.com", False, True, True),
    ("microsoft365", "hotmail.com", False, False, True),
    ("ses", "email-smtp.eu-west-3.amazonaws.com", True, True, True),
    ("ses", "ec2-1-2-3-4.eu-west-3.compute.amazonaws.com", False, False, True),
    ("yahoo", "mta5.am0.yahoodns.net", False, True, True),
    ("gmail", "smtp.gmail.com.evil.example", False, False, False),
])
def test_a_host_that_takes_mail_is_told_from_one_that_receives_and_from_other_names(
    slug: str, host: str, takes: bool, receives: bool, owns: bool
) -> None:
    known = mail_providers()[slug]
    assert (known.takes_mail_at(host), known.receives_at(host), known.owns(host)) == (takes, receives, owns)


def test_a_domain_lies_below_itself_and_below_no_name_that_only_ends_alike() -> None:
    assert is_below("Gmail.COM.", ["gmail.com"])
    assert not is_below("notgmail.com", ["gmail.com"])


def test_every_provider_is_known_for_its_records_or_its_words() -> None:
    used = {sender.slug for sender in senders()} | {p.slug for p in catalogue().providers if p.known}
    assert used == mail_providers().keys()
