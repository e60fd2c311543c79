"""DKIM keys, DMARC policies, mail exchangers and mistyped domains, as they are found in the world."""

import re
from pathlib import Path

import pytest
from tests.diagnosis.dns import TIMEOUT, Zone, part, read

from postroom.diagnosis import domain
from postroom.diagnosis.domain import Answer, Outcome, meant_domain, owner_of, receiver_at, sender_of, wording_of
from postroom.diagnosis.domain.sender import senders
from postroom.diagnosis.domain.wording import LANGUAGES, texts

HERE = "norrvik.example"
OFFICE = "smtp.office365.com"
KEY = "v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A"
BASE: Zone = {
    f"MX {HERE}": ("0 norrvik-example.mail.protection.outlook.com",),
    "A norrvik-example.mail.protection.outlook.com": ("52.101.68.36",),
    f"TXT {HERE}": ("v=spf1 include:spf.protection.outlook.com -all",),
    "TXT spf.protection.outlook.com": ("v=spf1 ip4:40.92.0.0/15 -all",),
}
SELECTOR1 = f"TXT selector1._domainkey.{HERE}"
DMARC = f"TXT _dmarc.{HERE}"


def below(selector: str, domain: str = HERE) -> str:
    return f"TXT {selector}._domainkey.{domain}"


@pytest.mark.parametrize(
    ("host", "there", "slug", "status"),
    [
        (OFFICE, {below("selector1"): (KEY,)}, "dkim-found", "ok"),
        (OFFICE, {below("selector2"): ("k=rsa; p=MIGf MA0G",)}, "dkim-found", "ok"),
        (OFFICE, {}, "dkim-missing", "warn"),
        (OFFICE, {below("selector1"): ("v=DKIM1; p=",)}, "dkim-revoked", "bad"),
        (OFFICE, {below("selector1"): ("v=spf1 -all",)}, "dkim-missing", "warn"),
        (
            OFFICE,
            {below("selector1"): Answer(Outcome.NO_NAME, alias="selector1-norrvik._domainkey.norrvik.onmicrosoft.com")},
            "dkim-alias-without-key", "warn",
        ),
        (OFFICE, {below("selector1"): TIMEOUT}, "dkim-cannot-tell", "unknown"),
        ("smtp.gmail.com", {below("google"): (KEY,)}, "dkim-found", "ok"),
        ("smtp.gmail.com", {}, "dkim-missing", "warn"),
        ("smtp.gmail.com", {below("other2026"): (KEY,)}, "dkim-not-at-usual", "unknown"),
        ("email-smtp.eu-central-1.amazonaws.com", {}, "dkim-none", "warn"),
        ("email-smtp.eu-central-1.amazonaws.com", {below("token"): (KEY,)}, "dkim-selector-unknown", "unknown"),
        ("smtp.postmarkapp.com", {below("20260101pm"): (KEY,)}, "dkim-selector-unknown", "unknown"),
        ("smtp.sendgrid.net", {below("s2"): (KEY,)}, "dkim-found", "ok"),
        ("relay.norrvik.example", {}, "dkim-none", "warn"),
        ("relay.norrvik.example", {below("mail"): (KEY,)}, "dkim-selector-unknown", "unknown"),
    ],
)
def test_a_key_is_missing_only_where_the_dns_proves_it(host: str, there: Zone, slug: str, status: str) -> None:
    found = part({**BASE, **there}, "dkim", host=host)
    assert (found.slug, str(found.status)) == (slug, status)


def test_without_a_server_nothing_is_said_of_dkim() -> None:
    assert "dkim" not in read(BASE, HERE)[0].parts


def test_records_that_are_the_same_for_everybody_are_given_whole_and_others_by_name() -> None:
    fastmail = part(BASE, "dkim", host="smtp.fastmail.com")
    assert ("fm1._domainkey.norrvik.example", "CNAME", "fm1.norrvik.example.dkim.fmhosted.com") in [
        (r.name, r.kind, r.value) for r in fastmail.add
    ]
    assert [(r.name, r.kind, r.value) for r in part(BASE, "dkim", host=OFFICE).add] == [
        ("selector1._domainkey.norrvik.example", "CNAME", ""), ("selector2._domainkey.norrvik.example", "CNAME", ""),
    ]


@pytest.mark.parametrize(
    ("texts", "slug", "policy"),
    [
        (("v=DMARC1; p=quarantine; rua=mailto:dmarc@norrvik.example",), "dmarc-set", "quarantine"),
        (("v=DMARC1;p=none",), "dmarc-set", "none"),
        (("v=DMARC1; p=reject; t=y",), "dmarc-set", "quarantine"),
        (("v=DMARC1; rua=mailto:dmarc@norrvik.example",), "dmarc-set", "none"),
        (("v=DMARC1; sp=none",), "dmarc-broken", None),
        (("v=DMARC1; p=none", "v=DMARC1; p=reject"), "dmarc-several", None),
        (("v=DMARC2; p=none", "something"), "dmarc-missing", None),
        ((), "dmarc-missing", None),
    ],
)
def test_the_policy_of_the_domain(texts: tuple[str, ...], slug: str, policy: str | None) -> None:
    found = part({**BASE, DMARC: texts}, "dmarc", host=OFFICE)
    assert found.slug == slug
    assert policy is None or found.values["policy"] == policy


def test_a_subdomain_takes_the_policy_of_its_parent_and_its_sp() -> None:
    there = {**BASE, "MX mail.eu.norrvik.example": ("0 x.example",), "TXT _dmarc.norrvik.example": (
        "v=DMARC1; p=reject; sp=none",
    )}
    found = part(there, "dmarc", "mail.eu.norrvik.example", OFFICE)
    assert (found.slug, found.values["policy"], found.values["where"]) == ("dmarc-inherited", "none", HERE)


def test_the_policy_of_a_public_suffix_is_not_the_domain_s_own() -> None:
    there = {**BASE, "MX bank.co.example": ("0 x.example",), "TXT _dmarc.co.example": ("v=DMARC1; p=reject; psd=y",)}
    assert part(there, "dmarc", "bank.co.example", OFFICE).slug == "dmarc-missing"


def test_spf_makes_dmarc_pass_where_the_reverse_path_stays_ours_and_dkim_elsewhere() -> None:
    strict = {**BASE, DMARC: ("v=DMARC1; p=reject",)}
    assert part(strict, "dmarc", host=OFFICE).values["aligned"] == "spf"
    signed = {**strict, below("s1"): (KEY,)}
    assert part(signed, "dmarc", host="smtp.sendgrid.net").values["aligned"] == "dkim"


def test_a_strict_policy_without_spf_and_dkim_is_said_to_refuse_the_mail() -> None:
    strict = {**BASE, f"TXT {HERE}": ("v=spf1 include:_spf.google.com -all",), DMARC: ("v=DMARC1; p=reject",),
              "TXT _spf.google.com": ("v=spf1 ip4:35.190.247.0/24 ~all",)}
    assert part(strict, "dmarc", host=OFFICE).slug == "dmarc-fails-reject"
    doubtful = {**strict, f"TXT {HERE}": TIMEOUT}
    assert part(doubtful, "dmarc", host=OFFICE).slug == "dmarc-set"


def test_a_walk_that_meets_silence_tells_nothing() -> None:
    assert part({**BASE, DMARC: TIMEOUT}, "dmarc", host=OFFICE).slug == "dmarc-cannot-tell"


@pytest.mark.parametrize(
    ("there", "slug", "status"),
    [
        ({"MX a.example": ("10 mx.a.example",), "A mx.a.example": ("192.0.2.1",)}, "mx-accepts", "ok"),
        ({"MX a.example": ("10 mx.a.example",), "A mx.a.example": TIMEOUT}, "mx-accepts", "ok"),
        ({"MX a.example": ("0 .",)}, "mx-null", "bad"),
        ({"A a.example": ("192.0.2.1",)}, "mx-address-only", "warn"),
        ({"AAAA a.example": ("2001:db8::1",)}, "mx-address-only", "warn"),
        ({"TXT a.example": ("x",)}, "mx-none", "bad"),
        ({"MX a.example": ("10 gone.b.example",), "TXT b.example": ("x",)}, "mx-dead", "bad"),
        ({}, "mx-no-domain", "bad"),
        ({"MX a.example": TIMEOUT}, "mx-cannot-tell", "unknown"),
        ({"TXT a.example": ("x",), "A a.example": TIMEOUT}, "mx-cannot-tell", "unknown"),
    ],
)
def test_whether_a_domain_accepts_mail(there: Zone, slug: str, status: str) -> None:
    found = part(there, "mx", "a.example")
    assert (found.slug, str(found.status)) == (slug, status)


def test_a_domain_that_does_not_exist_is_said_once_and_costs_one_round_of_questions() -> None:
    reading, questions = read({}, "no-such.example", OFFICE)
    assert {name: p.slug for name, p in reading.parts.items()} == {"mx": "mx-no-domain", "domain": "domain-missing"}
    assert len(questions) <= 6


def test_a_name_server_that_knows_only_its_own_network_proves_nothing_missing() -> None:
    private: Zone = {"TXT com": Answer(Outcome.NO_NAME)}
    slugs = {name: p.slug for name, p in read(private, HERE, OFFICE)[0].parts.items()}
    assert slugs == {"mx": "mx-cannot-tell", "domain": "domain-cannot-tell"}
    there = {name: (p.slug, str(p.status)) for name, p in read({**BASE, **private}, HERE, OFFICE)[0].parts.items()}
    assert there == {
        "mx": ("mx-accepts", "ok"), "spf": ("spf-allows", "ok"), "dkim": ("dkim-cannot-tell", "unknown"),
        "dmarc": ("dmarc-cannot-tell", "unknown"),
    }


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("gmial.com", "gmail.com"), ("gmail.con", "gmail.com"), ("gmai.com", "gmail.com"), ("gmaill.com", "gmail.com"),
        ("gmail.co", "gmail.com"), ("gnail.com", "gmail.com"), ("hotmial.com", "hotmail.com"),
        ("outlok.com", "outlook.com"), ("yaho.com", "yahoo.com"), ("iclod.com", "icloud.com"),
        ("orage.fr", "orange.fr"),
        ("gmail.com", ""), ("mail.com", ""), ("ymail.com", ""), ("norrvik.example", ""), ("outlook.be", ""),
        ("gmx.li", ""), ("free.com", ""), ("hotmail.dk", ""), ("web.eu", ""),
    ],
)
def test_frequent_domains_are_suggested_for_mistyped_ones(typed: str, meant: str) -> None:
    assert meant_domain(typed) == meant


def test_two_letters_are_forgiven_when_nothing_answers() -> None:
    assert meant_domain("hotmial.con", is_missing=True) == "hotmail.com"
    assert meant_domain("hotmial.con") == ""


def test_a_suggestion_makes_a_domain_that_accepts_mail_doubtful() -> None:
    there = {"MX gmial.com": ("10 mx.trap.example",), "A mx.trap.example": ("192.0.2.1",)}
    found = part(there, "mx", "gmial.com")
    assert (str(found.status), wording_of(found.as_json(), "en").suggestion) == ("warn", "Did you mean gmail.com?")


@pytest.mark.parametrize(
    ("host", "slug"),
    [
        ("smtp.office365.com", "microsoft365"), ("norrvik-example.mail.protection.outlook.com", None),
        ("SMTP.GMAIL.COM.", "gmail"), ("email-smtp-fips.us-gov-west-1.amazonaws.com", "ses"),
        ("in-v3.mailjet.com", "mailjet"),
        ("notgmail.com", None), ("relay.norrvik.example", None), ("10.0.0.1", None), ("", None),
    ],
)
def test_a_provider_is_known_by_its_host(host: str, slug: str | None) -> None:
    found = sender_of(host)
    assert (found.slug if found else None) == slug


@pytest.mark.parametrize(
    ("exchanger", "slug"),
    [
        ("norrvik-example.mail.protection.outlook.com", "microsoft365"),
        ("norrvik-example.k-v1.mx.microsoft", "microsoft365"),
        ("aspmx.l.google.com", "gmail"), ("smtp.google.com", "gmail"), ("mx01.mail.icloud.com", "icloud"),
        ("in1-smtp.messagingengine.com", "fastmail"), ("mta6.am0.yahoodns.net", "yahoo"), ("mx1.pphosted.com", None),
    ],
)
def test_a_provider_is_known_by_its_mx_hosts(exchanger: str, slug: str | None) -> None:
    found = receiver_at(exchanger)
    assert (found.slug if found else None) == slug


def test_mailboxes_of_a_provider_are_known_by_their_domain() -> None:
    assert [owner.title if (owner := owner_of(d)) else None for d in ("gmail.com", "x.onmicrosoft.com", HERE)] == [
        "Google", "Microsoft 365", None,
    ]


def test_every_text_is_there_in_every_language_and_takes_only_values_that_parts_have() -> None:
    names = (
        "domain", "provider", "owner", "count", "term", "lookups", "address", "gaps", "reason", "selector", "selectors",
        "policy", "where", "exchanger", "suggestion",
    )
    known = dict.fromkeys(names, "x")
    for slug, row in texts().items():
        assert set(row) == set(LANGUAGES), slug
        assert set(row["en"]) == set(row["fr"]), slug
        for words in row.values():
            assert all(text.format_map(known) for text in words.values()), slug


def test_every_part_that_can_be_said_has_its_texts() -> None:
    code = "".join(path.read_text() for path in Path(domain.__file__ or "").parent.glob("*.py"))
    said = set(re.findall(r'art\(\s*"([a-z0-9-]+)"', code)) | {"dmarc-fails-reject", "dmarc-fails-quarantine"}
    said |= {"dmarc-set", "dmarc-inherited", "domain-cannot-tell"}
    remarks = {slug for slug in texts() if slug.startswith(("aligned-", "reason-"))} | {"suggestion"}
    assert said == set(texts()) - remarks
    assert len(said) > 35


def test_what_the_dns_says_is_escaped_and_bounded() -> None:
    wild = part({**BASE, f"TXT {HERE}": ("v=spf1 ‮" + "x" * 5000,)}, "spf", host=OFFICE).as_json()
    assert "‮" not in wild["record"] + wild["values"]["term"]
    assert len(wild["record"]) <= 450
    assert len(wording_of(wild, "fr").sentence) < 1000


def test_the_providers_data_is_whole() -> None:
    for sender in senders():
        assert sender.title, sender.slug
        assert sender.known.hosts, sender.slug
        assert all(page.startswith("https://") for page in (sender.spf_page, sender.dkim_page) if page), sender.slug
        assert not sender.only_selectors or sender.selectors, sender.slug
