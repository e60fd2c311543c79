"""Every provider's entry is complete, legal and in both languages; none says what another says without a reason."""

from collections import Counter
from dataclasses import fields
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from postroom.diagnosis.catalogue import catalogue
from postroom.diagnosis.domain.sender import sender_of, senders
from postroom.policy.ports import Ports
from postroom.policy.preset import LANGUAGES, Basis, Group, Preset, completed, preset, preset_of_host, presets
from postroom.policy.providers_page import providers_page
from postroom.policy.settings_check import problems_of, warnings_of
from postroom.terms.host_name import HostReading, host_reading
from postroom.terms.server import Auth, Limits, Security, ServerSettings

PAGE = Path(__file__).parents[2] / "docs" / "providers.md"
ALL = sorted(presets().values(), key=lambda each: each.slug)
DEFAULT_PORTS = Ports()
TLS_PORTS, STARTTLS_PORTS = {465, 2465}, {25, 587, 2525, 2587}


@pytest.fixture(params=ALL, ids=lambda each: each.slug)
def each(request: pytest.FixtureRequest) -> Preset:
    found: Preset = request.param
    return found


def test_there_are_presets_for_the_tiles_and_many_more() -> None:
    assert {"microsoft365", "gmail", "ses", "sendgrid", "exchange", "postfix", "other"} <= presets().keys()
    assert len(ALL) >= 60
    assert {each.group for each in ALL} == set(Group)


def test_every_host_is_a_bare_legal_name(each: Preset) -> None:
    for host in (*each.hosts, *each.below):
        assert host_reading(host) == HostReading(host)
        assert host == host.lower()
        assert "." in host


def test_no_two_presets_fill_in_the_same_host() -> None:
    hosts = Counter(host for each in ALL for host in each.hosts)
    assert [host for host, count in hosts.items() if count > 1] == []


def test_each_port_goes_with_its_encryption_and_the_first_may_be_dialled_by_default(each: Preset) -> None:
    assert each.ways[0].port in DEFAULT_PORTS
    assert len(set(each.ways)) == len(each.ways)
    for way in each.ways:
        if way.security is Security.TLS:
            assert way.port in TLS_PORTS, way
        else:
            assert way.port in STARTTLS_PORTS, way
        assert way.security is not Security.NONE or each.group is Group.OWN, "no provider takes mail in the clear"


def test_every_fact_of_a_provider_names_the_page_it_was_read_in(each: Preset) -> None:
    if each.group is Group.OWN:
        assert (each.basis, each.source, each.also, each.checked) == (None, "", (), None)
        return
    assert all(urlsplit(page).scheme == "https" for page in (each.source, *each.also))
    assert each.checked is not None
    assert date(2026, 1, 1) <= each.checked <= date(2027, 12, 31)


def test_what_no_page_of_the_vendor_says_rests_on_two_sources_of_different_people(each: Preset) -> None:
    if each.basis is Basis.TWO_SOURCES:
        assert len({publisher(page) for page in (each.source, *each.also)}) >= 2
    else:
        assert each.basis is (None if each.group is Group.OWN else Basis.VENDOR)


def publisher(page: str) -> str:
    """Who is behind an address: the site, and at a place for everybody's code its owner there."""
    parts = urlsplit(page)
    return "/".join([parts.netloc, *parts.path.split("/")[1:2]]) if "github.com" in parts.netloc else parts.netloc


def test_the_page_says_in_words_what_an_entry_rests_on() -> None:
    sections = {part.split("`")[1]: part for part in providers_page().split("\n### ")[1:]}
    for each in ALL:
        is_checked = "Checked on the vendor's page: <" in sections[each.slug]
        is_agreed = "Agreed by two public sources, not checked on the vendor's page: <" in sections[each.slug]
        assert (is_checked, is_agreed) == (each.basis is Basis.VENDOR, each.basis is Basis.TWO_SOURCES), each.slug


def test_every_preset_speaks_both_languages_with_the_same_facts(each: Preset) -> None:
    english, french = (each.texts[language] for language in LANGUAGES)
    assert english.line
    assert french.line
    assert len(english.steps) == len(french.steps)
    assert len(english.limits) == len(french.limits)
    assert bool(english.notice) == bool(french.notice)
    for text in (english, french):
        assert bool(text.username) == bool(text.password) == (each.auth is Auth.PASSWORD)
        assert all(step.endswith(".") for step in text.steps)
    assert not english.steps or english.steps != french.steps


def test_limits_are_positive_and_a_preset_that_has_some_says_them(each: Preset) -> None:
    values = [getattr(each.limits, field.name) for field in fields(Limits)]
    assert all(value is None or value > 0 for value in values)
    assert not any(values) or each.texts["en"].limits


def test_a_preset_leaves_only_what_is_the_customers_own_to_enter(each: Preset) -> None:
    settings = each.filled_in(ServerSettings(from_address="reports@norrvik.example"))
    found = {problem.field for problem in problems_of(settings, password_given=True, allowed_ports=DEFAULT_PORTS)}
    own = {"username"} if each.auth is Auth.PASSWORD and not each.username else set()
    own |= {"host"} if not each.hosts else set()
    assert found == own
    assert warnings_of(settings) == []


def test_a_region_chosen_is_the_host_filled_in() -> None:
    ses = preset("ses")
    assert ses is not None
    frankfurt = "email-smtp.eu-central-1.amazonaws.com"
    assert ses.filled_in(ServerSettings(), frankfurt).host == frankfurt
    assert ses.filled_in(ServerSettings(), "evil.example").host == ses.hosts[0]


def test_a_host_is_recognised_by_its_preset_and_by_nobody_elses(each: Preset) -> None:
    for host in each.hosts:
        assert preset_of_host(host.upper() + ".") == each
    for name in each.below:
        assert preset_of_host(f"company-example.{name}") == each


def test_a_strange_host_is_nobodys() -> None:
    assert preset_of_host("") is None
    assert preset_of_host("relay.norrvik.example") is None
    assert preset_of_host("smtp.gmail.com.evil.example") is None


def test_diagnosis_knows_a_presets_host_under_the_same_slug_where_it_knows_it() -> None:
    """Recognising by suffix belongs to diagnosis; here only whole hosts are filled in. The two may not disagree."""
    known = {provider.slug for provider in catalogue().providers}
    slugs = {sender.slug for sender in senders()}
    for each in ALL:
        family = each.slug.split("-")[0]
        for host in each.hosts:
            sender = sender_of(host)
            if sender is not None:
                assert sender.slug == family, host
            owner = next((p for p in catalogue().providers if p.owns(host)), None)
            if owner is not None:
                assert owner.slug == family, host
        assert family == each.slug or family in slugs & known


def test_what_is_plain_from_the_rest_is_filled_in() -> None:
    gmail = preset("gmail")
    typed = ServerSettings(auth=Auth.PASSWORD, host="smtp.gmail.com", username="reports@norrvik.example")
    done = completed(typed, gmail)
    assert (done.name, done.from_address) == ("Gmail", "reports@norrvik.example")
    other_way = ServerSettings(auth=Auth.PASSWORD, host="smtp.gmail.com", from_address="reports@norrvik.example")
    assert completed(other_way, gmail).username == "reports@norrvik.example"
    literal = ServerSettings(auth=Auth.PASSWORD, host="smtp.sendgrid.net", from_address="reports@norrvik.example")
    assert completed(literal, preset("sendgrid")).username == "apikey"


def test_what_was_typed_is_never_replaced() -> None:
    typed = ServerSettings(
        name="Ours", auth=Auth.PASSWORD, host="smtp.gmail.com", username="a@b.example", from_address="c@d.example"
    )
    assert completed(typed, preset("gmail")) == typed
    empty = ServerSettings(auth=Auth.PASSWORD)
    assert completed(empty, None) == empty


def test_the_page_of_providers_is_as_generated() -> None:
    assert PAGE.read_text(encoding="utf-8") == providers_page(), "run: python -m postroom.policy.providers_page"
