"""Accepting a message that came as octets: one delivery for each recipient, by the rules of every other door."""

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from postroom.flow.acceptance.accept_raw import Arrival, Origin, header_size, raw_message, refusal_reply, takes_long
from postroom.flow.acceptance.current import Current, Sender
from postroom.message.dkim import SigningKey
from postroom.message.raw_field import RawProblem
from postroom.policy.recipient_domains import AllowedDomains
from postroom.policy.route import Candidate
from postroom.policy.rules import Rule
from postroom.smtp.server.envelope import ReceivedEnvelope
from postroom.store.blobs import Blobs
from postroom.store.content import BlobPart
from postroom.store.models import ApiToken
from postroom.store.queue import NewMessage
from postroom.terms.limits import SUBMISSION_HEADER_BYTES
from postroom.terms.problem import FieldError, Problem, invalid_fields
from postroom.terms.server import FromPolicy, Limits, ServerSettings

NOW = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
RELAY = ServerSettings(name="Relay", from_name="Reports", from_address="reports@company.example", host="mx.example")
ORIGIN = Origin("app.example", "[192.0.2.1]", "postroom.example", "ESMTPSA")
MAIL = b"From: App <app@host.example>\r\nTo: ann@example.org\r\nSubject: Sales\r\n\r\nUp by 3 %\r\n"


def current(*settings: ServerSettings, **values: Any) -> Current:
    senders = tuple(
        Sender(s.name, s.name, s, Candidate(s.name, n == 0, False, n, True), True, True)
        for n, s in enumerate(settings or (RELAY,))
    )
    return Current(senders, standard=next(iter(senders), None), **values)


def arrived(octets: bytes = MAIL, reverse_path: str = "app@host.example", **values: Any) -> Arrival:
    envelope = values.pop("envelope", None) or ReceivedEnvelope(reverse_path)
    recipients = values.pop("recipients", ("ann@example.org",))
    return Arrival(envelope, recipients, ApiToken(id="CLIENT", name="Report server"), ORIGIN, octets, **values)


def queued(arrival: Arrival, state: Current | None = None, folder: Path = Path("unused")) -> NewMessage:
    return raw_message(arrival, state or current(), NOW, Blobs(folder))


def octets_of(new: NewMessage) -> bytes:
    return new.content.inline_octets


def test_everybody_in_the_envelope_gets_a_delivery_whatever_the_header_says() -> None:
    new = queued(arrived(recipients=("ann@example.org", "bob@example.org")))
    assert new.recipients == ("ann@example.org", "bob@example.org")
    assert (new.client_id, new.client_name, new.subject) == ("CLIENT", "Report server", "Sales")
    assert (new.reverse_path, new.from_header) == ("reports@company.example", "Reports <reports@company.example>")


def test_the_trace_field_says_who_brought_it_and_the_body_stays_octet_for_octet() -> None:
    new = queued(arrived())
    octets = octets_of(new)
    assert octets.startswith(
        f"Received: from app.example ([192.0.2.1])\r\n\tby postroom.example with ESMTPSA id {new.id};\r\n".encode()
    )
    assert octets.endswith(b"\r\n\r\nUp by 3 %\r\n")


def test_by_the_policy_client_from_and_reverse_path_are_the_clients() -> None:
    state = current(RELAY.changed(from_policy=FromPolicy.CLIENT))
    assert queued(arrived(reverse_path="bounces@host.example"), state).reverse_path == "bounces@host.example"
    assert queued(arrived(reverse_path=""), state).reverse_path == ""
    cron = ReceivedEnvelope("", is_answerable=False)
    assert queued(arrived(envelope=cron), state).reverse_path == "app@host.example"


def test_wishes_in_the_header_are_those_of_the_api() -> None:
    octets = (
        b"X-Postroom-Purpose: Alert\r\nX-Postroom-Priority: 5\r\nX-Postroom-Tags: a, b\r\nX-Postroom-Server: Other\r\n"
        b"X-Postroom-Send-At: 2026-11-23T08:00:00Z\r\nX-Postroom-Expires-At: 2026-11-24T08:00:00Z\r\n" + MAIL
    )
    new = queued(arrived(octets), current(RELAY, RELAY.changed(name="Other")))
    assert (new.purpose, new.priority, new.tags, new.server_id, new.pinned) == ("alert", 5, ["a", "b"], "Other", True)
    assert new.send_at == datetime(2026, 11, 23, 8, tzinfo=UTC)
    assert new.expires_at == datetime(2026, 11, 24, 8, tzinfo=UTC)
    assert b"X-Postroom" not in octets_of(new)


@pytest.mark.parametrize(("line", "field"), [
    (b"X-Postroom-Purpose: spam", "X-Postroom-Purpose"), (b"X-Postroom-Priority: high", "X-Postroom-Priority"),
    (b"X-Postroom-Priority: 11", "X-Postroom-Priority"), (b"X-Postroom-Server: none", "X-Postroom-Server"),
    (b"X-Postroom-Priority: +-5", "X-Postroom-Priority"),
    (b"Idempotency-Key: =?utf-8?q?a=00b?=", "Idempotency-Key"),
    (b"X-Postroom-Send-At: tomorrow", "X-Postroom-Send-At"), (b"X-Postroom-Wish: x", "X-Postroom-Wish"),
    (b"X-Postroom-Expires-At: 2020-01-01T00:00:00Z", "X-Postroom-Expires-At"), (b"Idempotency-Key:", "Idempotency-Key"),
    (b"X-Postroom-Tags: " + b"x" * 101, "X-Postroom-Tags"),
])
def test_a_wish_that_can_not_be_had_is_refused_by_its_field(line: bytes, field: str) -> None:
    with pytest.raises(RawProblem) as refused:
        queued(arrived(line + b"\r\n" + MAIL))
    assert refused.value.field == field
    code, enhanced, text = refusal_reply(refused.value)
    assert (code, enhanced, text.partition(":")[0]) == (554, "5.6.0", field)


def test_rules_choose_the_server() -> None:
    rule = Rule("R", "Other", recipient_domains=("example.org",), only=True)
    new = queued(arrived(), current(RELAY, RELAY.changed(name="Other"), rules=(rule,)))
    assert (new.server_id, new.pinned) == ("Other", True)


def test_u4_two_tries_of_one_message_have_one_digest() -> None:
    def digest(mail: bytes, *recipients: str) -> str:
        arrival = arrived(b"Idempotency-Key: k\r\n" + mail, recipients=recipients or ("a@b.example",))
        return queued(arrival).request_digest

    first = digest(MAIL)
    assert digest(b"Date: Sat, 21 Nov 2026 08:00:00 +0100\r\nMessage-ID: <2@host.example>\r\n" + MAIL) == first
    others = {digest(MAIL + b"x\r\n"), digest(b"X: y\r\n" + MAIL), digest(MAIL, "c@d.example")}
    assert len(others | {first}) == 4
    assert (queued(arrived()).idempotency_key, queued(arrived()).request_digest) == (None, "")


def test_a_large_body_is_a_file_and_only_the_header_is_inline(tmp_path: Path) -> None:
    header, body = MAIL.split(b"\r\n\r\n")
    file = BlobPart(hashlib.sha256(body).hexdigest(), len(body))
    arrival = arrived(header + b"\r\n\r\n", body=file, is_body_ascii=False)
    new = queued(arrival, folder=tmp_path)
    assert new.content.parts[1] == file
    assert octets_of(new).endswith(b"\r\n\r\n")
    assert body not in octets_of(new)
    assert new.needs_8bit
    assert takes_long(arrival, current())


@pytest.mark.parametrize(("octets", "size"), [
    (MAIL, MAIL.index(b"\r\n\r\n") + 4), (b"\r\nbody", 2), (b"no header at all\r\n", 0),
])
def test_what_stays_in_memory_of_a_large_message_is_its_header(octets: bytes, size: int) -> None:
    assert header_size(octets) == size


def test_a_header_without_end_is_refused() -> None:
    with pytest.raises(RawProblem, match="header is larger"):
        header_size(b"X: y\r\n" * (SUBMISSION_HEADER_BYTES // 6 + 1))


def test_it_is_signed_for_the_domain_in_from_over_header_and_body(tmp_path: Path) -> None:
    key = SigningKey("company.example", "s1", Ed25519PrivateKey.generate())
    signed = current(keys={"company.example": (key,)})
    assert octets_of(queued(arrived(), signed)).startswith(b"DKIM-Signature:")
    assert takes_long(arrived(), signed)
    blob = Blobs(tmp_path).put([b"Up by 3 %\r\n"])
    apart = arrived(MAIL[: header_size(MAIL)], body=BlobPart(blob.digest, blob.size_bytes))

    def body_hash(new: NewMessage) -> bytes:
        return octets_of(new).partition(b"bh=")[2].partition(b";")[0]

    assert body_hash(queued(apart, signed, tmp_path)) == body_hash(queued(arrived(), signed))


def test_what_a_message_needs_on_the_way_is_known() -> None:
    assert not queued(arrived()).needs_8bit
    assert queued(arrived(MAIL + "é\r\n".encode())).needs_8bit
    utf8 = ReceivedEnvelope("", is_smtputf8=True)
    assert not queued(arrived(envelope=utf8)).needs_smtputf8
    assert queued(arrived(envelope=utf8, recipients=("é@example.org",))).needs_smtputf8
    assert queued(arrived("Subject: é\r\n\r\n".encode(), envelope=utf8)).needs_smtputf8


def test_what_rfc_3461_let_the_client_say_is_kept_with_the_message() -> None:
    envelope = ReceivedEnvelope("", ret="HDRS", envid="Q1", notify={"ann@example.org": "NEVER"})
    assert queued(arrived(envelope=envelope)).metadata == {
        "dsn_envid": "Q1", "dsn_ret": "HDRS", "dsn_notify": "NEVER"
    }
    assert queued(arrived()).metadata == {}


def test_a_message_beyond_the_servers_own_size_is_refused() -> None:
    with pytest.raises(Problem) as refused:
        queued(arrived(), current(RELAY.changed(limits=Limits(size_bytes=100))))
    assert refusal_reply(refused.value)[:2] == (552, "5.3.4")


def test_a_server_whose_own_address_is_broken_takes_nothing_for_now() -> None:
    with pytest.raises(Problem) as refused:
        queued(arrived(), current(RELAY.changed(from_address="reports")))
    assert refusal_reply(refused.value)[:2] == (451, "4.3.5")


@pytest.mark.parametrize(("problem", "expected"), [
    (Problem(503, "no-smtp-server", "t", "d"), (451, "4.3.5", "d")),
    (Problem(507, "storage-full", "t", "d"), (452, "4.3.1", "d")),
    (Problem(429, "queue-full", "t", "d"), (452, "4.3.1", "d")),
    (Problem(503, "storage-busy", "t", "d"), (451, "4.3.0", "d")),
    (Problem(409, "idempotency-conflict", "t", "d"), (554, "5.7.0", "d")),
    (invalid_fields([FieldError("to", "x", "Wrong.")]), (554, "5.6.0", "to: Wrong.")),
])
def test_each_refusal_has_its_reply(problem: Problem, expected: tuple[int, str, str]) -> None:
    assert refusal_reply(problem) == expected


def test_it_expires_by_its_purpose() -> None:
    assert queued(arrived()).expires_at == NOW + timedelta(days=2)
    assert queued(arrived(b"X-Postroom-Purpose: alert\r\n" + MAIL)).expires_at == NOW + timedelta(days=1)


def test_an_envelope_with_a_domain_that_is_not_allowed_is_refused_for_good_by_policy() -> None:
    state = current(domains=AllowedDomains(("example.org",)))
    assert queued(arrived(), state).recipients == ("ann@example.org",)
    with pytest.raises(Problem) as refused:
        queued(arrived(recipients=("ann@example.org", "bob@Other.example")), state)
    code, enhanced, text = refusal_reply(refused.value)
    assert (code, enhanced) == (550, "5.7.1")
    assert "Other.example is not allowed" in text
