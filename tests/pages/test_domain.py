"""Parts of pages about domains: they ask once, wait with an end, and show the DNS's words as text."""

import asyncio
import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.template import Context, Template
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation
from tests.diagnosis.dns import Zone, read

from postroom.pages import ask_limit
from postroom.pages.queries.domain_checks import TRIES, recipient_domains
from postroom.store.models import DomainCheck, User
from postroom.terms.server import ServerSettings

HERE = "norrvik.example"
OFFICE = "smtp.office365.com"
ZONE: Zone = {
    f"MX {HERE}": ("0 norrvik-example.mail.protection.outlook.com",),
    "A norrvik-example.mail.protection.outlook.com": ("52.101.68.36",),
    f"TXT {HERE}": ("v=spf1 include:spf.protection.outlook.com -all",),
    "TXT spf.protection.outlook.com": ("v=spf1 ip4:40.92.0.0/15 -all",),
    f"TXT _dmarc.{HERE}": ("v=DMARC1; p=quarantine; rua=mailto:dmarc@norrvik.example",),
}
SETTINGS = ServerSettings(from_address=f"reports@{HERE}", host=OFFICE)
ASKED = {"from_address": f"reports@{HERE}", "host": OFFICE}


def looked_at(zone: Zone = ZONE, domain: str = HERE, host: str = OFFICE) -> DomainCheck:
    now = timezone.now()
    return DomainCheck.objects.create(
        domain=domain, server_host=host, created_at=now, started_at=now, finished_at=now,
        result=read(zone, domain, host)[0].as_json(),
    )


def text_of(answer: Any) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def shown(source: str, **values: Any) -> str:
    return Template("{% load domain %}" + source).render(Context(values))


def test_the_card_asks_once_and_polls_until_the_engine_has_looked(page: Client) -> None:
    first = page.post("/domain-checks/from-domain", ASKED).content.decode()
    again = page.post("/domain-checks/from-domain", {**ASKED, "tries": "1"}).content.decode()
    assert DomainCheck.objects.count() == 1
    assert "load delay" in first
    assert "load delay" in again
    assert "Looking at the DNS" in first


def test_waiting_ends_and_says_why(page: Client) -> None:
    answer = page.post("/domain-checks/from-domain", {**ASKED, "tries": str(TRIES)})
    assert "load delay" not in answer.content.decode()
    assert "No answer yet" in text_of(answer)


def test_the_card_says_what_the_dns_says(page: Client) -> None:
    looked_at()
    answer = page.post("/domain-checks/from-domain", ASKED)
    text = text_of(answer)
    assert "SPF allows Microsoft 365." in text
    assert "DKIM key for Microsoft 365 is missing." in text
    assert "selector1._domainkey.norrvik.example" in text
    assert "DMARC policy: quarantine." in text
    assert "load delay" not in answer.content.decode()


@pytest.mark.parametrize("typed", ["", "reports", "reports@norrvik", "reports@", "@", "a@[192.0.2.1]"])
def test_an_unfinished_address_asks_nothing(page: Client, typed: str) -> None:
    answer = page.post("/domain-checks/from-domain", {"from_address": typed, "host": OFFICE})
    assert "Enter the From Address" in text_of(answer)
    assert DomainCheck.objects.count() == 0


def test_the_outlook_quotes_records_and_offers_what_to_add(page: Client) -> None:
    looked_at()
    text = text_of(page.post("/domain-checks/inbox-outlook", ASKED))
    for words in (
        "Will it reach the inbox?", "DNS of norrvik.example, read just now", "Check again", "SPF passes",
        "v=spf1 include:spf.protection.outlook.com -all", "Microsoft 365 is allowed", "DKIM missing",
        "Show the DNS records", "DMARC set", "v=DMARC1; p=quarantine", "SPF is aligned",
    ):
        assert words in text, words


def test_check_again_looks_anew(page: Client) -> None:
    old = looked_at()
    DomainCheck.objects.filter(pk=old.pk).update(finished_at=timezone.now() - timedelta(minutes=1))
    page.post("/domain-checks/inbox-outlook", ASKED)
    assert DomainCheck.objects.count() == 1
    answer = page.post("/domain-checks/inbox-outlook", {**ASKED, "anew": "yes"})
    assert DomainCheck.objects.count() == 2
    assert "Looking at the DNS" in text_of(answer)


def test_a_viewer_reads_what_others_asked_for_and_asks_nothing(viewer: User) -> None:
    client = Client()
    client.force_login(viewer)
    for part in ("from-domain", "inbox-outlook", "recipient"):
        assert client.post(f"/domain-checks/{part}", {**ASKED, "field": "to", "to": "a@b.example"}).status_code == 403
    assert DomainCheck.objects.count() == 0
    assert shown("{% inbox_outlook settings %}", settings=SETTINGS, user=viewer).strip() == ""
    looked_at()
    card = shown("{% inbox_outlook settings %}", settings=SETTINGS, user=viewer)
    assert "SPF passes" in card
    assert "hx-post" not in card


def test_a_page_shows_at_once_what_is_known(administrator: User) -> None:
    looked_at()
    assert "SPF</strong> allows" in shown("{% from_domain settings %}", settings=SETTINGS)
    card = shown("{% inbox_outlook settings %}", settings=SETTINGS, user=administrator)
    assert "Check again" in card
    assert "load delay" not in card


def test_the_line_below_recipients_speaks_up(page: Client) -> None:
    looked_at({"MX never.example": ("0 .",)}, "never.example", "")
    looked_at({"MX gmial.com": ("10 trap.example",), "A trap.example": ("192.0.2.1",)}, "gmial.com", "")
    answer = page.post("/domain-checks/recipient", {"field": "to", "to": "Ann <a@never.example>, b@gmial.com"})
    assert "never.example declares that it never accepts mail." in text_of(answer)
    assert "Did you mean gmail.com?" in text_of(answer)
    assert "load delay" not in answer.content.decode()
    waiting = page.post("/domain-checks/recipient", {"field": "to", "to": "c@norrvik.example"}).content.decode()
    assert "load delay" in waiting


def test_a_provider_is_detected_by_its_own_domain_without_a_look(page: Client) -> None:
    answer = page.post("/domain-checks/detect", {"detect": "ann@gmail.com"})
    assert 'data-pr-detected="gmail"' in answer.content.decode()
    assert DomainCheck.objects.count() == 0


def test_a_provider_is_detected_by_the_mx_record(page: Client) -> None:
    waiting = page.post("/domain-checks/detect", {"detect": f"reports@{HERE}"}).content.decode()
    assert "load delay" in waiting
    looked_at(host="")
    answer = page.post("/domain-checks/detect", {"detect": f"reports@{HERE}", "tries": "1"})
    assert "Microsoft 365 (MX record)" in text_of(answer)
    assert 'data-pr-detected="microsoft365"' in answer.content.decode()


@pytest.mark.parametrize(
    ("zone", "typed", "words"),
    [
        ({"MX own.example": ("10 mx.own.example",), "A mx.own.example": ("192.0.2.1",)}, "a@own.example",
         "own.example receives its mail at mx.own.example, which is no provider known here."),
        ({"MX own.example": ("0 .",)}, "a@own.example", "never accepts mail"),
        ({}, "a@own.example", "The DNS has no domain own.example."),
        ({}, "a@own", "Enter a full address"),
    ],
)
def test_what_is_no_known_provider_is_said_so(page: Client, zone: Zone, typed: str, words: str) -> None:
    looked_at(zone, "own.example", "")
    answer = page.post("/domain-checks/detect", {"detect": typed})
    assert words in text_of(answer)
    assert "data-pr-detected" not in answer.content.decode()


@pytest.mark.parametrize("field", ["", "a b", "x]", "#a", "from:body", "A", "a" * 50])
def test_only_names_of_fields_are_taken_as_such(page: Client, field: str) -> None:
    assert page.post("/domain-checks/recipient", {"field": field}).status_code == 404


@pytest.mark.parametrize(
    ("typed", "domains"),
    [
        ("a@b.example", ("b.example",)), ("A <a@b.example>, c@b.example, d@e.example", ("b.example", "e.example")),
        ("a@b.example, x", ("b.example",)), ("", ()), ("x, a@b", ()),
        ("a@b.example\r\nC <c@d.example>\n", ("b.example", "d.example")),
        ("a@b.example; c@d.example", ("b.example", "d.example")),
        (", ".join(f"a@d{n}.example" for n in range(9)), ("d0.example", "d1.example", "d2.example")),
    ],
)
def test_domains_of_recipients(typed: str, domains: tuple[str, ...]) -> None:
    assert recipient_domains(typed) == domains


def test_one_person_may_not_ask_without_end(page: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ask_limit, "ASKED", 3)
    for n in range(5):
        answer = page.post("/domain-checks/from-domain", {"from_address": f"a@d{n}.example", "host": OFFICE})
    assert DomainCheck.objects.count() == 3
    assert "Try again in a minute" in text_of(answer)


def test_what_the_dns_says_is_shown_as_text(page: Client) -> None:
    markup = "<script>alert(1)</script>"
    looked_at({**ZONE, f"TXT {HERE}": (f"v=spf1 {markup} -all",)})
    for part in ("from-domain", "inbox-outlook"):
        text = page.post(f"/domain-checks/{part}", ASKED).content.decode()
        assert "<script>" not in text
        assert "&lt;script&gt;" in text
    hostile = {"from_address": f'"><script>@{HERE}', "host": '"><script>alert(1)</script>'}
    assert "<script>" not in page.post("/domain-checks/inbox-outlook", hostile).content.decode()


def test_the_web_process_resolves_nothing(page: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("the web process asked the network")

    monkeypatch.setattr("postroom.net.domain_records.resolver", refused)
    monkeypatch.setattr(asyncio, "run", refused)
    assert page.post("/domain-checks/from-domain", ASKED).status_code == 200


def test_it_is_said_in_the_reader_s_language(page: Client, administrator: User) -> None:
    looked_at()
    administrator.language = "fr"
    administrator.save()
    assert "SPF autorise Microsoft 365." in text_of(page.post("/domain-checks/from-domain", ASKED))
    with translation.override("fr"):
        assert "DKIM absent" in shown("{% inbox_outlook settings %}", settings=SETTINGS, user=administrator)


def test_beside_a_refused_recipient_stands_whether_the_domain_takes_mail(administrator: User, viewer: User) -> None:
    source = "{% recipient_state address cause %}"
    values = {"address": f"gone@{HERE}", "cause": "recipient-unknown"}
    assert "hx-post" in shown(source, user=administrator, **values)
    assert "hx-post" not in shown(source, user=viewer, **values)
    looked_at(host="")
    known = shown(source, user=viewer, **values)
    assert "norrvik.example accepts mail at norrvik-example.mail.protection.outlook.com." in known
    assert "hx-post" not in shown(source, user=administrator, **values)
    assert shown(source, user=administrator, address=f"gone@{HERE}", cause="tls-certificate-expired").strip() == ""


def test_a_part_that_another_version_stored_is_left_out(page: Client) -> None:
    check = looked_at()
    check.result["parts"]["spf"]["slug"] = "spf-of-tomorrow"
    check.save()
    text = text_of(page.post("/domain-checks/inbox-outlook", ASKED))
    assert "DKIM missing" in text
    assert "SPF passes" not in text


def test_a_page_that_waits_takes_no_write_lock(page: Client) -> None:
    page.post("/domain-checks/from-domain", ASKED)
    with CaptureQueriesContext(connection) as asked:
        page.post("/domain-checks/from-domain", {**ASKED, "tries": "1"})
    assert len(asked) < 6
    assert not [query for query in asked if not query["sql"].startswith("SELECT")]
