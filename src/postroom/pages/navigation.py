"""The sidebar: where a person can go, what waits there, and where they are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from postroom.store.models import User

from . import words
from .queries.delivery_status import DeliveryStatus

# What else belongs to an entry: tests to the servers, groups to the recipients.
_BELOW = {"smtp-servers": ("/smtp-",), "recipients": ("/recipients/", "/groups")}


@dataclass(frozen=True, slots=True)
class Entry:
    """A link. `count` stands beside it, `count_words` says it to a screen reader; `alarms` when it is about a fault."""

    label: str
    address: str
    current: bool
    icon: str = ""
    count: str = ""
    count_words: str = ""
    alarms: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Entries that fold away together, or one `link` of the first level."""

    label: str
    icon: str
    entries: Sequence[Entry] = ()
    link: Entry | None = None

    @property
    def open(self) -> bool:
        return any(entry.current for entry in self.entries) or self.icon == "server-cog"


@dataclass(frozen=True, slots=True)
class Navigation:
    daily: Sequence[Entry]
    administration: Sequence[Group]


def navigation(path: str, user: User, status: DeliveryStatus, alerts: int = 0) -> Navigation:
    """What this person sees while reading the page at `path`."""
    daily = [
        _entry(_("Overview"), "overview", path, "layout-dashboard"),
        _entry(
            _("Messages"), "messages", path, "mail", status.depth_words,
            ngettext("%(n)s waiting", "%(n)s waiting", status.depth) % {"n": status.depth_words},
        ),
        _entry(_("Subscriptions"), "subscriptions", path, "calendar-repeat"),
        _entry(_("Recipients"), "recipients", path, "address-book"),
        _entry(_("Announcements"), "announcements", path, "speakerphone"),
        _entry(_("Queue and limits"), "queue", path, "stack-2"),
        _entry(
            _("Alerts"), "alerts", path, "bell", words.number(alerts) if alerts else "",
            ngettext("%(n)s alert", "%(n)s alerts", alerts) % {"n": words.number(alerts)}, alarms=True,
        ),
        _entry(_("SMTP activity log"), "activity", path, "list-search"),
        _entry(_("Suppressed recipients"), "suppressions", path, "ban"),
        _entry(_("Sandbox mailbox"), "sandbox", path, "mailbox"),
    ]
    groups = [
        Group(_("System"), "server-cog", _system(path, status.failing_servers)),
        Group(_("Reports"), "chart-bar", _entries(path, (
            (_("Report sources"), "report-sources"), (_("Templates"), "templates"),
            (_("Holiday calendars"), "holiday-calendars"), (_("Load planner"), "load-plan"),
        ))),
        Group(_("Mail domains"), "at", _entries(path, (
            (_("DKIM keys"), "dkim-keys"), (_("Bounce mailbox"), "bounce-mailbox"),
            (_("Recipient domains"), "recipient-domains"),
        ))),
        Group(_("Who is told"), "affiliate", _entries(path, (
            (_("Alert rules"), "alert-rules"), (_("Webhooks"), "webhooks"),
        ))),
    ]
    if user.is_administrator:
        access = _entries(path, ((_("Users"), "users"), (_("API tokens"), "tokens")))
        groups.append(Group(_("Access"), "key", access))
    trail = _entry(_("Audit trail"), "audit", path, "history")
    return Navigation(daily, [*groups, Group(trail.label, trail.icon, link=trail)])


def _system(path: str, failing: int) -> list[Entry]:
    failing_words = ngettext("%(n)s server failing", "%(n)s servers failing", failing) % {"n": words.number(failing)}
    return [
        _entry(
            _("SMTP configuration"), "smtp-servers", path, "", words.number(failing) if failing else "",
            failing_words, alarms=True,
        ),
        *_entries(path, (
            (_("Delivery rules"), "delivery-rules"), (_("Storage and retention"), "storage"),
            (_("Instance"), "instance"),
        )),
    ]


def _entries(path: str, named: Iterable[tuple[str, str]]) -> list[Entry]:
    """An entry for each label with the name of its page."""
    return [_entry(label, name, path) for label, name in named]


def _entry(
    label: str, name: str, path: str, icon: str = "", count: str = "", count_words: str = "", *, alarms: bool = False
) -> Entry:
    address = reverse(f"pages:{name}")
    below = _BELOW.get(name, (f"{address}/",))
    here = path == address or (address != "/" and path.startswith(below))
    return Entry(label, address, here, icon, count, count_words, alarms)
