"""Explain route: gather how everything stands now, and have policy tell what would happen to a message."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from postroom.policy.explain_route import Prospect, Route, RouteServer, explained
from postroom.policy.failover import Standing
from postroom.policy.rules import Rule, Traits, Verdict, verdicts
from postroom.store.models import Delivery, LaneState, Message, SmtpServer, Suppression
from postroom.store.waiting import waiting_for
from postroom.terms.address import canonical, parse_mailbox, parse_mailboxes
from postroom.terms.outcome import WAITING_STATES, DeliveryState
from postroom.terms.problem import Problem

from ..messages.traits import traits_again
from .current import read_current
from .sending_server import sending_server

# More that is due before is not counted: the answer says so many.
AHEAD = 10_000


@dataclass(frozen=True, slots=True)
class Question:
    """A message that nobody has handed in yet. `traits` as the rules see it; `server` is the one its client names."""

    traits: Traits
    recipients: tuple[str, ...] = ()
    server: str | None = None
    send_at: datetime | None = None
    expires_at: datetime | None = None
    size_bytes: int = 0


def question_of(
    to: Sequence[str], sender: str, purpose: str, client: str, tags: Collection[str], **more: Any
) -> Question:
    """A question in the words of a form; `more` are further fields of it. Raises AddressProblem."""
    mailboxes = [mailbox for text in to for mailbox in parse_mailboxes(text)]
    given = str(parse_mailbox(sender).address) if sender else ""
    domains = frozenset(mailbox.address.domain for mailbox in mailboxes)
    traits = Traits(purpose, given, domains, client, frozenset(tags))
    return Question(traits, tuple(str(mailbox.address) for mailbox in mailboxes), **more)


def route_of_question(question: Question) -> Route:
    """What would happen to such a message if it were handed in now. Raises ServerRefused."""
    now, current, servers = timezone.now(), read_current(), route_servers()
    try:
        choice = sending_server(question.server, current, lambda: question.traits)
    except Problem:
        choice = None
    usable = {sender.id for sender in current.senders if sender.candidate.takes_deliveries}
    return explained(Prospect(
        now=now,
        purpose=question.traits.purpose,
        server=next((s for s in servers if choice is not None and s.standing.id == choice.sender.id), None),
        servers=servers,
        verdicts=verdicts(current.rules, question.traits, usable),
        is_named=question.server is not None,
        is_bound=choice is not None and choice.is_bound,
        suppressed=_suppressed(question.recipients),
        due_at=question.send_at,
        expires_at=question.expires_at,
        size_bytes=question.size_bytes,
    ))


def route_of_delivery(delivery: Delivery) -> Route:
    """What will happen to one recipient of an accepted message."""
    now, message, servers = timezone.now(), delivery.message, route_servers()
    state = DeliveryState(delivery.state)
    return explained(Prospect(
        now=now,
        purpose=message.purpose,
        server=next((s for s in servers if s.standing.id == delivery.server_id), None),
        servers=servers,
        verdicts=_rules_again(message, delivery, servers),
        is_bound=message.pinned,
        suppressed=_suppressed((delivery.recipient,), message.list_name) if state in WAITING_STATES else (),
        state=state,
        due_at=delivery.due_at if state in WAITING_STATES else None,
        expires_at=message.expires_at,
        attempts=delivery.attempt_count,
        size_bytes=message.content_size,
    ))


def _suppressed(recipients: Sequence[str], list_name: str = "") -> list[str]:
    """Those of the recipients that get no mail of that list, "" for mail that is no subscription."""
    lists = ["", "*", list_name] if list_name else [""]
    addresses = {canonical(recipient): recipient for recipient in recipients}
    found = Suppression.objects.filter(address__in=addresses, list_name__in=lists).values_list("address", flat=True)
    return [recipient for address, recipient in addresses.items() if address in set(found)]


def _rules_again(message: Message, delivery: Delivery, servers: Sequence[RouteServer]) -> list[tuple[Rule, Verdict]]:
    """Only rules for later tries are asked again."""
    rules = [rule for rule in read_current().rules if rule.min_attempts]
    if message.pinned or not rules:
        return []
    usable = {s.standing.id for s in servers if s.standing.takes_deliveries}
    return verdicts(rules, traits_again(message, delivery.recipient, delivery.attempt_count), usable)


def route_servers() -> list[RouteServer]:
    """All servers as they stand, in their order."""
    now = timezone.now()
    lanes: dict[str, list[LaneState]] = {}
    for lane in LaneState.objects.all():
        lanes.setdefault(lane.server_id, []).append(lane)
    rows = sorted(SmtpServer.objects.all(), key=lambda s: (not s.is_default, s.is_sandbox, s.position, s.pk))
    return [_route_server(row, lanes.get(row.pk, []), now) for row in rows]


def _route_server(row: SmtpServer, lanes: Sequence[LaneState], now: datetime) -> RouteServer:
    held = max((lane for lane in lanes if lane.held_until is not None), key=lambda lane: lane.held_until or now,
               default=None)
    rates = [lane.rate for lane in lanes if lane.rate is not None]
    return RouteServer(
        standing=Standing(row.pk, row.name, row.is_default, row.is_sandbox, row.position, row.takes_deliveries,
                          is_failing=row.failing_since is not None),
        limits=row.typed_settings.limits,
        idle=_idle(row),
        idle_until=row.paused_until if row.enabled and row.paused_at is not None else None,
        cooldown_until=max((lane.cooldown_until for lane in lanes if lane.cooldown_until is not None), default=None),
        held_by=held.held_by if held is not None else "",
        held_until=held.held_until if held is not None else None,
        rate=sum(rates) if rates else None,
        ahead=_ahead(row.pk, now),
    )


def _idle(row: SmtpServer) -> str:
    if row.takes_deliveries:
        return ""
    if not row.enabled:
        return "off"
    return "paused" if row.paused_at is not None else "unverified"


def _ahead(server_id: str, now: datetime) -> int:
    return waiting_for(server_id, AHEAD, due_by=now)
