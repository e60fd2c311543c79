"""Webhooks as the pages show them: what each hears of, how it fares, and what it was told."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from postroom.flow.instance.reader import translated
from postroom.flow.webhooks.webhooks import shown_url
from postroom.pages import words
from postroom.store.models import Webhook, WebhookDelivery
from postroom.terms.event import EventKind
from postroom.terms.wording import Wording

from .message_filters import PURPOSES

PAGE = 50
_State = WebhookDelivery.State
# In groups, as the form offers them; a title says what has happened.
GROUPS = (
    (gettext_lazy("Messages"), (
        (EventKind.QUEUED, gettext_lazy("waits to be sent")),
        (EventKind.SENT, gettext_lazy("a server took it")),
        (EventKind.DEFERRED, gettext_lazy("put off, tried again later")),
        (EventKind.FAILED, gettext_lazy("given up")),
        (EventKind.UNCERTAIN, gettext_lazy("may have been sent")),
        (EventKind.HELD, gettext_lazy("held until somebody decides")),
        (EventKind.CANCELLED, gettext_lazy("cancelled")),
    )),
    (gettext_lazy("Recipients"), (
        (EventKind.BOUNCED, gettext_lazy("came back after it was sent")),
        (EventKind.COMPLAINED, gettext_lazy("called spam")),
        (EventKind.UNSUBSCRIBED, gettext_lazy("left a list")),
    )),
    (gettext_lazy("Subscriptions"), (
        (EventKind.RUN_STARTED, gettext_lazy("a run began")),
        (EventKind.RUN_SUCCEEDED, gettext_lazy("a run succeeded")),
        (EventKind.RUN_WARNING, gettext_lazy("a run ended with a warning")),
        (EventKind.RUN_FAILED, gettext_lazy("a run failed")),
        (EventKind.RUN_SKIPPED, gettext_lazy("a condition was not met")),
        (EventKind.RUN_CANCELLED, gettext_lazy("a run was stopped")),
    )),
    (gettext_lazy("Alerts"), (
        (EventKind.ALERT_OPENED, gettext_lazy("something is wrong")),
        (EventKind.ALERT_CLOSED, gettext_lazy("it is over")),
    )),
)
_PAUSES = {
    "manual": gettext_lazy("Paused by hand."),
    "failing": gettext_lazy("Paused: nothing was taken for three days."),
    "gone": gettext_lazy("Paused: the receiver answered 410, that it is gone."),
    "backlog": gettext_lazy("Paused: more events wait for it than are kept."),
}
_STATES = {
    "waiting": gettext_lazy("Waiting"), "succeeded": gettext_lazy("Taken"), "failed": gettext_lazy("Given up"),
}
_LOOKS = {"waiting": "waiting", "succeeded": "passed", "failed": "failed"}


@dataclass(frozen=True, slots=True)
class WebhookView:
    """A webhook; `look` and `word` are its badge, `why` says more of a pause or a fault."""

    row: Webhook
    url: str
    events: str
    look: str
    word: str
    why: str
    waiting: int

    @property
    def purposes(self) -> Sequence[str]:
        """Of which purposes the messages are that it hears of, none for any."""
        return [str(PURPOSES[purpose]) for purpose in self.row.purposes if purpose in PURPOSES]

    @property
    def is_plain(self) -> bool:
        """Whether what it is told can be read on its way."""
        return self.row.url.startswith("http:")


@dataclass(frozen=True, slots=True)
class AttemptView:
    """One try: what came, in words, and the beginning of what the receiver said."""

    at: datetime
    milliseconds: float
    is_taken: bool
    text: str
    answer: str


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """One request to a webhook."""

    row: WebhookDelivery
    look: str
    word: str
    events: str
    last: AttemptView | None

    @property
    def is_over(self) -> bool:
        return self.row.state != _State.WAITING


@dataclass(frozen=True, slots=True)
class History:
    """A page of what a webhook was told. `older` is the query for the page after it, "" where there is none."""

    deliveries: Sequence[DeliveryView]
    state: str
    tabs: Sequence[tuple[str, str]]
    older: str
    is_first: bool
    waits: bool


def webhook_views() -> list[WebhookView]:
    counted = Webhook.objects.annotate(waiting=Count("deliveries", filter=Q(deliveries__state=_State.WAITING)))
    return [_view(row, row.waiting) for row in counted]


def webhook_view(row: Webhook) -> WebhookView:
    return _view(row, row.deliveries.filter(state=_State.WAITING).count())


def history_of(row: Webhook, asked: Mapping[str, str]) -> History:
    """What was asked for by `state` and `before`, the newest first."""
    state, before = asked.get("state", ""), asked.get("before", "")[:26]
    state = state if state in _STATES else ""
    found = row.deliveries.defer("body").order_by("-pk")
    if state:
        found = found.filter(state=state)
    rows = list((found.filter(pk__lt=before) if before else found)[: PAGE + 1])
    more = f"state={state}&before={rows[PAGE - 1].pk}" if len(rows) > PAGE else ""
    shown = [delivery_view(each) for each in rows[:PAGE]]
    tabs = [("", _("All")), *((name, str(word)) for name, word in _STATES.items())]
    return History(shown, state, tabs, more, not before, any(not each.is_over for each in shown))


def delivery_view(row: WebhookDelivery) -> DeliveryView:
    last = attempts_of(row)[0] if row.attempts else None
    return DeliveryView(row, _LOOKS.get(row.state, row.state), str(_STATES.get(row.state, row.state)), _told(row), last)


def attempts_of(row: WebhookDelivery) -> list[AttemptView]:
    """The latest first."""
    return [_attempt(each) for each in reversed(row.attempts)]


def pretty(body: str) -> str:
    """The body with lines and indents, for people."""
    return json.dumps(json.loads(body), indent=2, ensure_ascii=False)


def _attempt(stored: Mapping[str, Any]) -> AttemptView:
    problem = stored["problem"]
    text = translated(Wording.from_json(problem)) if problem else _("Taken with %(status)d.") % stored
    at = datetime.fromisoformat(stored["at"])
    return AttemptView(at, stored["seconds"] * 1_000, not problem, text, stored["answer"])


def _told(row: WebhookDelivery) -> str:
    """ "message.sent", or "3 events: message.sent, message.queued"."""
    kinds = ", ".join(row.kinds)
    if row.event_count == 1:
        return kinds
    count = ngettext("%(n)s event", "%(n)s events", row.event_count) % {"n": words.number(row.event_count)}
    return _("%(count)s: %(kinds)s") % {"count": count, "kinds": kinds}


def _last_problem(row: Webhook) -> str:
    """In the reader's language as long as the request is there that it is about."""
    tried = row.deliveries.defer("body").filter(is_test=False, attempt_count__gt=0).exclude(state=_State.SUCCEEDED)
    latest = max((attempts_of(each)[0] for each in tried.order_by("-pk")[:5]), key=lambda each: each.at, default=None)
    return row.last_problem if latest is None else latest.text


def _view(row: Webhook, waiting: int) -> WebhookView:
    look, word, why = "verified", _("Working"), ""
    if row.paused_for:
        look, word, why = "paused", _("Paused"), str(_PAUSES.get(row.paused_for, ""))
    elif row.failures:
        since = words.since(row.failing_since) if row.failing_since else ""
        look, word, why = "failing", _("Failing since %(when)s") % {"when": since}, _last_problem(row)
    elif row.last_success_at is None:
        look, word = "unverified", _("Not tried yet")
    count = len(row.events)
    heard = ngettext("%(n)s event", "%(n)s events", count) % {"n": count} if count else _("Every event")
    return WebhookView(row, shown_url(row.url), heard, look, word, why, waiting)
