"""The closer look: which looks a failure calls for, and what they decide."""

from typing import Any

import pytest
from tests.diagnosis.events import (
    SETTINGS,
    WITH_LOGIN,
    certificate,
    faulted,
    greeted,
    refused,
    resolved,
    stopped,
    unconnected,
    unsent,
    unshaken,
    untrusted,
)

from postroom.diagnosis.also_tried import THIS_MACHINE, also_tried, told
from postroom.diagnosis.detour import Detour, DetourSeen
from postroom.diagnosis.explain import finding_of
from postroom.diagnosis.probe_plan import LOOKS, Look, LookKind, Seen, looks_after, looks_for, with_looks
from postroom.diagnosis.retelling import retold
from postroom.diagnosis.session_evidence import evidence_of
from postroom.smtp.trace import (
    AddressTried,
    Event,
    ExtensionsSeen,
    NameResolved,
    OurRefusal,
    StageEnded,
    TlsEnded,
)
from postroom.terms.envelope import RecipientResult
from postroom.terms.finding import Finding
from postroom.terms.limits import MAIL_PORTS
from postroom.terms.outcome import Stage
from postroom.terms.reply import Reply
from postroom.terms.server import Security, ServerSettings

NONE = SETTINGS.changed(security=Security.NONE)
TLS = SETTINGS.changed(security=Security.TLS)
LOGIN_IN_CLEAR = WITH_LOGIN.changed(security=Security.NONE, port=25)
AT_MICROSOFT = WITH_LOGIN.changed(host="smtp.office365.com")
KNOWN_HOSTS = ("smtp.gmail.com", "smtp.office365.com", "mail.gmx.net")
TENANT_DOOR = "norrvik-example.mail.protection.outlook.com"


def looks(
    events: list[Event], settings: ServerSettings, *results: RecipientResult, ports: Any = MAIL_PORTS
) -> tuple[Look, ...]:
    evidence = evidence_of(events, settings, results)
    found = looks_for(finding_of(evidence).cause, evidence, settings, ports, KNOWN_HOSTS)
    assert len(found) <= LOOKS
    return found


def kinds(events: list[Event], settings: ServerSettings) -> set[LookKind]:
    return {look.kind for look in looks(events, settings) if look.kind is not LookKind.DETOUR}


def ways(events: list[Event], settings: ServerSettings, *results: RecipientResult) -> list[str]:
    """Place and encryption of the detours, in order."""
    found = [look.detour for look in looks(events, settings, *results) if look.detour]
    return [f"{way.place} {way.security}" for way in found]


def explained(
    events: list[Event], settings: ServerSettings, *seen: Seen, results: tuple[RecipientResult, ...] = ()
) -> Finding:
    return finding_of(with_looks(evidence_of(events, settings, results), settings, seen))


def walked(
    way: Detour, *extensions: str, error: str = "", address: str = "192.0.2.1", answer: Reply | None = None
) -> Seen:
    """A detour that came to the end, or to "refused", "no-starttls", "certificate"."""
    events: list[Event] = [AddressTried(0.1, address, way.port, 0.1, error if error == "refused" else "")]
    if error != "refused":
        tls = [] if way.security is Security.NONE else ["over TLS"]
        if error == "no-starttls":
            events += [StageEnded(0.2, Stage.GREETING, True), OurRefusal(0.3, Stage.STARTTLS, "starttls-not-offered")]
            events.append(StageEnded(0.3, Stage.STARTTLS, False))
        elif error == "certificate":
            events += [StageEnded(0.2, Stage.GREETING, True), TlsEnded(0.3, error="certificate")]
            events += [StageEnded(0.3, Stage.STARTTLS, True), StageEnded(0.3, Stage.CERTIFICATE, False)]
        else:
            offered = {words[0]: tuple(words[1:]) for words in (e.split() for e in extensions)}
            events += [StageEnded(0.2, Stage.GREETING, True), *(TlsEnded(0.3, "TLS 1.3") for _ in tls)]
            events.append(ExtensionsSeen(0.4, offered, bool(tls), offered.get("AUTH", ())))
    else:
        events.append(StageEnded(0.1, Stage.CONNECT, False))
    return Seen(Look(LookKind.DETOUR, way.port, way.host, way), detour=DetourSeen(way, events, answer))


def planned(events: list[Event], settings: ServerSettings, place: str, *results: RecipientResult) -> Detour:
    """The detour to a place that this failure calls for."""
    found = [look.detour for look in looks(events, settings, *results) if look.detour]
    return next(way for way in found if f"{way.place} {way.security}" == place)


SILENT = faulted(Stage.GREETING, "timeout", "no reply within 10 s")
CLOSED = unconnected(("192.0.2.1", "refused"))
UNANSWERED = unconnected(("192.0.2.1", "timeout"))
WITHOUT_STARTTLS = stopped(Stage.STARTTLS, "starttls-not-offered", "the server does not offer STARTTLS")
NO_AUTH_IN_CLEAR = [*greeted("mail ESMTP", "STARTTLS"), *stopped(Stage.AUTHENTICATE, "auth-not-offered")]
NO_AUTH = [*greeted("relay ESMTP", "SIZE 1000"), *stopped(Stage.AUTHENTICATE, "auth-not-offered")]
PLAIN = unshaken("not-tls", "the server does not speak TLS here", b"220 mail.norrvik.example ESMTP\r\n")
OTHER_NAME = [
    AddressTried(0.5, "192.0.2.1", 587, 0.1),
    *untrusted(62, "hostname mismatch", certificate(names=("*.hosting.example", "mx.hosting.example"))),
]
TENANT_OFF = [
    *greeted("x.outlook.office365.com Microsoft ESMTP", "AUTH LOGIN XOAUTH2", over_tls=True),
    *refused(Stage.AUTHENTICATE, 535, "5.7.139 SmtpClientAuthentication is disabled for the Tenant."),
]
SIGN_IN_WANTED = unsent(Stage.SENDER, 530, "5.7.0 Authentication required")


@pytest.mark.parametrize(
    ("events", "settings", "expected"),
    [
        (SILENT, NONE, ["mail.norrvik.example:587 tls", "mail.norrvik.example:465 tls"]),
        (CLOSED, SETTINGS, [
            "mail.norrvik.example:465 tls", "mail.norrvik.example:2525 starttls", "mail.norrvik.example:25 starttls",
        ]),
        (UNANSWERED, NONE.changed(port=25), [
            "mail.norrvik.example:587 starttls", "mail.norrvik.example:465 tls", "mail.norrvik.example:2525 starttls",
        ]),
        (WITHOUT_STARTTLS, SETTINGS, ["mail.norrvik.example:465 tls", "mail.norrvik.example:2525 starttls"]),
        (PLAIN, TLS, ["mail.norrvik.example:587 starttls", "mail.norrvik.example:465 tls"]),
        (OTHER_NAME, SETTINGS, ["mx.hosting.example:587 starttls"]),
        (NO_AUTH_IN_CLEAR, LOGIN_IN_CLEAR, [
            "mail.norrvik.example:25 starttls", "mail.norrvik.example:587 starttls", "mail.norrvik.example:465 tls",
        ]),
        (NO_AUTH, LOGIN_IN_CLEAR, [
            "mail.norrvik.example:587 starttls", "mail.norrvik.example:465 tls", "mail.norrvik.example:25 none",
        ]),
        (resolved("no-address"), SETTINGS.changed(host="norrvik.example"), [
            "smtp.norrvik.example:587 starttls", "mail.norrvik.example:587 starttls",
        ]),
        (resolved("nxdomain"), SETTINGS.changed(host="stmp.gmial.com"), [
            "smtp.gmail.com:587 starttls", "smtp.gmial.com:587 starttls",
        ]),
        (resolved("nxdomain"), SETTINGS.changed(host="mail.norvik.example"), ["mail.norrvik.example:587 starttls"]),
        (faulted(Stage.GREETING, "malformed", "", b"* OK IMAP4rev1 ready\r\n"), NONE.changed(port=143), [
            "mail.norrvik.example:587 starttls", "mail.norrvik.example:465 tls",
        ]),
        (refused(Stage.AUTHENTICATE, 535, "5.7.8 no"), WITH_LOGIN, []),
    ],
)
def test_a_failure_calls_for_the_ways_that_could_still_lead_there(
    events: list[Event], settings: ServerSettings, expected: list[str]
) -> None:
    assert ways(events, settings) == expected


def test_a_server_that_wants_a_sign_in_at_port_25_calls_for_the_submission_ports() -> None:
    at_25 = NONE.changed(port=25)
    assert ways([], at_25, SIGN_IN_WANTED) == ["mail.norrvik.example:587 starttls", "mail.norrvik.example:465 tls"]
    way = planned([], at_25, "mail.norrvik.example:587 starttls", SIGN_IN_WANTED)
    found = explained([], at_25, walked(way, "AUTH PLAIN"), results=(SIGN_IN_WANTED,))
    assert found.proposal == {"port": 587, "security": "starttls", "auth": "password"}
    assert found.consequence == "Not enough alone: this way wants a user name and password, too."


def test_no_port_outside_the_list_is_looked_at() -> None:
    assert [look.port for look in looks(CLOSED, SETTINGS, ports=(587, 465))] == [465]
    assert looks(CLOSED, SETTINGS, ports=(587,)) == ()


@pytest.mark.parametrize(
    ("events", "settings", "place", "offered", "proposal"),
    [
        (CLOSED, WITH_LOGIN, "mail.norrvik.example:465 tls", ["AUTH PLAIN"], {"port": 465, "security": "tls"}),
        (CLOSED, WITH_LOGIN, "mail.norrvik.example:465 tls", ["AUTH XOAUTH2"], None),
        (CLOSED, WITH_LOGIN, "mail.norrvik.example:2525 starttls", ["AUTH LOGIN"], {"port": 2525}),
        (WITHOUT_STARTTLS, WITH_LOGIN, "mail.norrvik.example:465 tls", ["AUTH PLAIN"],
         {"port": 465, "security": "tls"}),
        (PLAIN, WITH_LOGIN.changed(security=Security.TLS), "mail.norrvik.example:587 starttls", ["AUTH PLAIN"],
         {"security": "starttls"}),
        (SILENT, WITH_LOGIN, "mail.norrvik.example:587 tls", ["AUTH PLAIN"], {"security": "tls"}),
        (NO_AUTH_IN_CLEAR, LOGIN_IN_CLEAR, "mail.norrvik.example:25 starttls", ["AUTH PLAIN"],
         {"security": "starttls"}),
        (NO_AUTH_IN_CLEAR, LOGIN_IN_CLEAR, "mail.norrvik.example:25 starttls", ["SIZE 1"], None),
        (NO_AUTH, LOGIN_IN_CLEAR, "mail.norrvik.example:587 starttls", ["AUTH PLAIN"],
         {"port": 587, "security": "starttls"}),
        (OTHER_NAME, WITH_LOGIN, "mx.hosting.example:587 starttls", ["AUTH PLAIN"], {"host": "mx.hosting.example"}),
        (resolved("nxdomain"), WITH_LOGIN.changed(host="smtp.gmial.com"), "smtp.gmail.com:587 starttls",
         ["AUTH LOGIN"], {"host": "smtp.gmail.com"}),
    ],
)
def test_a_change_is_proposed_only_where_the_way_answered_with_the_sign_in_that_is_configured(
    events: list[Event], settings: ServerSettings, place: str, offered: list[str], proposal: dict[str, Any] | None
) -> None:
    way = planned(events, settings, place)
    assert explained(events, settings, walked(way, *offered)).proposal == proposal


@pytest.mark.parametrize("error", ["refused", "no-starttls", "certificate"])
def test_a_way_that_does_not_come_to_its_end_is_never_proposed(error: str) -> None:
    way = planned(CLOSED, WITH_LOGIN, "mail.norrvik.example:2525 starttls")
    assert explained(CLOSED, WITH_LOGIN, walked(way, error=error)).proposal is None


def test_without_sign_in_a_way_works_only_where_it_accepts_the_recipient() -> None:
    way = planned(NO_AUTH, LOGIN_IN_CLEAR, "mail.norrvik.example:25 none")
    assert way.envelope == ("reports@norrvik.example", "anna@customer.example")
    taken = explained(NO_AUTH, LOGIN_IN_CLEAR, walked(way, answer=Reply(250, ("2.1.5 Ok",))))
    assert (taken.cause, taken.proposal) == ("auth-not-needed-by-server", {"auth": "none"})
    assert taken.consequence is not None
    assert "no password" in taken.consequence
    refused_there = walked(way, answer=Reply(554, ("5.7.1 Relay access denied",)))
    assert explained(NO_AUTH, LOGIN_IN_CLEAR, refused_there).proposal is None


def test_the_first_planned_way_that_works_is_the_proposed_one() -> None:
    first = planned(CLOSED, WITH_LOGIN, "mail.norrvik.example:465 tls")
    second = planned(CLOSED, WITH_LOGIN, "mail.norrvik.example:25 starttls")
    seen = (walked(first, error="certificate"), walked(second, "AUTH PLAIN"))
    found = explained(CLOSED, WITH_LOGIN, *seen)
    assert found.proposal == {"port": 25}
    assert "port 25" in found.explanation


def test_a_name_of_the_certificate_is_proposed_only_for_the_same_address_and_with_a_warning() -> None:
    way = planned(OTHER_NAME, WITH_LOGIN, "mx.hosting.example:587 starttls")
    same = explained(OTHER_NAME, WITH_LOGIN, walked(way, "AUTH PLAIN"))
    assert same.proposal == {"host": "mx.hosting.example"}
    assert same.consequence is not None
    assert "mx.hosting.example" in same.consequence
    elsewhere = walked(way, "AUTH PLAIN", address="198.51.100.9")
    assert explained(OTHER_NAME, WITH_LOGIN, elsewhere).proposal is None


@pytest.mark.parametrize("name", [
    "smtp.office365.com@evil.example", "smtp.office365.com:2525.evil.example", "evil.example/.smtp.office365.com",
    "smtp\N{FULLWIDTH FULL STOP}evil.example", "\N{RIGHT-TO-LEFT OVERRIDE}moc.evil.example", "evil.example.",
    "evil..example",
])
def test_t4_a_name_that_would_be_read_as_another_one_is_never_proposed(name: str) -> None:
    events = [*untrusted(62, "hostname mismatch", certificate(names=(name,)))]
    assert [look for look in looks(events, WITH_LOGIN) if look.kind is LookKind.DETOUR] == []


def test_a_tenant_without_smtp_auth_is_offered_its_own_door_where_that_accepts() -> None:
    evidence = evidence_of(TENANT_OFF, AT_MICROSOFT)
    cause = finding_of(evidence).cause
    assert cause == "auth-smtp-auth-disabled"
    (first,) = looks_for(cause, evidence, AT_MICROSOFT, MAIL_PORTS)
    assert (first.kind, first.name) == (LookKind.MAIL_EXCHANGERS, "norrvik.example")
    exchangers = Seen(first, exchangers=(TENANT_DOOR,))
    (second,) = looks_after(cause, AT_MICROSOFT, [exchangers], MAIL_PORTS)
    assert second.detour is not None
    assert second.detour.envelope == ("reports@norrvik.example", "reports@norrvik.example")
    seen = walked(second.detour, answer=Reply(250, ("2.1.5 Recipient OK",)))
    found = explained(TENANT_OFF, AT_MICROSOFT, exchangers, seen)
    assert found.cause == cause
    assert found.proposal == {
        "host": TENANT_DOOR, "port": 25, "auth": "none", "test_recipient": "reports@norrvik.example",
    }
    assert found.consequence == "Reaches only addresses at norrvik.example."
    assert retold(found.as_stored(), "fr")["consequence"] == "N’atteint que les adresses de norrvik.example."
    closed = walked(second.detour, answer=Reply(550, ("5.7.64 TenantAttribution; Relay Access Denied",)))
    assert explained(TENANT_OFF, AT_MICROSOFT, exchangers, closed).proposal is None


def test_another_provider_than_microsoft_has_no_door_of_that_kind() -> None:
    seen = Seen(Look(LookKind.MAIL_EXCHANGERS, name="norrvik.example"), exchangers=("mx1.norrvik.example",))
    assert looks_after("auth-smtp-auth-disabled", AT_MICROSOFT, [seen], MAIL_PORTS) == ()


def test_a_bare_domain_leads_to_its_provider_by_its_mail_exchanger() -> None:
    bare = WITH_LOGIN.changed(host="norrvik.example")
    seen = Seen(Look(LookKind.MAIL_EXCHANGERS, name="norrvik.example"), exchangers=("aspmx.l.google.com",))
    after = looks_after("mail-domain-as-host", bare, [seen], MAIL_PORTS)
    assert [look.detour.place for look in after if look.detour] == ["smtp.gmail.com:587", "smtp.gmail.com:465"]
    assert after[0].detour is not None
    found = explained(resolved("no-address"), bare, seen, walked(after[0].detour, "AUTH LOGIN"))
    assert (found.cause, found.proposal) == ("mail-domain-as-host", {"host": "smtp.gmail.com"})


def test_what_was_tried_is_told_in_words_of_both_languages() -> None:
    first = planned(CLOSED, WITH_LOGIN, "mail.norrvik.example:465 tls")
    second = planned(CLOSED, WITH_LOGIN, "mail.norrvik.example:25 starttls")
    seen = [walked(first, "AUTH PLAIN LOGIN"), walked(second, error="refused")]
    stored = also_tried(seen, WITH_LOGIN, CLOSED)
    assert told(stored, "en") == [
        {"place": "mail.norrvik.example:465", "ok": True, "text": "SSL/TLS works. It offers PLAIN, LOGIN."},
        {"place": "mail.norrvik.example:25", "ok": False,
         "text": "Nothing listens there: the connection was refused."},
        {"place": THIS_MACHINE, "ok": True, "text": "Outbound ports that are open: 465."},
    ]
    assert told(stored, "fr")[0]["text"] == "SSL/TLS fonctionne. Il offre PLAIN, LOGIN."


def test_what_the_configured_way_had_shown_before_the_sign_in_comes_first() -> None:
    seen = Seen(Look(LookKind.MAIL_EXCHANGERS, name="norrvik.example"))
    lines = told(also_tried([seen], AT_MICROSOFT, TENANT_OFF), "en")
    assert [line["place"] for line in lines] == ["smtp.office365.com:587", "MX norrvik.example"]
    assert lines[0]["text"] == "STARTTLS works. It offers LOGIN, XOAUTH2."
    assert not lines[1]["ok"]


def test_what_a_refusing_way_said_is_shown_escaped_and_short() -> None:
    way = planned(NO_AUTH, LOGIN_IN_CLEAR, "mail.norrvik.example:25 none")
    seen = walked(way, answer=Reply(554, ("5.7.1 no\x1b[31m " + "x" * 500,)))
    text = told(also_tried([seen], LOGIN_IN_CLEAR, []), "en")[0]["text"]
    assert "\x1b" not in text
    assert "554 5.7.1 no" in text
    assert len(text) < 300


def test_nothing_is_told_where_nothing_was_tried() -> None:
    assert also_tried([], WITH_LOGIN, CLOSED) == []


def test_a_silent_port_that_answers_a_tls_hello_wants_tls() -> None:
    silent = faulted(Stage.GREETING, "timeout", "no reply within 10 s")
    assert LookKind.TLS_HELLO in kinds(silent, NONE)
    hello = Seen(Look(LookKind.TLS_HELLO, 587), tls=TlsEnded(0, version="TLS 1.3"))
    found = explained(silent, NONE, hello)
    assert (found.cause, found.proposal) == ("greeting-timeout-implicit-tls-port", None)


def test_a_web_server_behind_tls_is_not_taken_for_a_mail_server() -> None:
    silent = faulted(Stage.GREETING, "timeout", "no reply within 10 s")
    hello = Seen(Look(LookKind.TLS_HELLO, 587), tls=TlsEnded(0, version="TLS 1.3"))
    words = Seen(Look(LookKind.FIRST_WORDS_OVER_TLS, 587), words=b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert explained(silent, NONE, hello, words).cause == "http-on-port"


def test_a_port_that_stays_silent_in_every_way_has_no_greeting() -> None:
    silent = faulted(Stage.GREETING, "timeout", "no reply within 10 s")
    nothing = Seen(Look(LookKind.FIRST_WORDS, 587))
    hello = Seen(Look(LookKind.TLS_HELLO, 587), tls=TlsEnded(0, error="timeout"))
    assert explained(silent, NONE, nothing, hello).cause == "no-greeting"


def test_plain_smtp_under_tls_is_told_from_a_server_without_any_tls() -> None:
    way = planned(PLAIN, TLS, "mail.norrvik.example:587 starttls")
    with_starttls = explained(PLAIN, TLS, walked(way, error="certificate"))
    without = explained(PLAIN, TLS, walked(way, error="no-starttls"))
    assert with_starttls.cause == without.cause == "tls-implicit-on-starttls-port"
    assert with_starttls.fix != without.fix


def test_an_old_server_is_told_from_one_with_weak_ciphers() -> None:
    failed = unshaken("protocol-version", "tlsv1 alert protocol version")
    look = Look(LookKind.OLDEST_TLS, 587)
    assert kinds(failed, TLS) == {LookKind.OLDEST_TLS}
    old = explained(failed, TLS, Seen(look, tls=TlsEnded(0, version="TLS 1.1", cipher="AES128-SHA")))
    assert old.cause == "tls-protocol-version-mismatch"
    weak = explained(unshaken("no-cipher", "handshake failure"), TLS, Seen(look, tls=TlsEnded(0, version="TLS 1.2")))
    assert weak.cause == "tls-weak-key-or-cipher"


def test_a_failing_name_is_told_from_a_failing_resolver() -> None:
    look = Look(LookKind.OTHER_NAME, name="example.com")
    assert kinds(resolved("temporary"), SETTINGS) == {LookKind.OTHER_NAME}
    answers = Seen(look, resolved=NameResolved(0, "example.com", ("192.0.2.1",)))
    assert explained(resolved("temporary"), SETTINGS, answers).cause == "dns-name-server-failing"
    fails = Seen(look, resolved=NameResolved(0, "example.com", (), "temporary"))
    assert explained(resolved("temporary"), SETTINGS, fails).cause == "dns-temporary-failure-container"


def test_a_mail_domain_as_host_names_its_mail_exchanger() -> None:
    assert kinds(resolved("no-address"), SETTINGS) == {LookKind.MAIL_EXCHANGERS}
    seen = Seen(Look(LookKind.MAIL_EXCHANGERS, name="norrvik.example"), exchangers=("mx1.norrvik.example",))
    found = explained(resolved("no-address"), SETTINGS, seen)
    assert found.cause == "mail-domain-as-host"
    assert "mx1.norrvik.example" in found.explanation


def test_another_mail_port_that_answers_is_told_even_where_it_cannot_be_proposed() -> None:
    way = planned(CLOSED, SETTINGS, "mail.norrvik.example:465 tls")
    found = explained(CLOSED, SETTINGS, walked(way, error="certificate"))
    assert (found.cause, found.proposal) == ("connect-refused-no-listener", None)
    assert "port 465" in found.explanation


def test_a_refusal_that_decides_by_itself_calls_for_no_look() -> None:
    assert kinds(refused(Stage.AUTHENTICATE, 535, "5.7.8 no"), WITH_LOGIN) == set()
    assert kinds(refused(Stage.RECIPIENT, 550, "5.1.1 no"), WITH_LOGIN) == set()
