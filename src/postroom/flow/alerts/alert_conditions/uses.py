"""What runs beside delivery: subscriptions, the mailbox for bounces, webhooks."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from postroom.store.models import BounceMailbox, Run, Subscription, Webhook
from postroom.terms.wording import Wording, worded

from .found import Found

_ENDED = (Run.State.SUCCESS, Run.State.WARNING, Run.State.ERROR, Run.State.SKIPPED)
_BROKEN = (Webhook.Pause.FAILING, Webhook.Pause.GONE, Webhook.Pause.BACKLOG)


def subscriptions_failing(settings: Mapping[str, int], now: datetime) -> list[Found]:
    """Subscriptions, not paused, whose last so many runs all ended with an error; what somebody had sent to their own
    address tells nothing of those for everybody."""
    del now
    found = []
    suspects = Run.objects.filter(state=Run.State.ERROR, only_to="", subscription__paused_at=None)
    for id_ in suspects.values_list("subscription_id", flat=True).distinct():
        ended = Run.objects.filter(subscription_id=id_, only_to="", state__in=_ENDED).order_by("-pk")
        last = list(ended.only("state", "problem")[: settings["runs"]])
        if len(last) == settings["runs"] and all(run.state == Run.State.ERROR for run in last):
            found.append(_failing(Subscription.objects.only("name").get(pk=id_), last[0], len(last)))
    return found


def bounce_mailbox_unread(settings: Mapping[str, int], now: datetime) -> list[Found]:
    """The mailbox can't be read, and could not for so many minutes."""
    row = BounceMailbox.objects.filter(enabled=True).exclude(fault="").first()
    if row is None or row.looked_at is None:
        return []
    since = row.fault_since or row.looked_at
    if now - since < timedelta(minutes=settings["minutes"]):
        return []
    return [Found(
        row.pk, row.host, worded("The mailbox for bounces can't be read"),
        worded("{host} refuses Postroom. Bounces are not noticed meanwhile; the mailbox keeps them.", host=row.host),
        (worded("Open Bounce mailbox: it says which step failed."),), row.fault, "/bounce-mailbox",
    )]


def webhooks_paused(settings: Mapping[str, int], now: datetime) -> list[Found]:
    """Webhooks that Postroom paused itself."""
    del settings, now
    return [
        Found(
            row.pk, row.name, worded("The webhook {name} was paused", name=row.name),
            worded("It did not take what happened for long. Nothing more is sent to it until somebody resumes it."),
            (worded("Repair the receiver, then resume the webhook; its history can be sent again."),), row.last_problem,
            f"/webhooks/{row.pk}",
        )
        for row in Webhook.objects.filter(paused_for__in=_BROKEN)
    ]


def _failing(subscription: Subscription, run: Run, number: int) -> Found:
    problem = run.problem or {}
    return Found(
        subscription.pk, subscription.name, worded("{subscription} fails", subscription=subscription.name),
        worded("Its last run ended with an error: {why}", why=_why(problem)) if number == 1
        else worded("Its last {number} runs ended with an error: {why}", number=number, why=_why(problem)),
        (worded("Open its history: each run has a log, and can be tried again."),), str(problem.get("evidence", "")),
        f"/subscriptions/{subscription.pk}",
    )


def _why(problem: Mapping[str, object]) -> Wording:
    try:
        return Wording.from_json(problem["values"])
    except (KeyError, TypeError, ValueError, IndexError):
        return worded("its log says why.")
