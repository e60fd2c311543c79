"""The list of messages: a row for each message, told by the delivery in it that needs attention most."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from postroom.flow.instance.reader import told
from postroom.flow.messages.outbox import CAN_RETRY
from postroom.pages import states, words
from postroom.policy.retry import attempts_expected
from postroom.store.message_filter import ATTENTION, MessageFilter
from postroom.store.message_list import MessageList
from postroom.store.message_search import Hits, hits_of
from postroom.store.models import AuditEntry, Delivery, Message, User
from postroom.terms.outcome import DeliveryState

from .came_back import badges_of_messages
from .message_filters import STATES, Asked, Menu

PAGE_ROWS = 50
_ALWAYS = ("queued", "deferred", "sent", "failed", "cancelled")
# The order in which a message's deliveries speak for it.
_WORST_FIRST = (*ATTENTION, "sending", "queued", "sent", "cancelled")
# Waiting for somebody or something; they do not end by themselves with the day.
_STILL_OPEN = ("uncertain", "held", "deferred")


@dataclass(frozen=True, slots=True)
class Tab:
    """A state's tab ("" for all); `is_more` when there are more than `count`."""

    state: str
    count: int
    is_more: bool
    query: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Row:
    """A message of the list. `others` are its further recipients; `summary` tells for how many the state holds."""

    message: Message
    recipient: str
    others: int
    state: str
    note: str
    submitted: str
    summary: str
    next_try: str
    reply: str
    can_retry: bool
    query: str
    is_open: bool
    came_back: str = ""


@dataclass(frozen=True, slots=True)
class Listing:
    """A page of the list. `total` is the number of the chosen tab, `earlier_open` those from before the period that
    still need attention."""

    rows: list[Row]
    tabs: list[Tab]
    menus: list[Menu]
    chosen_filters: int
    total: int
    is_more: bool
    next_query: str
    first_query: str
    hits: Hits | None
    earlier_open: int
    earlier_query: str


def listing(asked: Asked) -> Listing:
    """What the page shows."""
    wanted = asked.filter
    hits = hits_of(wanted.text, wanted.since, wanted.until) if wanted.text else None
    found = MessageList(wanted, hits)
    counts = found.counts(STATES)
    page = found.page(asked.order, PAGE_ROWS, asked.after, asked.state)
    total = counts[asked.state]
    menus = asked.menus()
    earlier = _earlier_open(asked) if wanted.since is not None and not asked.is_filtered else 0
    return Listing(
        rows=rows_of(asked, page.ids, hits),
        tabs=[
            Tab(state, min(number, found.bound), number > found.bound, asked.query(state=state), asked.state == state)
            for state, number in counts.items() if number or state in ("", *_ALWAYS) or asked.state == state
        ],
        menus=menus,
        chosen_filters=sum(1 for menu in menus if menu.chosen) + bool(asked.q),
        total=min(total, found.bound),
        is_more=total > found.bound,
        next_query=asked.query(after=str(page.next)) if page.next else "",
        first_query=asked.query() if asked.after else "",
        hits=hits,
        earlier_open=earlier,
        earlier_query=asked.query(period="all", **{"from": "", "to": ""}),
    )


def _earlier_open(asked: Asked) -> int:
    before = MessageList(MessageFilter(until=asked.filter.since))
    return sum(min(before.count(state), before.bound) for state in _STILL_OPEN)


def rows_of(asked: Asked, ids: Sequence[str], hits: Hits | None) -> list[Row]:
    """A row for each message, in the order of the ids."""
    counts, leading = _states_of(ids, asked, hits)
    messages = Message.objects.in_bulk(list(ids))
    deliveries = Delivery.objects.select_related("server").in_bulk(list(leading.values()))
    cancelled = [id_ for id_, key in leading.items() if deliveries[key].state == DeliveryState.CANCELLED]
    cancelled_by = actors_of("message.cancel", cancelled)
    badges = badges_of_messages(ids)
    return [
        _row(
            asked, messages[id_], deliveries[leading[id_]], counts[id_], cancelled_by.get(id_, ""),
            badges.get(id_, ""),
        )
        for id_ in ids if id_ in messages and leading.get(id_) in deliveries
    ]


def _states_of(
    ids: Sequence[str], asked: Asked, hits: Hits | None
) -> tuple[dict[str, dict[str, int]], dict[str, str]]:
    """For each message how many deliveries are in which state, and the id of the delivery that speaks for it."""
    groups = Delivery.objects.filter(message_id__in=ids).order_by()
    grouped = groups.values_list("message_id", "state").annotate(Count("pk"), Min("pk"))
    counts: dict[str, dict[str, int]] = {}
    first: dict[str, dict[str, str]] = {}
    for message_id, state, number, key in grouped:
        counts.setdefault(message_id, {})[state] = number
        first.setdefault(message_id, {})[state] = key
    fitting = _fitting(ids, asked, hits)
    leading = {}
    for message_id, by_state in first.items():
        by_state = fitting.get(message_id, by_state)
        leading[message_id] = min(by_state.items(), key=lambda item: _WORST_FIRST.index(item[0]))[1]
    return counts, leading


def _fitting(ids: Sequence[str], asked: Asked, hits: Hits | None) -> dict[str, dict[str, str]]:
    """For each message and state the first delivery that the filter asks for; {} where any will do."""
    conditions = {"state": asked.state, "server": asked.server, "cause": asked.cause}
    wanted: dict[str, object] = {name: value for name, value in conditions.items() if value}
    if hits is not None and hits.recipients:
        wanted["recipient__in"] = hits.recipients
    if not wanted:
        return {}
    found: dict[str, dict[str, str]] = {}
    groups = Delivery.objects.filter(message_id__in=ids, **wanted).order_by()
    for message_id, state, key in groups.values_list("message_id", "state").annotate(Min("pk")):
        found.setdefault(message_id, {})[state] = key
    return found


def _row(
    asked: Asked, message: Message, delivery: Delivery, counts: Mapping[str, int], actor: str, came_back: str
) -> Row:
    others = sum(counts.values()) - 1
    finding = told(delivery.finding)
    return Row(
        message=message,
        recipient=delivery.recipient,
        others=others,
        state=delivery.state,
        note=state_note(message, delivery, actor),
        submitted=when(message.created_at),
        summary=_share_of(delivery.state, counts) if others else "",
        next_try=next_try(message, delivery) if delivery.state == DeliveryState.DEFERRED else "",
        reply=str(finding.get("title", "")).rstrip("."),
        can_retry=delivery.state in CAN_RETRY,
        query=asked.query(open=message.pk, after=str(asked.after or "")),
        is_open=asked.open == message.pk,
        came_back=came_back,
    )


def _share_of(state: str, counts: Mapping[str, int]) -> str:
    number, total = counts.get(state, 0), sum(counts.values())
    if number == total:
        return ngettext("%(total)s recipient", "all %(total)s recipients", total) % {"total": words.number(total)}
    return _("%(number)s of %(total)s recipients") % {"number": words.number(number), "total": words.number(total)}


def state_note(message: Message, delivery: Delivery, actor: str = "") -> str:
    """The second line under a state: what is next, why, or when and where."""
    server = delivery.server.name if delivery.server else ""
    match delivery.state:
        case DeliveryState.QUEUED | DeliveryState.DEFERRED | DeliveryState.UNCERTAIN if not server:
            return _("the server it named is gone") if message.pinned else _("waits for a server")
        case DeliveryState.DEFERRED:
            return _("next try %(when)s") % {"when": next_try(message, delivery)}
        case DeliveryState.FAILED | DeliveryState.UNCERTAIN | DeliveryState.HELD:
            return str(told(delivery.finding).get("title", "")).rstrip(".") or delivery.cause
        case DeliveryState.QUEUED if delivery.due_at > timezone.now():
            return _("leaves %(when)s") % {"when": words.day_and_clock(delivery.due_at)}
        case DeliveryState.QUEUED:
            return _("waits for its turn")
        case DeliveryState.CANCELLED:
            return _("by %(name)s") % {"name": actor} if actor else ""
        case DeliveryState.SENT if server:
            return _("%(when)s, %(server)s") % {"when": when(delivery.updated_at), "server": server}
        case DeliveryState.SENT:
            return when(delivery.updated_at)
        case _:
            return server


def next_try(message: Message, delivery: Delivery) -> str:
    """ "in 6 min, 5 of 52"."""
    seconds = (delivery.due_at - timezone.now()).total_seconds()
    number = delivery.attempt_count + 1
    total = attempts_expected(delivery.attempt_count, delivery.due_at, message.expires_at, message.purpose)
    soon = _("now") if seconds <= 0 else _("in %(span)s") % {"span": words.short_span(seconds)}
    return _("%(when)s, %(number)s of %(total)s") % {"when": soon, "number": number, "total": max(total, number)}


def when(at: datetime) -> str:
    """ "14:32" for today, else with the day."""
    is_today = timezone.localtime(at).date() == timezone.localdate()
    return words.clock(at) if is_today else words.day_and_clock(at)


def summary_of(counts: Mapping[str, int]) -> str:
    """ "3 failed, 997 sent"."""
    known = [(state, counts[state]) for state in _WORST_FIRST if counts.get(state)]
    parts = [
        # Translators: a number and a state in lower case, such as "3 failed"
        _("%(number)s %(state)s") % {"number": words.number(number), "state": states.look_of(state).word.lower()}
        for state, number in known
    ]
    return ", ".join(parts)


def actors_of(action: str, message_ids: Iterable[str]) -> dict[str, str]:
    """Who did it last to each message: a person's name, else what the audit trail says."""
    ids = list(message_ids)
    if not ids:
        return {}
    entries = AuditEntry.objects.filter(subject__in=ids, action=action).order_by("at")
    actors = dict(entries.values_list("subject", "actor"))
    names = names_of(actors.values())
    return {id_: names.get(actor, actor) for id_, actor in actors.items()}


def names_of(actors: Iterable[str]) -> dict[str, str]:
    """The names of people by the addresses under which the audit trail knows them."""
    return dict(User.objects.filter(email__in=set(actors)).values_list("email", "name"))


def matching_ids(asked: Asked, limit: int) -> list[str]:
    """The newest messages that the list would show, through all its pages."""
    wanted = asked.filter
    hits = hits_of(wanted.text, wanted.since, wanted.until) if wanted.text else None
    return MessageList(wanted, hits).page(asked.order, limit, None, asked.state).ids


