"""What the list of messages was asked for: read from the address, and said again in words and links."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Self
from urllib.parse import urlencode

from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext

from postroom.flow.instance.reader import cause_title
from postroom.pages import words
from postroom.store.message_filter import MessageFilter, Order, Place
from postroom.store.message_list import causes_in_use
from postroom.store.models import ApiToken, SmtpServer, User

from .came_back import KINDS, kinds_in_use

TEXT_CHARACTERS = 200
CHOICES = 100
STATES = ("queued", "sending", "deferred", "sent", "failed", "uncertain", "held", "cancelled")
PERIODS = {
    "today": gettext_lazy("Today"),
    "yesterday": gettext_lazy("Yesterday"),
    "week": gettext_lazy("Last 7 days"),
    "month": gettext_lazy("Last 30 days"),
    "all": gettext_lazy("Any time"),
}
PURPOSES = {
    "notification": gettext_lazy("notification"),
    "report": gettext_lazy("report delivery"),
    "communication": gettext_lazy("communication"),
    "alert": gettext_lazy("alert"),
}
COMMAND_LINE = "command line"
_LOOKED_FOR = ("state", "server", "purpose", "cause", "client", "bounce")
_KEYS = ("q", *_LOOKED_FOR, "period", "from", "to", "sort")


@dataclass(frozen=True, slots=True)
class Choice:
    """An entry of a filter's menu; `query` is the address's query once it is chosen."""

    label: str
    query: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Menu:
    """A filter: the menu of its values, or, where one is chosen, what it is and the query without it."""

    label: str
    choices: list[Choice]
    chosen: str = ""
    without: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """The address's query, each value checked; what can't be understood asks nothing. Days are the reader's own."""

    q: str = ""
    state: str = ""
    server: str = ""
    purpose: str = ""
    cause: str = ""
    client: str = ""
    bounce: str = ""
    period: str = ""
    first: date | None = None
    last: date | None = None
    order: Order = Order.ATTENTION
    after: Place | None = None
    open: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Self:
        text = " ".join(query.get("q", "").split())[:TEXT_CHARACTERS]
        first, last = _day(query.get("from", "")), _day(query.get("to", ""))
        period = query.get("period", "")
        if period == "days" and first is None and last is None:
            period = ""
        if period not in (*PERIODS, "days"):
            # Whoever looks for something looks at any time; whoever just looks sees today.
            is_looking = text or any(query.get(name) for name in _LOOKED_FOR)
            period = "all" if is_looking else "today"
        return cls(
            q=text,
            state=query.get("state", "") if query.get("state", "") in STATES else "",
            server=query.get("server", "")[:26],
            purpose=query.get("purpose", "") if query.get("purpose", "") in PURPOSES else "",
            cause=query.get("cause", "")[:64],
            client=query.get("client", "")[:100],
            bounce=query.get("bounce", "") if query.get("bounce", "") in KINDS else "",
            period=period,
            first=first if period == "days" else None,
            last=last if period == "days" else None,
            order=Order.NEWEST if query.get("sort") == Order.NEWEST else Order.ATTENTION,
            after=Place.parse(query.get("after", "")),
            open=query.get("open", "")[:26],
        )

    @property
    def filter(self) -> MessageFilter:
        since, until = self._bounds()
        return MessageFilter(
            text=self.q, state=self.state, server=self.server, cause=self.cause, purpose=self.purpose,
            client=self.client, bounce=self.bounce, since=since, until=until,
        )

    @property
    def is_filtered(self) -> bool:
        return bool(self.q or self.state or self.server or self.purpose or self.cause or self.client or self.bounce)

    @property
    def period_label(self) -> str:
        if self.period != "days":
            return str(PERIODS[self.period])
        first, last = (day and words.date(_midnight(day)) for day in (self.first, self.last))
        if first and last:
            return first if first == last else _("%(first)s to %(last)s") % {"first": first, "last": last}
        return _("since %(day)s") % {"day": first} if first else _("until %(day)s") % {"day": last}

    @property
    def values(self) -> dict[str, str]:
        """The values that are asked for, by their names in the address."""
        given = {
            "q": self.q, "state": self.state, "server": self.server, "purpose": self.purpose, "cause": self.cause,
            "client": self.client, "bounce": self.bounce, "period": self.period,
            "from": self.first.isoformat() if self.first else "",
            "to": self.last.isoformat() if self.last else "",
            "sort": "" if self.order is Order.ATTENTION else str(self.order),
        }
        return {name: value for name, value in given.items() if value}

    def query(self, **changes: str) -> str:
        """The address's query with other values, from the first page on; an empty value asks for nothing."""
        values = {**self.values, **changes}
        return urlencode({name: values[name] for name in (*_KEYS, "after", "open") if values.get(name)})

    def period_choices(self) -> list[Choice]:
        return [
            Choice(str(label), self.query(period=name, **{"from": "", "to": ""}), self.period == name)
            for name, label in PERIODS.items()
        ]

    def order_choices(self) -> list[Choice]:
        labels = {Order.ATTENTION: _("Needs attention first"), Order.NEWEST: _("Newest first")}
        return [
            Choice(label, self.query(sort="" if order is Order.ATTENTION else order), self.order is order)
            for order, label in labels.items()
        ]

    def menus(self) -> list[Menu]:
        """The filters beside the search, each with what may be chosen."""
        servers = {row.pk: row.name for row in SmtpServer.objects.only("pk", "name")}
        causes = {slug: cause_title(slug) for slug in causes_in_use(CHOICES)}
        purposes = {slug: str(label) for slug, label in PURPOSES.items()}
        clients = {name: name for name in _clients()}
        reports, bounced = kinds_in_use(), pgettext("of bounces", "Reports")
        return [
            self._menu("server", _("Server"), self.server, servers),
            self._menu("purpose", _("Purpose"), self.purpose, purposes),
            self._menu("cause", _("Cause"), self.cause, causes),
            self._menu("client", _("Client"), self.client, clients),
            *([self._menu("bounce", bounced, self.bounce, reports)] if reports or self.bounce else []),
        ]

    def _menu(self, name: str, label: str, chosen: str, options: Mapping[str, str]) -> Menu:
        if chosen:
            return Menu(label, [], options.get(chosen, chosen), self.query(**{name: ""}))
        return Menu(label, [Choice(text, self.query(**{name: value}), False) for value, text in options.items()])

    def _bounds(self) -> tuple[datetime | None, datetime | None]:
        """The period from its first moment up to, not including, its last."""
        today = timezone.localdate()
        spans = {"today": (0, None), "yesterday": (1, 0), "week": (6, None), "month": (29, None)}
        if self.period in spans:
            back, end = spans[self.period]
            return (
                _midnight(today - timedelta(days=back)),
                None if end is None else _midnight(today - timedelta(days=end)),
            )
        last = self.last + timedelta(days=1) if self.last else None
        return (_midnight(self.first) if self.first else None, _midnight(last) if last else None)


def _clients() -> list[str]:
    """Names under which messages are handed in."""
    tokens = ApiToken.objects.order_by(Lower("name")).values_list("name", flat=True)[:CHOICES]
    people = User.objects.order_by(Lower("name")).values_list("name", flat=True)[:CHOICES]
    return list(dict.fromkeys([*tokens, *people, COMMAND_LINE]))


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=timezone.get_current_timezone())


def _day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if 2000 <= day.year <= 2200 else None
