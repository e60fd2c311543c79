"""Outcome notices: when a run ends, whom its subscription names for that outcome is told, with the run's log."""

from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from asgiref.sync import sync_to_async
from django.conf import settings
from django.utils.translation import override

from postroom.store.models import OutcomeNotice, Run
from postroom.terms.problem import Problem
from postroom.terms.wording import Wording, worded

from ..acceptance.accept import Acceptor
from ..instance.instance import Site, site
from ..messages.request import Person, key_conflict
from ..notices.notification import OUTCOMES, Notification, notification_bodies, recipients_of
from .run_log import log_text

CLIENT = "Run notices"


async def tell(run: Run, acceptor: Acceptor, now: datetime) -> None:
    """Queue the notices of a run whose `state` is the outcome it is about to have; asked again for the same end, it
    queues nothing twice. A run that somebody had try again ends anew, and is told anew. Raises Problem."""
    bodies = await sync_to_async(_bodies)(run, now)
    if not bodies:
        return
    try:
        key = f"run-{run.pk}-notice-{run.state}" + (f"-{run.reopened}" if run.reopened else "")
        await acceptor.accept_batch({"messages": bodies}, Person(run.subscription_id, CLIENT), key)
    except Problem as problem:
        # Asked again after a crash, with a line more in the log: the notice of the first time is in the queue.
        if problem.slug != key_conflict().slug:
            raise


def _bodies(run: Run, now: datetime) -> list[dict[str, object]]:
    if run.state not in OUTCOMES:
        return []
    notice = OutcomeNotice.objects.filter(subscription=run.subscription_id, outcome=run.state).first()
    if notice is None or not notice.addresses:
        return []
    return notification_bodies(_notification(run, notice, now), recipients_of(notice.addresses))


def _notification(run: Run, notice: OutcomeNotice, now: datetime) -> Notification:
    home, problem = site(), run.problem or {}
    begun = (run.nominal_at or run.started_at or now).astimezone(_zone(run, home))
    facts = [
        (worded("Planned for") if run.nominal_at else worded("Began"), f"{begun:%Y-%m-%d %H:%M %Z}"),
        (worded("Recipients"), str(run.planned)),
    ]
    if run.left_out:
        facts.append((worded("Left out"), str(run.left_out)))
    if problem.get("evidence"):
        facts.append((worded("What the source said"), str(problem["evidence"])))
    with override(home.language):
        log = log_text(run) if notice.with_log else ""
    return Notification(
        job=run.subscription.name, outcome=run.state, text=_why(problem), log=log,
        run_url=f"{settings.PUBLIC_URL}/runs/{run.pk}", facts=facts,
    )


def _why(problem: Mapping[str, Any]) -> str:
    """Why it did not succeed, so that each reader hears it in their language; "" where it did."""
    try:
        return Wording.from_json(problem["values"])
    except (KeyError, TypeError, ValueError, IndexError):
        return str(problem.get("text", ""))


def _zone(run: Run, home: Site) -> tzinfo:
    """The zone of the subscription's schedule, else the site's."""
    try:
        return ZoneInfo(str(run.subscription.schedule["time_zone"]))
    except (KeyError, ValueError, ZoneInfoNotFoundError):
        return home.zone
