"""The closer look: which looks a failure calls for, and what they decide."""

from tests.diagnosis.events import (
    SETTINGS,
    WITH_LOGIN,
    faulted,
    refused,
    resolved,
    stopped,
    unconnected,
    unshaken,
)

from postroom.diagnosis.explain import finding_of
from postroom.diagnosis.probe_plan import LOOKS, Look, LookKind, Seen, looks_for, with_looks
from postroom.diagnosis.session_evidence import evidence_of
from postroom.smtp.trace import AddressTried, Event, NameResolved, TlsEnded
from postroom.terms.finding import Finding
from postroom.terms.outcome import Stage
from postroom.terms.server import Security, ServerSettings

NONE = SETTINGS.changed(security=Security.NONE)
TLS = SETTINGS.changed(security=Security.TLS)


def kinds(events: list[Event], settings: ServerSettings) -> set[LookKind]:
    looks = looks_for(evidence_of(events, settings), settings)
    assert len(looks) <= LOOKS
    return {look.kind for look in looks}


def explained(events: list[Event], settings: ServerSettings, *seen: Seen) -> Finding:
    return finding_of(with_looks(evidence_of(events, settings), seen))


def test_a_silent_port_that_answers_a_tls_hello_wants_tls() -> None:
    silent = faulted(Stage.GREETING, "timeout", "no reply within 10 s")
    assert LookKind.TLS_HELLO in kinds(silent, NONE)
    hello = Seen(Look(LookKind.TLS_HELLO, 587), tls=TlsEnded(0, version="TLS 1.3"))
    found = explained(silent, NONE, hello)
    assert (found.cause, found.proposal) == ("greeting-timeout-implicit-tls-port", {"security": "tls"})


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


def test_plain_smtp_under_tls_proposes_starttls_only_where_the_server_has_it() -> None:
    plain = unshaken("not-tls", "the server does not speak TLS here", b"220 mail.norrvik.example ESMTP\r\n")
    assert kinds(plain, TLS) == {LookKind.STARTTLS_HELLO}
    look = Look(LookKind.STARTTLS_HELLO, 587)
    with_starttls = explained(plain, TLS, Seen(look, tls=TlsEnded(0, version="TLS 1.3")))
    assert (with_starttls.cause, with_starttls.proposal) == ("tls-implicit-on-starttls-port", {"security": "starttls"})
    without = explained(plain, TLS, Seen(look, tls=TlsEnded(0, error="other", error_text="STARTTLS refused with 502")))
    assert (without.cause, without.proposal) == ("tls-implicit-on-starttls-port", None)


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


def test_another_mail_port_that_answers_is_proposed() -> None:
    closed = unconnected(("192.0.2.1", "refused"))
    look = Look(LookKind.PORT_OPEN, 465)
    assert kinds(closed, SETTINGS) == {LookKind.PORT_OPEN}
    found = explained(closed, SETTINGS, Seen(look, tried=AddressTried(0, "192.0.2.1", 465, 0.1)))
    assert (found.cause, found.proposal) == ("connect-refused-no-listener", {"port": 465, "security": "tls"})


def test_missing_starttls_proposes_port_465_where_it_answers_tls() -> None:
    missing = stopped(Stage.STARTTLS, "starttls-not-offered", "the server does not offer STARTTLS")
    look = Look(LookKind.TLS_HELLO, 465)
    found = explained(missing, SETTINGS, Seen(look, tls=TlsEnded(0, version="TLS 1.3")))
    assert found.proposal == {"port": 465, "security": "tls"}
    assert explained(missing, SETTINGS, Seen(look, tls=TlsEnded(0, error="closed"))).proposal is None


def test_a_refusal_that_decides_by_itself_calls_for_no_look() -> None:
    assert kinds(refused(Stage.AUTHENTICATE, 535, "5.7.8 no"), WITH_LOGIN) == set()
    assert kinds(refused(Stage.RECIPIENT, 550, "5.1.1 no"), WITH_LOGIN) == set()
