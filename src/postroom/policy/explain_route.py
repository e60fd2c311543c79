"""Explain route: what would happen to a message, and when, step by step in words.

The steps tell what the other functions of this room decide: rules, route, failover, retry. They decide nothing
themselves.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from postroom.terms.outcome import WAITING_STATES, DeliveryState
from postroom.terms.server import Limits
from postroom.terms.wording import Wording, worded

from .failover import Standing, successor
from .retry import coming_attempts, schedule_of
from .rules import Rule, Verdict

# So many of the coming attempts are told.
ATTEMPTS = 8


class StepKind(StrEnum):
    """What a step is about; values are the API's."""

    RULE = "rule"
    SERVER = "server"
    FAILOVER = "failover"
    SUPPRESSED = "suppressed"
    HELD = "held"
    ATTEMPT = "attempt"
    RETRY = "retry"
    EXPIRY = "expiry"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens, and when, where it has a time. `holds`: nothing leaves because of it."""

    kind: StepKind
    text: Wording
    at: datetime | None = None
    holds: bool = False


@dataclass(frozen=True, slots=True)
class RouteServer:
    """A server as it stands. `idle` says why it takes no deliveries: "off", "paused", "unverified", "" when it does.
    `held_by` is the limit that lets nothing through until `held_until`; `ahead` the deliveries that are due before."""

    standing: Standing
    limits: Limits = field(default_factory=Limits)
    idle: str = ""
    idle_until: datetime | None = None
    cooldown_until: datetime | None = None
    held_by: str = ""
    held_until: datetime | None = None
    rate: float | None = None
    ahead: int = 0

    @property
    def name(self) -> str:
        return self.standing.name


@dataclass(frozen=True, slots=True)
class Prospect:
    """A message to be handed in now, or one recipient of an accepted one, whose `state` is set then.

    `verdicts` are what the rules say of it; `server` has it; `is_named`: its client named that server; `is_bound`: no
    other may carry it. `suppressed` are recipients that get no more mail."""

    now: datetime
    purpose: str
    server: RouteServer | None
    servers: Sequence[RouteServer] = ()
    verdicts: Sequence[tuple[Rule, Verdict]] = ()
    is_named: bool = False
    is_bound: bool = False
    suppressed: Sequence[str] = ()
    state: DeliveryState | None = None
    due_at: datetime | None = None
    expires_at: datetime | None = None
    attempts: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Route:
    """`attempts_at`: when the coming attempts are made if each is put off; empty when there will be none."""

    steps: tuple[Step, ...]
    attempts_at: tuple[datetime, ...]
    expires_at: datetime


def explained(prospect: Prospect) -> Route:
    """The whole way of the message."""
    expires_at = prospect.expires_at or prospect.now + schedule_of(prospect.purpose).lifetime
    if prospect.state is not None and prospect.state not in (*WAITING_STATES, DeliveryState.SENDING):
        return Route((*_choice(prospect), _over(prospect.state)), (), expires_at)
    steps = [*_choice(prospect), *_failover(prospect), *_suppression(prospect)]
    holding = list(_holding(prospect))
    next_at = max([prospect.due_at or prospect.now, prospect.now, *(s.at for s in holding if s.at is not None)])
    is_stuck = prospect.server is None or any(step.holds and step.at is None for step in holding)
    attempts = () if is_stuck else tuple(coming_attempts(
        prospect.attempts, next_at, expires_at, prospect.purpose, ATTEMPTS
    ))
    steps += [*holding, *_attempts(prospect, attempts), Step(
        StepKind.EXPIRY, worded("What is not sent by then is given up, and says so."), expires_at
    )]
    return Route(tuple(steps), attempts, expires_at)


_LACKS = {
    Verdict.OFF: worded("it is switched off"),
    Verdict.SERVER_GONE: worded("its server was removed"),
    Verdict.SERVER_IDLE: worded("its server takes no deliveries now"),
    Verdict.OTHER_PURPOSE: worded("the purpose is another"),
    Verdict.OTHER_SENDER: worded("the From is another"),
    Verdict.OTHER_RECIPIENTS: worded("not every recipient is in its domains"),
    Verdict.OTHER_CLIENT: worded("the application is another"),
    Verdict.OTHER_TAGS: worded("it has none of the tags"),
    Verdict.TOO_EARLY: worded("it was not tried often enough"),
    Verdict.NOT_REACHED: worded("a rule above decides"),
}


def _choice(prospect: Prospect) -> Iterator[Step]:
    """Which server, and why not another."""
    server = prospect.server
    if prospect.is_named and server is not None:
        yield Step(StepKind.SERVER, worded(
            "The client names the server {server}: no rule is asked, and no other server carries it.",
            server=server.name,
        ))
        return
    decided = False
    for place, (rule, verdict) in enumerate(prospect.verdicts, 1):
        called = rule.name or worded("Rule {place}", place=place)
        if verdict is Verdict.DECIDES and server is not None:
            decided = True
            yield Step(StepKind.RULE, worded("{rule} fits: {server} takes it.", rule=called, server=server.name))
        else:
            yield Step(StepKind.RULE, worded("{rule} does not decide: {why}.", rule=called, why=_LACKS[verdict]))
    if server is None:
        yield Step(StepKind.SERVER, worded("No SMTP server is switched on, so it is not accepted."), holds=True)
    elif prospect.state is not None:
        yield Step(StepKind.SERVER, worded("It is with {server}.", server=server.name))
    elif not decided:
        yield from _default(prospect, server)


def _default(prospect: Prospect, server: RouteServer) -> Iterator[Step]:
    for other in prospect.servers:
        if other.standing.is_default and other is not server:
            text = worded("The default server {server} {why}.", server=other.name, why=_idle(other))
            yield Step(StepKind.SERVER, text)
    if server.standing.is_default:
        text = worded("No rule decides: the default server {server} takes it.", server=server.name)
    else:
        text = worded("{server} is the next in the order: it takes it.", server=server.name)
    yield Step(StepKind.SERVER, text)


def _idle(server: RouteServer) -> Wording:
    return {
        "off": worded("is switched off"),
        "paused": worded("is paused"),
        "unverified": worded("has not passed its live test"),
    }.get(server.idle, worded("is not chosen"))


def _failover(prospect: Prospect) -> Iterator[Step]:
    server = prospect.server
    if server is None:
        return
    if prospect.is_bound or prospect.is_named or prospect.state is DeliveryState.UNCERTAIN:
        yield Step(StepKind.FAILOVER, worded("No other server may carry it: it waits while {server} fails.",
                                             server=server.name))
    elif server.standing.is_sandbox:
        yield Step(StepKind.FAILOVER, worded("The sandbox catches it: nothing leaves this machine."))
    elif (to := successor([s.standing for s in prospect.servers], current=server.standing.id)) is not None:
        yield Step(StepKind.FAILOVER, worded("If {server} fails as a whole, {next} takes over.",
                                             server=server.name, next=to.name))
    else:
        yield Step(StepKind.FAILOVER, worded("If {server} fails, it waits: no other server is well.",
                                             server=server.name))


def _suppression(prospect: Prospect) -> Iterator[Step]:
    for recipient in prospect.suppressed:
        yield Step(StepKind.SUPPRESSED, worded("{recipient} is suppressed: its delivery ends as failed, untried.",
                                               recipient=recipient), holds=True)


def _holding(prospect: Prospect) -> Iterator[Step]:
    """What keeps it from leaving at once."""
    if prospect.due_at is not None and prospect.due_at > prospect.now:
        text = worded("It waits for its next try.") if prospect.attempts else worded("It is to be sent later.")
        yield Step(StepKind.HELD, text, prospect.due_at, holds=True)
    server = prospect.server
    if server is None:
        return
    if server.idle:
        yield Step(StepKind.HELD, worded("{server} {why}: it waits.", server=server.name, why=_idle(server)),
                   server.idle_until, holds=True)
    yield from _limits(prospect, server)


def _limits(prospect: Prospect, server: RouteServer) -> Iterator[Step]:
    limits, now = server.limits, prospect.now
    if limits.size_bytes is not None and prospect.size_bytes > limits.size_bytes:
        yield Step(StepKind.HELD, worded("It is larger than the {most} bytes that {server} takes: it fails.",
                                         most=limits.size_bytes, server=server.name), holds=True)
    if server.cooldown_until is not None and server.cooldown_until > now:
        yield Step(StepKind.HELD, worded("{server} failed and is left alone for a while.", server=server.name),
                   server.cooldown_until, holds=True)
    if server.held_until is not None and server.held_until > now:
        yield Step(StepKind.HELD, limit_words(server.held_by, limits), server.held_until, holds=True)
    if server.rate is not None:
        yield Step(StepKind.HELD, worded("{server} asked to be given less: {rate} messages a minute at most for now.",
                                         server=server.name, rate=round(server.rate)))
    if server.ahead:
        most = server.rate or limits.messages_per_minute
        until = now + timedelta(minutes=server.ahead / most) if most else None
        yield Step(StepKind.HELD, worded("Deliveries that are due before it at {server}: {count}.",
                                         server=server.name, count=server.ahead), until)


def limit_words(limit: str, limits: Limits) -> Wording:
    """A limit of a server that is reached, by its API name."""
    if limit == "messages_per_day":
        return worded("The limit of {most} messages a day is reached.", most=limits.messages_per_day or 0)
    if limit == "messages_per_minute":
        return worded("The limit of {most} messages a minute, spread evenly: the next one waits for its moment.",
                      most=limits.messages_per_minute or 0)
    return worded("Every connection that the server allows is taken.")


def _attempts(prospect: Prospect, attempts: Sequence[datetime]) -> Iterator[Step]:
    if prospect.state is DeliveryState.SENDING:
        yield Step(StepKind.ATTEMPT, worded("It is being sent now."), prospect.now)
        return
    if not attempts:
        return
    yield Step(StepKind.ATTEMPT, worded("Try {number}.", number=prospect.attempts + 1), attempts[0])
    if len(attempts) > 1:
        schedule = schedule_of(prospect.purpose)
        yield Step(StepKind.RETRY, worded(
            "If it is put off, it is tried again at growing pauses, {longest} minutes apart at most.",
            longest=round(schedule.longest_s / 60),
        ), attempts[1])


def _over(state: DeliveryState) -> Step:
    return Step(StepKind.OVER, {
        DeliveryState.SENT: worded("It is sent: the server took responsibility. Nothing more happens here."),
        DeliveryState.FAILED: worded("It failed. Nothing more happens until somebody tries it again."),
        DeliveryState.HELD: worded("It is held until somebody decides."),
    }.get(state, worded("It is cancelled. Nothing more happens.")))
