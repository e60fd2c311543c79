"""Postfix, Exim and OpenSMTPD take what Postroom's one way out sends, in every way they offer, byte for byte (P12)."""

import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from tests.rig.dovecot import MECHANISMS
from tests.rig.mail_rig import WAYS, MailRig, without_trace_fields
from tests.rig.opensmtpd import BROKEN_STARTTLS

from postroom.message.compose import compose
from postroom.message.draft import Attachment, Draft
from postroom.net.session import Deadlines, Recorder, Session, SessionFailed, open_session
from postroom.smtp.transcript import transcript
from postroom.terms.address import Mailbox, parse_address
from postroom.terms.envelope import Envelope, RecipientResult
from postroom.terms.outcome import Outcome, Stage
from postroom.terms.server import Auth, Security, ServerSettings

pytestmark = pytest.mark.interop
EVERY_WAY = pytest.mark.parametrize(("server", "security", "with_auth"), WAYS)
SIGN_IN = pytest.mark.parametrize(("server", "security"), [(s, m) for s, m, with_auth in WAYS if with_auth])
Rigs = Callable[[str], MailRig]


@dataclass(frozen=True)
class Octets:
    """Content that lies in memory."""

    octets: bytes = field(repr=False)

    @property
    def size_bytes(self) -> int:
        return len(self.octets)

    def chunks(self) -> Iterator[bytes]:
        for start in range(0, len(self.octets), 65_536):
            yield self.octets[start : start + 65_536]


def settings_for(rig: MailRig, security: str, with_auth: bool) -> ServerSettings:
    return ServerSettings(
        host=rig.host, port=rig.ports[security, with_auth], security=Security(security),
        auth=Auth.PASSWORD if with_auth else Auth.NONE, username=rig.username if with_auth else "",
        ca_pem=rig.ca_file.read_text(),
    )


async def opened(rig: MailRig, security: str, with_auth: bool, recorder: Recorder | None = None) -> Session:
    return await open_session(
        settings_for(rig, security, with_auth), rig.password if with_auth else None, recorder or Recorder(),
        Deadlines.for_test(), default_ehlo_name="client.example", allowed=lambda _: True,
    )


async def sent(session: Session, content: bytes, *recipients: str, smtputf8: bool = False) -> list[RecipientResult]:
    envelope = Envelope(
        "reports@rig.example", recipients, len(content), needs_8bit=not content.isascii(), needs_smtputf8=smtputf8
    )
    return await session.transact(envelope, Octets(content))


def content_of(word: str, body: str = "body") -> bytes:
    """A whole message, to which no server has anything to add."""
    return (
        f"Date: Sun, 22 Nov 2026 12:00:00 +0000\r\nFrom: reports@rig.example\r\nMessage-ID: <{word}@rig.example>\r\n"
        f"Subject: {word}\r\n\r\n{body}\r\n"
    ).encode()


async def sent_alone(rig: MailRig, content: bytes, *recipients: str) -> None:
    session = await opened(rig, *rig.strictest)
    results = await sent(session, content, *recipients)
    await session.close()
    assert {result.outcome for result in results} == {Outcome.SENT}
    assert tuple(result.recipient for result in results) == recipients


def mark() -> str:
    return secrets.token_hex(8)


def kept(content: bytes) -> bytes:
    """The content as servers store it in a file."""
    return content.replace(b"\r\n", b"\n")


@EVERY_WAY
async def test_a_composed_message_arrives_byte_for_byte_in_every_way(
    rigs: Rigs, server: str, security: str, with_auth: bool
) -> None:
    rig, subject = rigs(server), mark()
    composed = compose(
        Draft(
            from_header=Mailbox(parse_address("reports@rig.example"), "Reports Zoë"),
            to=(Mailbox(parse_address("someone@elsewhere.example")),),
            bcc=(Mailbox(parse_address("hidden@elsewhere.example")),),
            subject=f"Zahlen für {subject} 数字",
            html="<p>Figures — déjà vu</p>",
            headers=(("X-Mark", subject),),
            attachments=(Attachment("naïve.bin", secrets.token_bytes(5_000)),),
        ),
        message_id=f"<{subject}@rig.example>", date=datetime.now(UTC), boundary_seed=subject,
    )
    session = await opened(rig, security, with_auth)
    results = await sent(session, composed.content, *composed.recipients)
    await session.close()
    assert [result.outcome for result in results] == [Outcome.SENT, Outcome.SENT]
    for message in rig.arrived(subject.encode(), count=2):
        assert without_trace_fields(message) == kept(composed.content)
        assert b"hidden@" not in without_trace_fields(message)


async def test_octets_above_127_dots_and_long_lines_arrive_unchanged(every_rig: MailRig) -> None:
    word = mark()
    content = (
        f"Date: Sun, 22 Nov 2026 12:00:00 +0000\r\nFrom: reports@rig.example\r\nMessage-ID: <{word}@rig.example>\r\n"
        f"Subject: {word}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        f".\r\n..\r\n.dot\r\nnaïve 数字 \u2028\r\n\r\n{'x' * 998}\r\nFrom here on\r\n \r\n."
    ).encode() + b"\xff\xfe\r\n.\r\n"
    await sent_alone(every_rig, content, "someone@elsewhere.example")
    [message] = every_rig.arrived(word.encode())
    assert without_trace_fields(message) == kept(content)


async def test_ten_megabytes_arrive_unchanged(every_rig: MailRig) -> None:
    word = mark()
    lines = b"".join(b"%076d\r\n" % number for number in range(10_000_000 // 78))
    content = content_of(word) + lines
    await sent_alone(every_rig, content, "someone@elsewhere.example")
    [message] = every_rig.arrived(word.encode(), within_s=60)
    assert without_trace_fields(message) == kept(content)


async def test_a_hundred_recipients_in_one_transaction_all_get_it(every_rig: MailRig) -> None:
    word = mark()
    recipients = [f"r{number}@elsewhere.example" for number in range(100)]
    await sent_alone(every_rig, content_of(word), *recipients)
    messages = every_rig.arrived(word.encode(), count=100, within_s=60)
    field = re.compile(rb"^(?:Delivered-To|Envelope-to): (\S+)$", re.MULTILINE)
    delivered_to = [field.findall(message) for message in messages]
    assert {recipient.decode() for [recipient] in delivered_to} == set(recipients)


@pytest.mark.parametrize("server", ["postfix", "exim"])
async def test_an_address_outside_of_ascii_goes_with_smtputf8(rigs: Rigs, server: str) -> None:
    rig, word = rigs(server), mark()
    content = f"Subject: {word}\r\nTo: zoë@elsewhere.example\r\n\r\nbody\r\n".encode()
    session = await opened(rig, *rig.strictest)
    [result] = await sent(session, content, "zoë@elsewhere.example", smtputf8=True)
    await session.close()
    assert result.outcome is Outcome.SENT
    [message] = rig.arrived(word.encode())
    assert "zoë@elsewhere.example".encode() in message


async def test_an_address_outside_of_ascii_is_not_sent_to_a_server_without_smtputf8(rigs: Rigs) -> None:
    rig = rigs("opensmtpd")
    session = await opened(rig, *rig.strictest)
    [result] = await sent(session, content_of(mark()), "zoë@elsewhere.example", smtputf8=True)
    assert (result.outcome, result.stage, result.reply) == (Outcome.FAILED, Stage.SENDER, None)
    [result] = await sent(session, content_of(mark()), "someone@elsewhere.example")
    await session.close()
    assert result.outcome is Outcome.SENT


async def test_a_server_that_breaks_off_every_handshake_gets_nothing_in_clear(rigs: Rigs) -> None:
    recorder = Recorder()
    with pytest.raises(SessionFailed) as failed:
        await opened(rigs("opensmtpd"), *BROKEN_STARTTLS, recorder)
    assert failed.value.stage is Stage.STARTTLS
    assert not any("MAIL" in line for line in transcript(recorder.trace.events))


async def test_one_session_carries_message_after_message(every_rig: MailRig) -> None:
    words = [mark() for _ in range(5)]
    session = await opened(every_rig, *every_rig.strictest)
    for word in words:
        [result] = await sent(session, content_of(word), "someone@elsewhere.example")
        assert result.outcome is Outcome.SENT
        assert session.is_usable
    await session.close()
    for word in words:
        assert len(every_rig.arrived(word.encode())) == 1


@SIGN_IN
async def test_every_mechanism_that_the_server_offers_is_understood(rigs: Rigs, server: str, security: str) -> None:
    recorder = Recorder()
    session = await opened(rigs(server), security, True, recorder)
    await session.close()
    assert session.mechanism is not None
    assert session.mechanism.lower() in MECHANISMS.split()


@SIGN_IN
async def test_a_wrong_password_ends_at_authenticate_and_shows_in_no_transcript(
    rigs: Rigs, server: str, security: str
) -> None:
    recorder = Recorder()
    with pytest.raises(SessionFailed) as failed:
        await open_session(
            settings_for(rigs(server), security, True), "wrong canary password", recorder, Deadlines.for_test(),
            default_ehlo_name="client.example", allowed=lambda _: True,
        )
    assert failed.value.stage is Stage.AUTHENTICATE
    assert failed.value.reply is not None
    assert failed.value.reply.code == 535
    assert "canary" not in "\n".join(transcript(recorder.trace.events))


async def test_mail_without_auth_is_refused_where_auth_is_needed(mail_rig: MailRig) -> None:
    settings = settings_for(mail_rig, "none", False).changed(port=mail_rig.ports["none", True])
    session = await open_session(
        settings, None, Recorder(), Deadlines.for_test(), default_ehlo_name="client.example", allowed=lambda _: True
    )
    [result] = await sent(session, b"Subject: no\r\n\r\n", "someone@elsewhere.example")
    await session.close()
    assert (result.outcome, result.stage) == (Outcome.FAILED, Stage.RECIPIENT)
    assert result.reply is not None
    assert result.reply.code == 554
