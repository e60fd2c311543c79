"""Accept a message that came as octets: its header made to be sent, its body as it is, one delivery for each recipient.

The way is that of `accept`: refuse early, choose the server, freeze the octets, queue. Here nothing is composed, so
that all of it but the queue's commit is done at once, in the event loop.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache

from postroom.message import field as written
from postroom.message.raw_field import RawField, RawProblem, fields_of, is_headless
from postroom.message.raw_header import Marks, OwnFrom, RawHeader, controls_of, rewritten
from postroom.policy.retry import lifetime_of
from postroom.policy.rules import Traits
from postroom.smtp.server.envelope import ReceivedEnvelope
from postroom.store.blobs import Blobs
from postroom.store.content import BlobPart, FrozenContent
from postroom.store.ids import new_id
from postroom.store.models import ApiToken
from postroom.store.queue import NewMessage
from postroom.terms.address import AddressProblem, Mailbox, checked_name, parse_address
from postroom.terms.limits import SUBMISSION_HEADER_BYTES
from postroom.terms.problem import FieldError, Problem, too_large
from postroom.terms.server import FromPolicy, ServerSettings

from ..domains.dkim_signing import signature_of
from ..domains.recipient_domains import not_allowed
from ..messages.raw_controls import RawControls, of_field, raw_controls
from .current import Current
from .raw_test_mode import raw_in_test_mode
from .ready import time_errors
from .sending_server import Choice, ServerRefused, sending_server
from .test_mode import deciding, metadata_of

# Fields that differ between two tries of one message.
_OF_ONE_TRY = frozenset((b"date", b"message-id", b"received", b"idempotency-key"))


@dataclass(slots=True)
class Origin:
    """Whom a message came from, for its trace field (RFC 5321 section 4.4): the name that the client said, its address
    as a literal, our own name, and the protocol (RFC 3848)."""

    client_name: str
    client_address: str
    host_name: str
    protocol: str


@dataclass(slots=True)
class Arrival:
    """A message as it came. `octets` are all of it, or its header and the line after it where `body` is a file."""

    envelope: ReceivedEnvelope
    recipients: tuple[str, ...]
    client: ApiToken
    origin: Origin
    octets: bytes = field(repr=False)
    body: BlobPart | None = None
    is_body_ascii: bool = True


def header_size(octets: bytes) -> int:
    """How many octets at the beginning of a large content are the header and the empty line after it. Raises
    RawProblem."""
    if 0 <= octets.find(b"\r\n\r\n") <= SUBMISSION_HEADER_BYTES or octets.startswith(b"\r\n"):
        return fields_of(octets)[1]
    if is_headless(octets):
        return 0
    raise RawProblem("", f"The header is larger than {SUBMISSION_HEADER_BYTES} octets.")


def takes_long(arrival: Arrival, current: Current) -> bool:
    """Whether `raw_message` is work for a thread: signing takes a millisecond, and reads a large body."""
    return bool(current.keys) or arrival.body is not None


def raw_message(arrival: Arrival, current: Current, now: datetime, blobs: Blobs) -> NewMessage:
    """The message to queue. Raises RawProblem naming the field at fault, and Problem."""
    fields, body_at = fields_of(arrival.octets)
    controlled = controls_of(fields)
    controls = raw_controls(controlled)
    if errors := time_errors(controls.wishes, now) if controlled else []:
        raise of_field(errors[0], controlled)
    choice = _choice(arrival, fields, controls, controlled, current)
    _refuse_domains(arrival.recipients, current)
    id_ = new_id()
    settings = choice.sender.settings
    body, after = arrival.octets[body_at:], b""
    digest = _digest(arrival, controls, fields, body)
    mode = deciding((current.test_mode, choice.sender.test_mode), now)
    metadata = _notification_wishes(arrival.envelope) | metadata_of(mode, arrival.recipients)
    marks = b""
    if mode is not None:
        _refuse_domains((mode.address,), current)
        tested = raw_in_test_mode(fields, arrival.recipients, mode, id_, is_8bit=_is_8bit(arrival))
        arrival = replace(arrival, recipients=(mode.address,))
        fields, body, after, marks = tested.fields, tested.before + body, tested.after, tested.marks
    header = rewritten(fields, _marks(settings, arrival.origin, id_, now), arrival.envelope.is_smtputf8)
    header.octets += marks
    domain = header.from_address.rpartition("@")[2]
    signature = signature_of(header.octets, _body(arrival, body, after, blobs), domain, current.keys, now)
    frozen = b"".join((signature, header.octets, b"\r\n", body))
    content = FrozenContent((frozen, arrival.body, after) if arrival.body is not None else (frozen + after,))
    limit = settings.limits.size_bytes
    if limit is not None and content.size_bytes > limit:
        raise too_large(limit, f"message, for the server “{choice.sender.name}”,")
    return _new_message(id_, arrival, choice, header, controls, content, now, digest, metadata)


def _refuse_domains(recipients: tuple[str, ...], current: Current) -> None:
    if not current.domains.patterns:
        return
    domains = (path.rpartition("@")[2] for path in recipients)
    outside = next((domain for domain in domains if not current.domains.covers(domain)), None)
    if outside is not None:
        raise Problem(403, "domain-not-allowed", "Mail to this domain is not allowed", not_allowed(outside))


def _body(arrival: Arrival, body: bytes, after: bytes, blobs: Blobs) -> Iterator[bytes]:
    yield body
    if arrival.body is not None:
        yield from blobs.open(arrival.body.digest, arrival.body.size_bytes).chunks()
    if after:
        yield after


def _is_8bit(arrival: Arrival) -> bool:
    return not (arrival.is_body_ascii and arrival.octets.isascii())


def _choice(
    arrival: Arrival, fields: list[RawField], controls: RawControls, controlled: dict[str, RawField], current: Current
) -> Choice:
    def traits() -> Traits:
        sender = next((one.address for one in fields if one.name == b"from"), "")
        domains = frozenset(path.rpartition("@")[2] for path in arrival.recipients)
        wishes = controls.wishes
        return Traits(wishes.purpose, sender, domains, arrival.client.id, frozenset(wishes.tags))

    try:
        return sending_server(controls.wishes.server, current, traits)
    except ServerRefused as refusal:
        raise of_field(refusal.error, controlled) from None


def _new_message(
    id_: str, arrival: Arrival, choice: Choice, header: RawHeader, controls: RawControls, content: FrozenContent,
    now: datetime, digest: str, metadata: dict[str, str],
) -> NewMessage:
    envelope, wishes, settings = arrival.envelope, controls.wishes, choice.sender.settings
    is_clients = settings.from_policy is FromPolicy.CLIENT
    reverse_path = envelope.reverse_path if is_clients and envelope.is_answerable else header.from_address
    paths_need_utf8 = not (reverse_path.isascii() and all(map(str.isascii, arrival.recipients)))
    return NewMessage(
        id=id_,
        message_id=header.message_id,
        reverse_path=reverse_path,
        from_header=header.from_text[:500],
        recipients=arrival.recipients,
        content=content,
        created_at=now,
        expires_at=max(wishes.expires_at or (wishes.send_at or now) + lifetime_of(wishes.purpose), now),
        client_id=arrival.client.id,
        client_name=arrival.client.name[:100],
        server_id=choice.sender.id,
        pinned=choice.is_bound,
        subject=header.subject,
        purpose=wishes.purpose,
        priority=wishes.priority,
        needs_8bit=_is_8bit(arrival),
        needs_smtputf8=header.needs_smtputf8 or paths_need_utf8,
        tags=list(wishes.tags),
        metadata=metadata,
        send_at=wishes.send_at,
        idempotency_scope=arrival.client.id,
        idempotency_key=controls.key,
        request_digest=digest,
    )


def _notification_wishes(envelope: ReceivedEnvelope) -> dict[str, str]:
    """What RFC 3461 let the client say, kept to be seen: Postroom reports in its pages and API, not by mail."""
    if not (envelope.envid or envelope.ret or envelope.notify):
        return {}
    wishes = {"dsn_envid": envelope.envid, "dsn_ret": envelope.ret}
    asked = set(envelope.notify.values())
    wishes["dsn_notify"] = asked.pop() if len(asked) == 1 else "; ".join(f"{p} {n}" for p, n in envelope.notify.items())
    return {name: text[:1_000] for name, text in wishes.items() if text}


def _digest(arrival: Arrival, controls: RawControls, fields: list[RawField], body: bytes) -> str:
    """What makes two tries the same message: recipients, header but for what each try makes anew, body."""
    if controls.key is None:
        return ""
    digest = hashlib.sha256("\n".join(sorted(arrival.recipients)).encode() + b"\n\n")
    for one in fields:
        if one.name not in _OF_ONE_TRY:
            digest.update(one.octets)
    digest.update(b"\r\n" + (arrival.body.digest.encode() if arrival.body else body))
    return digest.hexdigest()


def _marks(settings: ServerSettings, origin: Origin, id_: str, now: datetime) -> Marks:
    own_from = _own_from(settings.from_name, settings.from_address)
    date = _date(int(now.timestamp()))
    received = (
        f"Received: from {origin.client_name} ({origin.client_address})\r\n"
        f"\tby {origin.host_name} with {origin.protocol} id {id_};\r\n\t{date}\r\n"
    )
    return Marks(
        received=received.encode(),
        date=date,
        message_id=f"<{id_.lower()}@{_id_domain(own_from.address)}>",
        own_from=own_from,
        replaces_from=settings.from_policy is FromPolicy.SERVER,
        subject_prefix=settings.subject_prefix.strip(),
    )


@lru_cache(64)
def _own_from(name: str, address: str) -> OwnFrom:
    try:
        mailbox = Mailbox(parse_address(address), checked_name(name))
    except AddressProblem as problem:
        text = f"The server's own From Address can't be used: {problem} An administrator corrects it."
        raise Problem(503, "from-address-unusable", "The server can't be used", text) from None
    return OwnFrom(written.addresses("From", [mailbox]).encode(), str(mailbox), str(mailbox.address))


@lru_cache(64)
def _id_domain(address: str) -> str:
    return address.rpartition("@")[2].strip("[]").removeprefix("IPv6:").replace(":", ".")


@lru_cache(4)
def _date(second: int) -> str:
    return format_datetime(datetime.fromtimestamp(second, UTC))


def refusal_reply(error: RawProblem | Problem) -> tuple[int, str, str]:
    """Code, enhanced status code and text of the reply to a message that can't be taken."""
    if isinstance(error, RawProblem):
        return 554, "5.6.0", str(error)
    code, enhanced = _REPLIES.get(error.slug, (554, "5.6.0") if error.status < 500 else (451, "4.3.0"))
    faults = "; ".join(_told(fault) for fault in error.errors)
    return code, enhanced, faults or error.detail


def _told(fault: FieldError) -> str:
    return f"{fault.field}: {fault.text}"


_REPLIES = {
    "too-large": (552, "5.3.4"), "idempotency-conflict": (554, "5.7.0"), "no-smtp-server": (451, "4.3.5"),
    "from-address-unusable": (451, "4.3.5"), "storage-full": (452, "4.3.1"), "queue-full": (452, "4.3.1"),
    "domain-not-allowed": (550, "5.7.1"),
}
