"""The server's side of SMTP without sockets: what a client says and what it hears, as a table."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.smtp.server.events import (
    AuthWanted,
    ContentBegins,
    ContentDropped,
    ContentEnds,
    ContentPart,
    Event,
    SessionEnds,
    TlsWanted,
)
from postroom.smtp.server.profile import Profile
from postroom.smtp.server.session import ServerSession

HELLO = b"EHLO client.example\r\n"
ENVELOPE = b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\n"
CONTENT = b"Subject: x\r\n\r\nbody\r\n"


@dataclass
class Owner:
    """Feeds a session and answers for it: every content is taken, "good" is the one password."""

    profile: Profile = field(default_factory=lambda: Profile("mx.example"))
    refused: dict[str, bytes] = field(default_factory=dict)
    takes_sign_in: bool = False
    needs_tls: bool = False
    may_encrypt: bool = False

    def __post_init__(self) -> None:
        self.session = ServerSession(
            self.profile, self, takes_sign_in=self.takes_sign_in, needs_tls=self.needs_tls,
            may_encrypt=self.may_encrypt,
        )
        self.messages: list[tuple[str, tuple[str, ...], bytes]] = []
        self.events: list[Event] = []
        self._parts: list[bytes] = []
        self.session.sent()

    def sender_refusal(self, reverse_path: str, size_bytes: int) -> bytes:
        del size_bytes
        return self.refused.get(reverse_path, b"")

    def recipient_refusal(self, forward_path: str) -> bytes:
        return self.refused.get(forward_path, b"")

    def feed(self, *pieces: bytes) -> str:
        """What is answered to the pieces, each received by itself."""
        said = b""
        for piece in pieces:
            events = self.session.receive(piece)
            while events:
                for event in events:
                    self._take(event)
                said += self.session.sent()
                events = [] if self.session.ended else self.session.receive(b"")
            said += self.session.sent()
        return said.decode()

    def _take(self, event: Event) -> None:
        self.events.append(event)
        match event:
            case ContentBegins(envelope):
                self._parts = []
                self._envelope = envelope
            case ContentPart(octets):
                self._parts.append(octets)
            case ContentDropped():
                self._parts = []
            case ContentEnds():
                paths = tuple(self._envelope.forward_paths)
                self.messages.append((self._envelope.reverse_path, paths, b"".join(self._parts)))
                self.session.answer(b"250 2.0.0 OK\r\n")
            case AuthWanted(_, "good"):
                self.session.signed_in()
            case AuthWanted():
                for more in self.session.sign_in_refused(b"535 5.7.8 No\r\n"):
                    self._take(more)
            case TlsWanted():
                self.session.encrypted()


def codes(said: str) -> str:
    """The code of each reply, continuation lines left out."""
    return " ".join(line[:3] for line in said.splitlines() if line[3:4] == " ")


DIALOGS: list[tuple[str, Sequence[bytes], str]] = [
    ("a message", [HELLO, ENVELOPE, b"DATA\r\n", CONTENT + b".\r\n", b"QUIT\r\n"], "250 250 250 354 250 221"),
    ("everything at once", [HELLO + ENVELOPE + b"DATA\r\n" + CONTENT + b".\r\nQUIT\r\n"], "250 250 250 354 250 221"),
    ("two at once", [HELLO, (ENVELOPE + b"DATA\r\n" + CONTENT + b".\r\n") * 2], "250 250 250 354 250 250 250 354 250"),
    ("without a hello", [ENVELOPE], "503 503"),
    ("recipient first", [HELLO, b"RCPT TO:<b@example.org>\r\n"], "250 503"),
    ("content without recipients", [HELLO, b"MAIL FROM:<>\r\nDATA\r\n"], "250 250 554"),
    ("content without anything", [HELLO, b"DATA\r\n"], "250 503"),
    ("a second sender", [HELLO, b"MAIL FROM:<>\r\n" * 2], "250 250 503"),
    ("reset", [HELLO, ENVELOPE, b"RSET\r\nDATA\r\n"], "250 250 250 250 503"),
    ("a second hello resets", [HELLO, ENVELOPE, HELLO, b"DATA\r\n"], "250 250 250 250 503"),
    ("lower case", [b"ehlo x\r\nmail from:<a@b.example>\r\nrcpt to:<c@d.example>\r\n"], "250 250 250"),
    ("old hello", [b"HELO x\r\n", ENVELOPE], "250 250 250"),
    ("hello without a name", [b"EHLO\r\n"], "501"),
    ("no command", [b"WIBBLE\r\n"], "500"),
    ("nothing", [b"\r\n"], "500"),
    ("noop, help, verify", [b"NOOP x\r\nHELP\r\nVRFY a\r\n"], "250 214 252"),
    ("no brackets", [HELLO, b"MAIL FROM:a@example.com\r\n"], "250 501"),
    ("a path that goes on", [HELLO, b"MAIL FROM:<a@example.com>x\r\n"], "250 501"),
    ("no address", [HELLO, b"MAIL FROM:<>\r\nRCPT TO:<b>\r\n"], "250 250 553"),
    ("no recipient", [HELLO, b"MAIL FROM:<>\r\nRCPT TO:<>\r\n"], "250 250 553"),
    ("UTF-8 without saying so", [HELLO, "MAIL FROM:<é@example.com>\r\n".encode()], "250 553"),
    ("UTF-8", [HELLO, "MAIL FROM:<é@example.com> SMTPUTF8\r\n".encode()], "250 250"),
    ("not UTF-8", [HELLO, b"MAIL FROM:<\xff@example.com> SMTPUTF8\r\n"], "250 501"),
    ("size and body", [HELLO, b"MAIL FROM:<a@example.com> SIZE=100 BODY=8BITMIME\r\n"], "250 250"),
    ("parameters of DSN", [HELLO, b"MAIL FROM:<a@b.example> RET=HDRS ENVID=Q+3D1\r\n"
     b"RCPT TO:<c@d.example> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;c@d.example\r\n"], "250 250 250"),
    ("wrong parameters of DSN", [HELLO, b"MAIL FROM:<> RET=ALL\r\nMAIL FROM:<>\r\n"
     b"RCPT TO:<c@d.example> NOTIFY=NEVER,DELAY\r\nRCPT TO:<c@d.example> ORCPT=x\r\n"], "250 501 250 501 501"),
    ("a parameter twice", [HELLO, b"MAIL FROM:<> SIZE=1 size=2\r\n"], "250 501"),
    ("no such parameter", [HELLO, b"MAIL FROM:<> BY=10\r\nMAIL FROM:<>\r\nRCPT TO:<c@d.example> X=1\r\n"],
     "250 555 250 555"),
    ("binary is not offered", [HELLO, b"MAIL FROM:<> BODY=BINARYMIME\r\n"], "250 501"),
    ("a control character", [HELLO, b"MAIL FROM:<a\0@example.com>\r\n", b"MAIL FROM:<a@example.com>\tSIZE=1\r\n"],
     "250 501 501"),
    ("data with an argument", [HELLO, ENVELOPE, b"DATA now\r\n"], "250 250 250 501"),
    ("chunks", [HELLO, ENVELOPE, b"BDAT 6\r\nbody\r\nBDAT 6 LAST\r\nmore\r\n"], "250 250 250 250 250"),
    ("an empty last chunk", [HELLO, ENVELOPE, b"BDAT 6\r\nbody\r\nBDAT 0 LAST\r\n"], "250 250 250 250 250"),
    ("a chunk without a transaction", [HELLO, b"BDAT 6 LAST\r\nbody\r\nNOOP\r\n"], "250 503 250"),
    ("a chunk without recipients", [HELLO, b"MAIL FROM:<>\r\nBDAT 6\r\nbody\r\nBDAT 6 LAST\r\nbody\r\nRSET\r\n"],
     "250 250 554 503 250"),
    ("data after a chunk", [HELLO, ENVELOPE, b"BDAT 6\r\nbody\r\nDATA\r\n"], "250 250 250 250 503"),
    ("a recipient after a chunk", [HELLO, ENVELOPE, b"BDAT 6\r\nbody\r\nRCPT TO:<c@d.example>\r\n"],
     "250 250 250 250 503"),
    ("a chunk without a size", [HELLO, ENVELOPE, b"BDAT LAST\r\nbody\r\n"], "250 250 250 501"),
    ("no sign-in offered", [HELLO, b"AUTH PLAIN\r\n"], "250 502"),
    ("no TLS offered", [HELLO, b"STARTTLS\r\n"], "250 502"),
]


@pytest.mark.parametrize(("pieces", "expected"), [d[1:] for d in DIALOGS], ids=[d[0] for d in DIALOGS])
def test_a_dialog_hears_these_codes_in_any_cuts(pieces: Sequence[bytes], expected: str) -> None:
    assert codes(Owner().feed(*pieces)) == expected
    octets = b"".join(pieces)
    assert codes(Owner().feed(*(octets[n : n + 1] for n in range(len(octets))))) == expected


def test_everything_that_was_piped_is_answered_in_one_write() -> None:
    owner = Owner()
    owner.session.receive(HELLO + ENVELOPE + b"DATA\r\n")
    assert codes(owner.session.sent().decode()) == "250 250 250 354"


# What has been published as SMTP smuggling: ends of data that some servers take and others do not.
_ENDS = [
    b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r.\r\n", b"\r\n.\n", b"\r\n.\r", b"\n.\r", b"\r.\n", b"\r\r\n.\r\r\n",
    b"\r\n.\r\r\n", b"\r\n\0.\r\n\n", b"\n\n.\r\n", b"\r\n.\n\r\n", b"\r\n\r.\r\n", b"\n.\r\r\n", b"\r\r.\r\r\n",
    b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\r\n.\r\0\n",
]
_SECOND = b"MAIL FROM:<admin@example.com>\r\nRCPT TO:<victim@example.org>\r\nDATA\r\nSubject: smuggled\r\n\r\n\r\n.\r\n"


@pytest.mark.parametrize("end", _ENDS)
@pytest.mark.parametrize("cut", ["whole", "octets", "at the end"])
def test_p1_no_smuggled_end_of_data_makes_two_messages_and_the_session_ends(end: bytes, cut: str) -> None:
    owner = Owner()
    owner.feed(HELLO + ENVELOPE + b"DATA\r\n")
    octets = CONTENT + b"first" + end + _SECOND
    pieces = {
        "whole": [octets],
        "octets": [octets[n : n + 1] for n in range(len(octets))],
        "at the end": [CONTENT + b"first" + end, _SECOND],
    }[cut]
    said = owner.feed(*pieces)
    assert owner.messages == []
    assert said.startswith(("550 5.6.11", "550 5.6.0 A NUL") if b"\0" in end else "550 5.6.11")
    assert isinstance(owner.events[-1], SessionEnds)


@pytest.mark.parametrize("line", [b"NOOP\n", b"NOOP\r", b"NO\nOP\r\n", b"NO\rOP\r\n", b"NOOP\n\r\n", b"\nNOOP\r\n"])
def test_p1_a_bare_cr_or_lf_in_a_command_ends_the_session(line: bytes) -> None:
    owner = Owner()
    said = owner.feed(HELLO) + owner.feed(line + ENVELOPE)
    assert codes(said) == "250 550"
    assert owner.session.ended


@pytest.mark.parametrize("octets", [b"a\nb\r\n", b"a\rb\r\n", b"body\r", b"body\n"])
def test_p1_chunks_take_no_bare_cr_or_lf_either(octets: bytes) -> None:
    owner = Owner()
    said = owner.feed(HELLO + ENVELOPE + b"BDAT %d LAST\r\n" % len(octets) + octets)
    assert (owner.messages, said[-100:].splitlines()[-1][:3]) == ([], "550")


@given(st.lists(st.sampled_from([b".", b"..", b"\r\n", b"x", b"\xff", b"longer words"])), st.integers(1, 9))
def test_content_arrives_as_it_was_meant_in_any_cuts(words: list[bytes], size: int) -> None:
    meant = b"".join(words)
    meant += b"" if meant.endswith(b"\r\n") or not meant else b"\r\n"
    stuffed = (b"\r\n" + meant).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n" + b"NOOP\r\n"
    for wire in (HELLO + ENVELOPE + b"DATA\r\n" + stuffed, HELLO + ENVELOPE + b"BDAT %d LAST\r\n" % len(meant) + meant):
        owner = Owner()
        owner.feed(*(wire[n : n + size] for n in range(0, len(wire), size)))
        assert owner.messages == [("a@example.com", ("b@example.org",), meant)]


@given(st.lists(st.one_of(
    st.binary(max_size=40), st.sampled_from([HELLO, ENVELOPE, b"DATA\r\n", b".\r\n", b"BDAT 3\r\n", b"AUTH PLAIN\r\n"])
)))
def test_b12_any_octets_are_answered_or_end_the_session(pieces: list[bytes]) -> None:
    owner = Owner(takes_sign_in=True, may_encrypt=True)
    said = owner.feed(*pieces)
    assert all(line[:3].isdigit() and len(line) <= 510 for line in said.splitlines())
    assert owner.session.held_bytes <= 12_288


SMALL = Profile(
    "mx.example", size_bytes=100, recipients=2, line_bytes=100, errors=3, overshoot=7, idle_commands=4, auth_tries=2
)
_RCPT = b"RCPT TO:<b@example.org>\r\n"
BOUNDS: list[tuple[str, bytes, str]] = [
    ("line", b"NOOP " + b"x" * 93 + b"\r\n", "250"),
    ("line + 1", b"NOOP " + b"x" * 94 + b"\r\n", "500"),
    ("errors", b"WIBBLE\r\n" * 2 + b"NOOP\r\n", "500 500 250"),
    ("errors + 1", b"WIBBLE\r\n" * 3 + b"NOOP\r\n", "500 500 500 421"),
    ("commands", b"NOOP\r\n" * 4, "250 250 250 250"),
    ("commands + 1", b"NOOP\r\n" * 5 + b"QUIT\r\n", "250 250 250 250 421"),
    ("recipients", HELLO + b"MAIL FROM:<>\r\n" + _RCPT * 2, "250 250 250 250"),
    ("recipients + 1", HELLO + b"MAIL FROM:<>\r\n" + _RCPT * 3, "250 250 250 250 452"),
    ("overshoot", HELLO + b"MAIL FROM:<>\r\n" + _RCPT * 9 + b"NOOP\r\n", "250 250 250 250" + " 452" * 7 + " 250"),
    ("overshoot + errors", HELLO + b"MAIL FROM:<>\r\n" + _RCPT * 12 + b"NOOP\r\n",
     "250 250 250 250" + " 452" * 10 + " 421"),
    ("declared size", HELLO + b"MAIL FROM:<> SIZE=100\r\n", "250 250"),
    ("declared size + 1", HELLO + b"MAIL FROM:<> SIZE=101\r\n", "250 552"),
    ("size", HELLO + ENVELOPE + b"DATA\r\n" + b"x" * 98 + b"\r\n.\r\n", "250 250 250 354 250"),
    ("size + 1", HELLO + ENVELOPE + b"DATA\r\n" + b"x" * 99 + b"\r\n.\r\nNOOP\r\n", "250 250 250 354 552 250"),
    ("twice the size", HELLO + ENVELOPE + b"DATA\r\n" + b"x" * 199 + b"\r\n.\r\nNOOP\r\n", "250 250 250 354 552"),
    ("chunk", HELLO + ENVELOPE + b"BDAT 100 LAST\r\n" + b"x" * 98 + b"\r\n", "250 250 250 250"),
    ("chunk + 1", HELLO + ENVELOPE + b"BDAT 101 LAST\r\n" + b"x" * 99 + b"\r\nRSET\r\n", "250 250 250 552 250"),
    ("chunks beyond the size are read and forgotten", HELLO + ENVELOPE + (b"BDAT 90\r\n" + b"x" * 90) * 3 + b"NOOP\r\n",
     "250 250 250 250 552 503 250"),
    ("twice the chunk", HELLO + ENVELOPE + b"BDAT 201 LAST\r\nNOOP\r\n", "250 250 250 552"),
    ("AUTH tries", HELLO + b"AUTH PLAIN AGEAYg==\r\nNOOP\r\n", "250 535 250"),
    ("AUTH tries + 1", HELLO + b"AUTH PLAIN AGEAYg==\r\n" * 2 + b"NOOP\r\n", "250 535 535 421"),
]


@pytest.mark.parametrize(("octets", "expected"), [b[1:] for b in BOUNDS], ids=[b[0] for b in BOUNDS])
def test_b3_a_limit_is_reached_and_not_passed(octets: bytes, expected: str) -> None:
    assert codes(Owner(SMALL, takes_sign_in=True).feed(octets)) == expected


def test_b3_a_line_without_end_is_not_waited_for() -> None:
    owner = Owner(SMALL)
    assert codes(owner.feed(*[b"x"] * 200)) == "500"
    assert owner.session.ended


@pytest.mark.parametrize("verb", ["GET", "POST", "CONNECT", "OPTIONS"])
def test_p7_http_ends_the_session_before_its_header_is_read(verb: str) -> None:
    owner = Owner()
    said = owner.feed(f"{verb} / HTTP/1.1\r\nHost: mx.example\r\n\r\n".encode() + HELLO + ENVELOPE)
    assert said == "554 5.5.1 This is SMTP, not HTTP\r\n"
    assert owner.session.ended


def test_p4_what_follows_starttls_in_the_same_breath_ends_the_session() -> None:
    for injected in (b"MAIL FROM:<a@example.com>\r\n", b"MAI", b"\r\n"):
        owner = Owner(may_encrypt=True)
        said = owner.feed(HELLO + b"STARTTLS\r\n" + injected)
        assert codes(said) == "250 554"
        assert not any(isinstance(event, TlsWanted) for event in owner.events)


def test_p4_after_tls_nothing_from_before_it_counts() -> None:
    owner = Owner(may_encrypt=True, takes_sign_in=True, needs_tls=True)
    assert "AUTH" not in owner.feed(HELLO)
    owner.feed(b"STARTTLS\r\n")
    assert codes(owner.feed(ENVELOPE, b"AUTH PLAIN\r\n")) == "503 503 503"
    said = owner.feed(HELLO)
    assert "250-AUTH PLAIN LOGIN" in said
    assert "STARTTLS" not in said
    assert codes(owner.feed(b"STARTTLS\r\n")) == "503"


def test_p4_whoever_signed_in_before_tls_signs_in_within_it() -> None:
    owner = Owner(may_encrypt=True, takes_sign_in=True)
    owner.feed(HELLO, b"AUTH PLAIN " + _base64("\0app\0good") + b"\r\n")
    assert codes(owner.feed(b"STARTTLS\r\n")) == "503"


@pytest.mark.parametrize("commands", [b"DATA\r\nbo\0dy\r\n.\r\n", b"BDAT 7 LAST\r\nbo\0dy\r\n"])
def test_a_nul_octet_that_others_would_drop_ends_the_session(commands: bytes) -> None:
    owner = Owner()
    assert "550 5.6.0 A NUL octet" in owner.feed(HELLO + ENVELOPE, commands)
    assert (owner.messages, owner.session.ended) == ([], True)


def _base64(text: str) -> bytes:
    return base64.b64encode(text.encode())


SIGN_INS: list[tuple[str, list[bytes], str]] = [
    ("PLAIN at once", [b"AUTH PLAIN " + _base64("\0app\0good") + b"\r\n"], "235"),
    ("PLAIN asked for", [b"AUTH PLAIN\r\n", _base64("\0app\0good") + b"\r\n"], "334 235"),
    ("PLAIN for another", [b"AUTH PLAIN " + _base64("who\0app\0good") + b"\r\n"], "235"),
    ("PLAIN wrong", [b"AUTH PLAIN " + _base64("\0app\0bad") + b"\r\n"], "535"),
    ("PLAIN of two parts", [b"AUTH PLAIN " + _base64("app\0good") + b"\r\n"], "501"),
    ("LOGIN", [b"AUTH LOGIN\r\n", _base64("app") + b"\r\n", _base64("good") + b"\r\n"], "334 334 235"),
    ("LOGIN with its name", [b"AUTH LOGIN " + _base64("app") + b"\r\n", _base64("good") + b"\r\n"], "334 235"),
    ("LOGIN without a name", [b"AUTH LOGIN =\r\n", _base64("good") + b"\r\n"], "334 235"),
    ("cancelled", [b"AUTH LOGIN\r\n*\r\nNOOP\r\n"], "334 501 250"),
    ("no base64", [b"AUTH PLAIN\r\n", b"%%%\r\n", b"NOOP\r\n"], "334 501 250"),
    ("not UTF-8", [b"AUTH PLAIN " + base64.b64encode(b"\0a\0\xff") + b"\r\n"], "501"),
    ("no such mechanism", [b"AUTH CRAM-MD5\r\n"], "504"),
    ("twice", [b"AUTH PLAIN " + _base64("\0app\0good") + b"\r\nAUTH PLAIN\r\n"], "235 503"),
    ("in a transaction", [b"MAIL FROM:<>\r\nAUTH PLAIN\r\n"], "250 503"),
]


@pytest.mark.parametrize(("pieces", "expected"), [s[1:] for s in SIGN_INS], ids=[s[0] for s in SIGN_INS])
def test_a_client_signs_in_by_plain_or_login(pieces: list[bytes], expected: str) -> None:
    owner = Owner(takes_sign_in=True)
    owner.feed(HELLO)
    assert codes(owner.feed(*pieces)) == expected
    assert owner.session.is_signed_in == ("235" in expected)


def test_no_password_is_taken_before_tls_where_that_is_needed() -> None:
    owner = Owner(takes_sign_in=True, needs_tls=True, may_encrypt=True)
    owner.feed(HELLO)
    assert codes(owner.feed(b"AUTH PLAIN " + _base64("\0app\0good") + b"\r\n")) == "538"
    assert owner.events == []


def test_commands_wait_while_the_answer_to_a_content_is_due() -> None:
    owner = Owner()
    session = owner.session
    owner.feed(HELLO + ENVELOPE + b"DATA\r\n")
    events = session.receive(CONTENT + b".\r\n" + b"NOOP\r\n")
    assert isinstance(events[-1], ContentEnds)
    assert (session.sent(), session.held_bytes) == (b"", 6)
    session.answer(b"250 2.0.0 Taken\r\n")
    session.receive(b"")
    assert session.sent() == b"250 2.0.0 Taken\r\n250 2.0.0 OK\r\n"


def test_a_refused_sender_or_recipient_hears_the_owners_words() -> None:
    owner = Owner(refused={"no@example.com": b"550 5.7.1 Not you\r\n", "no@example.org": b"550 5.1.1 Nobody\r\n"})
    owner.feed(HELLO)
    said = owner.feed(b"MAIL FROM:<no@example.com>\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<no@example.org>\r\n")
    assert said.splitlines()[-3:] == ["550 5.7.1 Not you", "250 2.1.0 OK", "550 5.1.1 Nobody"]


def test_b3_of_a_refused_recipient_nothing_is_kept_and_whoever_asks_for_ever_is_not_listened_to() -> None:
    full = b"452 4.5.3 Too many\r\n"
    owner = Owner(SMALL, refused={f"b@d{n}.example": full for n in range(1, 99)})
    owner.feed(HELLO, b"MAIL FROM:<>\r\n")
    told = owner.feed(*(b"RCPT TO:<b@d%d.example> NOTIFY=NEVER ORCPT=rfc822;a\r\n" % n for n in range(8)))
    assert codes(told) == "250" + " 452" * 7
    envelope = owner.session.envelope
    assert envelope is not None
    assert list(envelope.notify) == list(envelope.orcpt) == envelope.forward_paths == ["b@d0.example"]
    assert codes(owner.feed(*(b"RCPT TO:<b@d%d.example>\r\n" % n for n in range(8, 99)))) == "452 452 452 421"


def test_what_the_extensions_said_of_an_envelope_is_kept() -> None:
    owner = Owner()
    owner.feed(HELLO, "MAIL FROM:<é@example.com> SMTPUTF8 BODY=8BITMIME SIZE=99 RET=FULL ENVID=x\r\n".encode())
    owner.feed(b"RCPT TO:<b@EXAMPLE.org> NOTIFY=NEVER ORCPT=rfc822;other@example.org\r\n")
    envelope = owner.session.envelope
    assert envelope is not None
    assert (envelope.reverse_path, envelope.forward_paths) == ("é@example.com", ["b@example.org"])
    assert (envelope.is_smtputf8, envelope.is_8bit, envelope.size_bytes) == (True, True, 99)
    assert (envelope.ret, envelope.envid) == ("FULL", "x")
    assert envelope.notify == {"b@example.org": "NEVER"}
    assert envelope.orcpt == {"b@example.org": "rfc822;other@example.org"}
