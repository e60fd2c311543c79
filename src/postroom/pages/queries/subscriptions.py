"""Subscriptions as their pages show them: when they run, how the last run ended, whom they reach."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.db.models import Max, QuerySet
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from postroom.flow.acceptance.test_mode import subscription_test_mode
from postroom.flow.instance.reader import language
from postroom.flow.recipients.left_out import left_out
from postroom.flow.recipients.recipients import Addressed, addressed
from postroom.flow.subscriptions.schedules import schedule_of
from postroom.pages import words
from postroom.pages.queries.runs import RunLine, line_of
from postroom.policy.schedule import ScheduleFault, described
from postroom.smtp.text import printable
from postroom.store.models import Recipient, RecipientGroup, Run, Subscriber, Subscription, Suppression, User
from postroom.terms.test_mode import TestMode

SHOWN = 50
SUBSCRIBERS_SHOWN = 12
# Runs that are under way.
MOVING = ("waiting", "fetching", "sending")
LEFT_OUT = {
    "hard-bounce": gettext_lazy("its mail came back for good"),
    "complaint": gettext_lazy("it complained"),
    "unsubscribe": gettext_lazy("it left the list"),
    "manual": gettext_lazy("it is suppressed"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """A subscription of the list."""

    subscription: Subscription
    schedule: str
    line: RunLine | None
    reaches: str
    test_mode: TestMode | None

    @property
    def run(self) -> Run | None:
        return self.line.row if self.line is not None else None

    @property
    def is_moving(self) -> bool:
        return self.run is not None and self.run.state in MOVING


@dataclass(frozen=True, slots=True)
class List:
    """A page of the list by name. `next` is the query of the next page, "" at the end."""

    rows: Sequence[Row]
    q: str
    next: str
    is_first: bool

    @property
    def is_moving(self) -> bool:
        return any(row.is_moving for row in self.rows)


@dataclass(frozen=True, slots=True)
class Chip:
    """A subscriber as the editor shows it; `token` is what the form carries. `kind` is group, person, address, bcc, or
    gone for one that was removed meanwhile; `count` is how many are in a group."""

    token: str
    label: str
    kind: str
    count: str = ""


@dataclass(frozen=True, slots=True)
class Reach:
    """Whom the subscribers reach, and who of them gets nothing, with the reason in words."""

    everybody: Sequence[Addressed]
    out: Sequence[tuple[Suppression, str]]

    @property
    def count(self) -> int:
        return len(self.everybody)


def subscription_list(query: Mapping[str, str], now: datetime) -> List:
    """What the address asks for: `q` in the name or the source's, from the name `after` on."""
    text, after = (printable(query.get(name, "").strip(), 100) for name in ("q", "after"))
    found = Subscription.objects.select_related("source", "calendar").order_by("name")
    if text:
        found = found.filter(name__icontains=text) | found.filter(source__name__icontains=text)
    if after:
        found = found.filter(name__gt=after)
    subscriptions = list(found[: SHOWN + 1])
    shown = subscriptions[:SHOWN]
    more = urlencode({"q": text, "after": shown[-1].name}) if len(subscriptions) > SHOWN else ""
    return List(rows_of(shown, now), text, more, not after)


def rows_of(subscriptions: Sequence[Subscription], now: datetime) -> list[Row]:
    runs = last_runs([each.pk for each in subscriptions])
    names = reached([each.pk for each in subscriptions])
    return [
        Row(
            each, schedule_words(each), line_of(runs[each.pk]) if each.pk in runs else None, names.get(each.pk, ""),
            mode_of(each, now),
        )
        for each in subscriptions
    ]


def last_runs(ids: Sequence[str]) -> dict[str, Run]:
    """The newest run of each, but none that somebody had sent to themselves."""
    newest = Run.objects.filter(subscription__in=ids, only_to="").values("subscription").annotate(newest=Max("pk"))
    rows: QuerySet[Run] = Run.objects.filter(pk__in=[each["newest"] for each in newest])
    return {row.subscription_id: row for row in rows}


def mode_of(subscription: Subscription, now: datetime) -> TestMode | None:
    """Its test mode while it is on."""
    mode = subscription_test_mode(subscription)
    return mode if mode is not None and mode.is_on(now) else None


def schedule_words(subscription: Subscription) -> str:
    """When it runs, in the reader's language."""
    try:
        schedule = schedule_of(subscription.schedule)
    except ScheduleFault:
        return _("Its schedule can no longer be read: enter it again.")
    if schedule is not None:
        return described(schedule, language())
    return _("Whenever its report is pushed") if subscription.on_push else _("By hand only")


def zone_of(subscription: Subscription) -> ZoneInfo | None:
    """The zone of its schedule, None where it has none that is known."""
    try:
        schedule = schedule_of(subscription.schedule)
    except ScheduleFault:
        return None
    return ZoneInfo(schedule.zone) if schedule is not None else None


def reach(subscribers: Iterable[Subscriber], list_name: str) -> Reach:
    """For the editor and the page of one subscription."""
    everybody = addressed(subscribers)
    found = left_out([each.address_key for each in everybody], list_name)
    out = [
        (found[each.address_key], str(LEFT_OUT.get(found[each.address_key].reason, LEFT_OUT["manual"])))
        for each in everybody if each.address_key in found
    ]
    return Reach(everybody, out)


def chips(entries: Sequence[Mapping[str, Any]], tokens: Sequence[str]) -> list[Chip]:
    """Subscribers as the editor's form holds them."""
    groups = RecipientGroup.objects.in_bulk([each["group"] for each in entries if each.get("group")])
    people = Recipient.objects.in_bulk([each["recipient"] for each in entries if each.get("recipient")])
    return [_chip(entry, token, groups, people) for entry, token in zip(entries, tokens, strict=True)]


def suggestions() -> list[str]:
    """What the field for recipients proposes: every group, and the first recipients by name."""
    groups = list(RecipientGroup.objects.order_by("name").values_list("name", flat=True)[:200])
    return [*groups, *Recipient.objects.order_by("name").values_list("address", flat=True)[:200]]


def subscribers_shown(subscription: Subscription, user: User) -> list[dict[str, str]]:
    """Whom it names, each with its page where the person may see that; the first ones."""
    rows = subscription.subscribers.select_related("group", "recipient").order_by("-place", "pk")
    found = []
    for row in rows[:SUBSCRIBERS_SHOWN]:
        name, address = row.address, ""
        if row.group:
            name, address = row.group.name, reverse("pages:group", args=[row.group.pk])
        elif row.recipient:
            name = row.recipient.name or row.recipient.address
            address = reverse("pages:recipient", args=[row.recipient.pk]) if user.role != User.Role.VIEWER else ""
        found.append({"name": name, "address": address, "place": row.place})
    return found


def _chip(
    entry: Mapping[str, Any], token: str, groups: Mapping[str, RecipientGroup], people: Mapping[str, Recipient]
) -> Chip:
    is_bcc = entry.get("place") == "bcc"
    name, kind, count = entry.get("address", ""), "address", ""
    if entry.get("group"):
        group = groups.get(entry["group"])
        if group is None:
            return Chip(token, _("A group that was removed"), "gone")
        name, kind, count = group.name, "group", words.number(group.memberships.count())
    elif entry.get("recipient"):
        person = people.get(entry["recipient"])
        if person is None:
            return Chip(token, _("A recipient that was removed"), "gone")
        name, kind = person.name or person.address, "person"
    return Chip(token, _("Bcc %(name)s") % {"name": name}, "bcc", count) if is_bcc else Chip(token, name, kind, count)


def reached(ids: Sequence[str]) -> dict[str, str]:
    """Who gets each, in few words: "Operations managers and 2 more"."""
    found: dict[str, list[str]] = {}
    rows = Subscriber.objects.filter(subscription__in=ids, place="to").select_related("group", "recipient")
    for row in rows.order_by("subscription", "pk"):
        name = row.group.name if row.group else row.recipient.name or row.recipient.address if row.recipient else ""
        found.setdefault(row.subscription_id, []).append(name or row.address)
    return {
        id_: names[0] if len(names) == 1 else _("%(first)s and %(n)s more") % {
            "first": names[0], "n": words.number(len(names) - 1)
        }
        for id_, names in found.items()
    }
