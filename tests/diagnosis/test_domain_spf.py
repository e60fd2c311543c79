"""SPF records as they are found in the world, and what each means for the server that sends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.diagnosis.dns import TIMEOUT, Zone, part, read

from postroom.diagnosis.domain.spf_record import allowing, parsed, spf_records
from postroom.terms.limits import SPF_LOOKUPS

HERE = "norrvik.example"
OFFICE = "smtp.office365.com"
MX: Zone = {f"MX {HERE}": (f"10 mail.{HERE}",), f"A mail.{HERE}": ("192.0.2.7",)}
PROVIDERS: Zone = {
    "TXT spf.protection.outlook.com": ("v=spf1 ip4:40.92.0.0/15 ip4:40.107.0.0/16 ip6:2a01:111:f400::/48 -all",),
    "TXT _spf.google.com": ("v=spf1 include:_netblocks.google.com ~all",),
    "TXT _netblocks.google.com": ("v=spf1 ip4:35.190.247.0/24 ip4:64.233.160.0/19 ~all",),
    "TXT amazonses.com": ("v=spf1 ip4:199.255.192.0/22 -all",),
    "TXT sendgrid.net": ("v=spf1 ip4:167.89.0.0/17 ~all",),
}


def zone(*texts: str, **more: tuple[str, ...]) -> Zone:
    return {**MX, **PROVIDERS, f"TXT {HERE}": texts, **more}


@pytest.mark.parametrize(
    ("texts", "host", "slug", "status"),
    [
        (["v=spf1 include:spf.protection.outlook.com -all"], OFFICE, "spf-allows", "ok"),
        (["v=spf1 include:amazonses.com include:spf.protection.outlook.com -all"], OFFICE, "spf-allows", "ok"),
        (["google-site-verification=x", "v=spf1 include:_spf.google.com ~all"], "smtp.gmail.com", "spf-allows", "ok"),
        (["V=SPF1 INCLUDE:_SPF.GOOGLE.COM ~ALL"], "smtp-relay.gmail.com", "spf-allows", "ok"),
        (["v=spf1 redirect=_spf.google.com"], "smtp.gmail.com", "spf-allows", "ok"),
        (["v=spf1 include:_spf.google.com -all"], OFFICE, "spf-misses-provider", "bad"),
        (["v=spf1 include:_spf.google.com ~all"], OFFICE, "spf-misses-provider", "warn"),
        (["v=spf1 mx a ip4:203.0.113.0/24 ~all"], OFFICE, "spf-misses-provider", "warn"),
        (["v=spf1 -include:spf.protection.outlook.com +mx ~all"], OFFICE, "spf-misses-provider", "warn"),
        (["v=spf1 ip4:40.92.0.0/15 ip4:40.107.0.0/16 ip6:2a01:111:f400::/48 -all"], OFFICE, "spf-allows", "ok"),
        (["v=spf1 ip4:40.92.0.0/14 -all"], OFFICE, "spf-partly-read", "unknown"),
        (["v=spf1 exists:%{i}._spf.mta.salesforce.com -all"], OFFICE, "spf-partly-read", "unknown"),
        (["v=spf1 ptr ~all"], OFFICE, "spf-partly-read", "unknown"),
        (["v=spf1 -all"], OFFICE, "spf-forbids-all", "bad"),
        (["v=spf1 +all"], OFFICE, "spf-allows-everyone", "warn"),
        (["v=spf1 mx -all", "v=spf1 include:_spf.google.com -all"], OFFICE, "spf-several", "bad"),
        (["v=spf1 ipv4:203.0.113.4 -all"], OFFICE, "spf-broken", "bad"),
        (["v=spf1 include: -all"], OFFICE, "spf-broken", "bad"),
        (["v=spf1 ip4:203.0.113.400 -all"], OFFICE, "spf-broken", "bad"),
        (["v=spf1 include:nowhere.example -all"], OFFICE, "spf-broken", "bad"),
        ([], OFFICE, "spf-missing", "warn"),
        (["v=spf10 -all"], OFFICE, "spf-missing", "warn"),
        (["v=spf1 include:_spf.google.com -all"], "", "spf-set", "ok"),
        # Providers whose reverse-path is their own: the From domain's record is not asked.
        ([], "email-smtp.eu-west-1.amazonaws.com", "spf-own-return-path", "ok"),
        (["v=spf1 -all"], "smtp.sendgrid.net", "spf-own-return-path", "ok"),
        (["v=spf1 include:amazonses.com -all"], "email-smtp.us-east-1.amazonaws.com", "spf-allows", "ok"),
        # A machine in Amazon's cloud is no SES.
        (["v=spf1 include:amazonses.com -all"], "ec2-1-2-3-4.compute.amazonaws.com", "spf-server-not-named", "unknown"),
    ],
)
def test_what_a_record_means_for_a_provider(texts: list[str], host: str, slug: str, status: str) -> None:
    found = part(zone(*texts), "spf", host=host)
    assert (found.slug, str(found.status)) == (slug, status)


def test_an_include_within_an_include_allows_too() -> None:
    more = {"TXT spf.agency.example": ("v=spf1 include:spf.protection.outlook.com ~all",)}
    assert part(zone("v=spf1 include:spf.agency.example -all", **more), "spf", host=OFFICE).slug == "spf-allows"


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("v=spf1 ip4:8.8.4.0/24 -all", "spf-allows-address"),
        ("v=spf1 a:relay.norrvik.example -all", "spf-allows-address"),
        ("v=spf1 mx:norrvik.example//64 -all", "spf-server-not-named"),
        ("v=spf1 a/16 -all", "spf-server-not-named"),
        ("v=spf1 -ip4:8.8.4.4 ip4:8.8.0.0/16 -all", "spf-server-not-named"),
        ("v=spf1 include:lists.example -all", "spf-allows-address"),
    ],
)
def test_an_own_server_is_sought_by_its_address_and_never_called_forbidden(text: str, slug: str) -> None:
    more = {"A relay.norrvik.example": ("8.8.4.4",), "TXT lists.example": ("v=spf1 -ip4:8.8.4.9 ip4:8.8.4.4 -all",)}
    assert part(zone(text, **more), "spf", host="relay.norrvik.example").slug == slug


def test_a_private_address_is_no_reason_for_or_against_anything() -> None:
    more = {"A relay.norrvik.example": ("10.1.2.3",)}
    assert part(zone("v=spf1 ip4:10.0.0.0/8 -all", **more), "spf", host="relay.norrvik.example").slug == (
        "spf-server-not-named"
    )


def test_a_name_service_that_does_not_answer_is_never_a_missing_record() -> None:
    silent = {**MX, f"TXT {HERE}": TIMEOUT}
    found = part(silent, "spf", host=OFFICE)
    assert (found.slug, found.values["reason"], found.add) == ("spf-cannot-tell", "timeout", ())
    within = zone("v=spf1 include:spf.agency.example -all")
    assert part({**within, "TXT spf.agency.example": TIMEOUT}, "spf", host=OFFICE).slug == "spf-partly-read"


def test_more_than_ten_lookups_are_noticed_and_the_eleventh_is_not_chased_for_ever() -> None:
    includes = {f"TXT s{n}.example": (f"v=spf1 include:s{n + 1}.example ~all",) for n in range(60)}
    reading, questions = read({**MX, **includes, f"TXT {HERE}": ("v=spf1 include:s0.example ~all",)}, HERE, OFFICE)
    assert len(questions) < 40
    wide = zone("v=spf1 " + " ".join(f"a:h{n}.example" for n in range(SPF_LOOKUPS + 1)) + " ~all")
    assert part(wide, "spf", host=OFFICE).slug == "spf-too-many-lookups"
    assert reading.parts["spf"].slug in ("spf-too-many-lookups", "spf-partly-read")


def test_records_that_include_each_other_come_to_an_end() -> None:
    more = {"TXT a.example": ("v=spf1 include:b.example -all",), "TXT b.example": ("v=spf1 include:a.example -all",)}
    assert part(zone("v=spf1 include:a.example -all", **more), "spf", host=OFFICE).slug == "spf-misses-provider"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("v=spf1 include:_spf.google.com -all", "v=spf1 include:_spf.google.com include:x.example -all"),
        ("v=spf1 mx", "v=spf1 mx include:x.example"),
        ("v=spf1 redirect=_spf.yandex.net", "v=spf1 include:x.example redirect=_spf.yandex.net"),
    ],
)
def test_the_record_to_publish_keeps_what_was_there(before: str, after: str) -> None:
    assert allowing(parsed(before), "include:x.example") == after
    assert not parsed(after).fault


def test_the_record_to_publish_is_given_where_it_is_known() -> None:
    missing = part(zone(), "spf", host=OFFICE)
    assert [(r.name, r.kind, r.value) for r in missing.add] == [
        (HERE, "TXT", "v=spf1 include:spf.protection.outlook.com ~all")
    ]
    own = part(zone(**{"A relay.norrvik.example": ("8.8.4.4",)}), "spf", host="relay.norrvik.example")
    assert [r.value for r in own.add] == ["v=spf1 ip4:8.8.4.4 ~all"]
    assert part(zone(), "spf", host="smtp.zoho.eu").add == ()


def test_from_an_address_of_gmail_only_google_may_send() -> None:
    there = {
        **PROVIDERS, "MX gmail.com": ("5 gmail-smtp-in.l.google.com",), "A gmail-smtp-in.l.google.com": ("8.8.4.4",),
        "TXT gmail.com": ("v=spf1 redirect=_spf.google.com",),
    }
    assert part(there, "spf", "gmail.com", "smtp.gmail.com").slug == "spf-own-domain"
    foreign = part(there, "spf", "gmail.com", OFFICE)
    assert (foreign.slug, foreign.add) == ("spf-foreign-domain", ())


@pytest.mark.parametrize("term", ["a/²", "mx//³", "a/٣", "ip4:192.0.2.1/²"])
def test_a_length_in_other_digits_than_ours_breaks_the_record_and_not_the_look(term: str) -> None:
    assert part(zone(f"v=spf1 {term} -all"), "spf", host=OFFICE).slug == "spf-broken"


@given(st.text(max_size=200))
def test_any_text_is_read_without_an_error(text: str) -> None:
    parsed(f"v=spf1 {text}")
    assert spf_records((text,)) in ((), (text,))
