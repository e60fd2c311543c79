"""Pages speak the reader's language: the person's, else what was chosen here, else the browser's, else the site's."""

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext
from tests.house.translations import CATALOGUE, PACKAGE

from postroom.diagnosis.catalogue import catalogue
from postroom.diagnosis.explain import finding_of_cause
from postroom.flow.instance.instance import change_site, site
from postroom.flow.instance.reader import voice_for
from postroom.flow.users.first_start import create_administrator, new_setup_code
from postroom.flow.users.tokens import create_token
from postroom.pages.urls import urlpatterns
from postroom.store.activity_log import ActivityLog
from postroom.store.models import Attempt, AuditEntry, Delivery, Message, ServerTest, SmtpServer, User
from postroom.terms.outcome import DeliveryState, Stage

FRENCH = {"Accept-Language": "fr-CH, fr;q=0.9, en;q=0.8"}
# Words that no French sentence has, with their neighbours: for texts that were never handed to gettext.
# IS is Iceland.
ENGLISH = re.compile(
    r"(?:\S+ ){0,3}\b(?-i:(?!IS\b))"
    r"(?:the|and|of|is|are|with|from|this|that|was|has|have|will|its|when|which)\b(?: \S+){0,3}",
    re.IGNORECASE,
)
GERMAN = {"Accept-Language": "de-DE, de;q=0.9"}


def language_of(text: str) -> str:
    return text.split('<html lang="')[1].split('"')[0]


@pytest.mark.usefixtures("administrator")
@pytest.mark.parametrize(("headers", "chosen", "spoken"), [
    (FRENCH, "", "fr"), ({"Accept-Language": "en-GB"}, "", "en"), (GERMAN, "", "en"), ({}, "", "en"),
    ({"Accept-Language": "fr;q=0"}, "", "en"), (GERMAN, "fr", "fr"), (FRENCH, "en", "en"), (FRENCH, "xx", "fr"),
])
def test_before_sign_in_the_choice_counts_then_the_browser_then_the_site(
    client: Client, headers: dict[str, str], chosen: str, spoken: str
) -> None:
    if chosen:
        client.cookies["postroom_language"] = chosen
    answer = client.get("/login", headers=headers)
    assert language_of(answer.content.decode()) == spoken
    assert ("Se connecter" in answer.content.decode()) == (spoken == "fr")
    assert "Accept-Language" in answer["Vary"]


@pytest.mark.usefixtures("administrator")
def test_who_asks_for_neither_language_hears_the_sites(client: Client) -> None:
    change_site({"language": "fr"}, "marta@norrvik.example")
    assert language_of(client.get("/login", headers=GERMAN).content.decode()) == "fr"


def test_a_persons_own_language_goes_before_the_browsers(page: Client, administrator: User) -> None:
    assert language_of(page.get("/account", headers=FRENCH).content.decode()) == "fr"
    page.post("/account/region", {"language": "en", "time_zone": "Europe/Paris"})
    assert language_of(page.get("/account", headers=FRENCH).content.decode()) == "en"
    administrator.refresh_from_db()
    assert (administrator.language, administrator.time_zone) == ("en", "Europe/Paris")
    page.post("/account/region", {"language": "klingon", "time_zone": "Mars/Olympus"})
    administrator.refresh_from_db()
    assert (administrator.language, administrator.time_zone) == ("", "Europe/Paris")


def test_the_menu_changes_the_language_of_this_browser_and_of_the_person(page: Client, administrator: User) -> None:
    answer = page.post("/language", {"language": "fr", "back": "/messages?q=x"})
    assert answer["Location"] == "/messages?q=x"
    assert language_of(page.get("/account").content.decode()) == "fr"
    administrator.refresh_from_db()
    assert administrator.language == "fr"


@pytest.mark.parametrize("back", [
    "//evil.example/", "/\\evil.example", "https://evil.example/", "", "/\t/evil.example", "/\t/[", "/\t\\evil.example",
])
def test_the_menu_leads_to_no_other_site(client: Client, back: str) -> None:
    assert client.post("/language", {"language": "fr", "back": back})["Location"] == "/"


def test_an_error_page_speaks_the_persons_language(page: Client, administrator: User) -> None:
    administrator.language = "fr"
    administrator.save()
    text = page.get("/nothing-here", headers={"Accept-Language": "en"}).content.decode()
    assert language_of(text) == "fr"
    assert "Introuvable" in text


def test_the_first_administrator_gives_the_site_language_and_zone() -> None:
    create_administrator(
        new_setup_code(), "Marta", "marta@norrvik.example", "correct horse battery", "Europe/Paris", "fr"
    )
    assert (site().language, site().time_zone, str(site().zone)) == ("fr", "Europe/Paris", "Europe/Paris")


def test_instance_settings_are_changed_by_an_administrator_and_noted(page: Client) -> None:
    page.post("/instance", {"name": "Norrvik Freight", "language": "fr", "time_zone": "Europe/Oslo"})
    assert (site().name, site().language, site().time_zone) == ("Norrvik Freight", "fr", "Europe/Oslo")
    entry = AuditEntry.objects.get(action="site.change")
    assert entry.changes["name"] == ["Postroom", "Norrvik Freight"]
    assert "Norrvik Freight</title>" in page.get("/instance").content.decode()


def test_instance_settings_that_cannot_be_are_refused_with_the_remedy(page: Client) -> None:
    answer = page.post("/instance", {"name": "", "language": "xx", "time_zone": "Mars/Olympus"})
    assert answer.status_code == 422
    text = answer.content.decode()
    assert all(f'id="e-{field}"' in text for field in ("name", "language", "time_zone"))
    assert site().name == "Postroom"


def test_a_refused_field_says_why_in_the_readers_language(page: Client) -> None:
    page.post("/language", {"language": "fr"})
    text = page.post("/smtp-servers/new", {"name": "x", "host": "a b", "port": "587"}).content.decode()
    assert "Supprimez les espaces du nom d’hôte." in text


def test_the_api_speaks_english_unless_it_is_asked_for_french(client: Client, failed: "Failed") -> None:
    change_site({"language": "fr"}, "marta@norrvik.example")
    _, plain = create_token("Reader", "read", "marta@norrvik.example")
    bearer = {"Authorization": f"Bearer {plain}"}
    path = f"/api/v1/tests/{failed.test.pk}"
    english = client.get(path, headers=bearer).json()["finding"]
    french = client.get(path, headers={**bearer, **FRENCH}).json()["finding"]
    assert english == finding_of_cause("auth-bad-credentials").as_json()
    assert french == finding_of_cause("auth-bad-credentials", language="fr").as_json()


def test_a_test_mail_speaks_the_language_of_who_asked_for_it_and_the_sites_to_strangers(administrator: User) -> None:
    change_site({"language": "fr", "name": "Norrvik"}, "marta@norrvik.example")
    administrator.language = "en"
    administrator.save()
    own, others = voice_for("Marta@norrvik.example"), voice_for("nightly check")
    assert (own.language, own.say("Message")) == ("en", "Message")
    assert (others.language, others.site) == ("fr", "Norrvik")
    assert others.say("The address is empty.") == "L’adresse est vide."


class Failed:
    """A server, a test and a message that failed, all explained in English."""

    def __init__(self, server: SmtpServer) -> None:
        finding = finding_of_cause("auth-bad-credentials").as_stored()
        now = timezone.now()
        server.failing_since, server.failing_finding, server.name = now, finding, "Relais"
        server.settings = {**server.settings, "name": "Relais", "from_name": "Norrvik"}
        server.save()
        self.server = server
        self.test = ServerTest.objects.create(
            server=server, settings=server.settings, status="failed", created_by="marta@norrvik.example",
            started_at=now, finished_at=now, finding=finding,
            stages=[{"name": "authenticate", "status": "failed", "ms": 12, "detail": "535 5.7.8"}],
        )
        self.message = Message.objects.create(
            message_id="<1@x.example>", from_header="a@x.example", subject="Objet", content_digest="0" * 64,
            content_size=10, created_at=now, expires_at=now + timedelta(days=1), client_name="Rapports", server=server,
        )
        delivery = Delivery.objects.create(
            message=self.message, recipient="b@x.example", state="failed", due_at=now, updated_at=now, server=server,
            finding=finding, cause="auth-bad-credentials", attempt_count=1,
        )
        Attempt.objects.create(
            delivery=delivery, number=1, server=server, server_name="Relais", started_at=now, ended_at=now,
            outcome="failed", stage="authenticate", reply="535 5.7.8", cause="auth-bad-credentials", finding=finding,
        )


    def tests_in_every_state(self) -> list[ServerTest]:
        """Of the same settings: one that waits, one that runs, a passed one, a passed check, a stopped one."""
        now = timezone.now()
        passed = [{"name": str(stage), "status": "passed", "ms": 12, "detail": "250 2.1.5"} for stage in Stage]
        running = [{"name": "resolve", "status": "passed", "ms": 3, "detail": "192.0.2.1"},
                   {"name": "connect", "status": "running", "ms": None, "detail": ""}]
        tls = {"version": "TLSv1.2", "cipher": "X", "verified": True, "names": ["relais.norrvik.example"],
               "issuer": "CN=CA", "key": "RSA 2048", "not_after": (now + timedelta(days=9)).isoformat()}
        facts = {"extensions": {"SIZE": ["1000000"], "AUTH": ["PLAIN"]}, "tls": tls, "size_limit": 1_000_000}
        states: list[tuple[str, list[dict[str, Any]], bool]] = [
            ("queued", [], True), ("running", running, True), ("passed", passed, True), ("passed", passed[:7], False),
            ("stopped", running, True),
        ]
        return [
            ServerTest.objects.create(
                server=self.server, settings=self.server.settings, status=status, stages=stages, send=send,
                created_by="marta@norrvik.example", started_at=now, finished_at=now, facts=facts,
            )
            for status, stages, send in states
        ]

    def messages_in_every_state(self) -> list[Message]:
        now = timezone.now()
        made = []
        for number, state in enumerate(DeliveryState):
            message = Message.objects.create(
                message_id=f"<{number}@y.example>", from_header="a@x.example", subject="Objet", content_size=10,
                content_digest="0" * 64, created_at=now, expires_at=now + timedelta(days=1), server=self.server,
            )
            Delivery.objects.create(
                message=message, recipient="b@x.example", state=state, due_at=now + timedelta(minutes=9),
                updated_at=now, server=self.server, attempt_count=2,
            )
            made.append(message)
        return made


def write_activity(data_dir: Path) -> None:
    """One line of each kind and outcome on a day of its own, explained in English."""
    log = ActivityLog(data_dir / "logs")
    finding = finding_of_cause("auth-bad-credentials")
    for kind in ("delivery", "test", "session"):
        for outcome in ("sent", "deferred", "failed", "uncertain", "passed", "stopped", "error", "failing"):
            log.append({
                "at": datetime(2025, 12, 5, 14, 32, tzinfo=UTC), "kind": kind, "outcome": outcome, "subject": "Objet",
                "recipient": "a@x.example", "server": "Relais", "severity": "error", "cause": finding.cause,
                "title": finding.title, "reply": "535 5.7.8", "stage": "authenticate", "seconds": 1.5,
            })
    log.close()


@pytest.fixture
def failed(relay: SmtpServer) -> Failed:
    return Failed(relay)


def test_a_french_page_shows_no_english(
    page: Client, administrator: User, failed: Failed, data_dir: Path
) -> None:
    administrator.language = "fr"
    administrator.save()
    english = texts_that_differ()
    assert len(english) > 200
    left = {}
    further = [f"/smtp-tests/{test.pk}" for test in failed.tests_in_every_state()]
    further += [f"/messages/{message.pk}" for message in failed.messages_in_every_state()]
    write_activity(data_dir)
    further += ["/activity?day=2025-12-05", "/activity?severity=error", "/smtp-servers?order=yes"]
    further += ["/messages?q=nichts", "/messages?state=failed"]
    for path in [*addresses(failed), *further]:
        # Pages for people who are not signed in go by what the browser asks for.
        answer = page.get(path, headers={"Accept-Language": "fr"})
        if answer.status_code == 200 and answer["Content-Type"].startswith("text/html"):
            text = answer.content.decode()
            assert "<html" not in text or language_of(text) == "fr", path
            shown = words_of(text)
            found = [each for each in english if f" {each} " in f" {shown} "]
            if found := found + ENGLISH.findall(shown):
                left[path] = found
    assert left == {}


def texts_that_differ() -> list[str]:
    """Pieces of English texts between placeholders and marks, long enough to be no accident."""
    source = (PACKAGE / CATALOGUE).read_text(encoding="utf-8")
    texts = [text.replace('\\"', '"') for text in re.findall(r'^msgid(?:_plural)? "(.+)"$', source, re.MULTILINE)]
    with translation.override("fr"):
        pairs = [(text, gettext(text)) for text in texts]
    for cause in catalogue().causes.values():
        for told in (cause.texts, *cause.variants.values()):
            english, french = told["en"], told["fr"]
            pairs += [(english.title, french.title), (english.explanation, french.explanation)]
            pairs += [(step, " ".join(french.fix)) for step in english.fix]
    found = set()
    for english_text, french_text in pairs:
        pieces = re.split(r"%\(\w+\)[sd]|\{\w+\}|<[^>]+>", english_text)
        found |= {plain(piece) for piece in pieces if plain(piece) not in plain(french_text)}
    return sorted(piece for piece in found if len(piece) > 12)


def plain(text: str) -> str:
    """Words alone, one space between them."""
    return re.sub(r"[\s.,:;!?“”()]+", " ", text).strip()


def addresses(failed: Failed) -> list[str]:
    """Every page that can be read, with the objects of `failed` in the addresses."""
    ids = {"server_id": failed.server.pk, "test_id": failed.test.pk, "message_id": failed.message.pk}
    found = []
    for pattern in urlpatterns:
        wanted = pattern.pattern.converters  # type: ignore[union-attr]
        if set(wanted) <= set(ids):
            values = {name: ids[name] for name in wanted}
            found.append(reverse(f"pages:{pattern.name}", kwargs=values))  # type: ignore[union-attr]
    assert len(found) > 15
    return found


class _Words(HTMLParser):
    """What a person reads or hears of a page; parts that are marked as another language are left out."""

    SAID = ("aria-label", "placeholder", "title", "alt", "data-label", "data-pr-confirm", "data-pr-said")

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self._skipping = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.words += [value or "" for name, value in attrs if name in self.SAID]
        if not self._skipping and (tag in ("script", "style", "pre", "option") or dict(attrs).get("lang") == "en"):
            self._skipping = tag

    def handle_endtag(self, tag: str) -> None:
        if tag == self._skipping:
            self._skipping = ""

    def handle_data(self, data: str) -> None:
        if not self._skipping:
            self.words.append(data)


def words_of(page: str) -> str:
    parser = _Words()
    parser.feed(page)
    return plain(" ".join(parser.words))
