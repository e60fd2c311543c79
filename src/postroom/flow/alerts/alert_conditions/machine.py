"""The machine: the engine that should run on it and what it does beside deliveries, and the room on its disk."""

import shutil
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.conf import settings as site_settings

from postroom.store.heartbeat import last_heartbeat
from postroom.store.looker_faults import looker_faults
from postroom.terms.wording import Wording, worded

from .found import Found

_MEGABYTE = 1024 * 1024
_WORK: Mapping[str, Wording] = {
    "alerts": worded("Looking for what is wrong"),
    "bounce-mailbox": worded("Reading the mailbox for bounces"),
    "communications": worded("Writing announcements, invitations and links for passwords"),
    "domain-checks": worded("Looking at the DNS of domains"),
    "engine-watch": worded("Looking whether delivery runs"),
    "leases-of-runs": worded("Keeping runs of subscriptions to one engine"),
    "runs": worded("Carrying out runs of subscriptions"),
    "scheduler": worded("Beginning runs of subscriptions on their schedules"),
    "server-tests": worded("Testing SMTP servers"),
    "source-tries": worded("Trying report sources"),
    "submission-certificate": worded("Watching the certificate of the submission door"),
    "webhooks": worded("Calling webhooks"),
}


def engine_missing(settings: Mapping[str, int], now: datetime) -> list[Found]:
    """No engine has given a sign of life for so many minutes; none that was ever heard of counts as well, since a
    process that serves pages runs beside one."""
    heard_at = last_heartbeat()
    if heard_at is not None and now - heard_at < timedelta(minutes=max(settings["minutes"], 1)):
        return []
    return [Found(
        "", "", worded("Delivery is not running"),
        worded("No engine was ever heard of. Messages are accepted and wait; no mail is lost.") if heard_at is None
        else worded("No engine has been heard of since {at}. Messages are accepted and wait; no mail is lost.",
                    at=f"{heard_at:%Y-%m-%d %H:%M} UTC"),
        (worded("Start it with: postroom run, or where roles run apart: postroom serve engine."),), link="/queue",
    )]


def work_standing(settings: Mapping[str, int], now: datetime) -> list[Found]:
    """What is done beside deliveries and has failed each time for so many minutes."""
    until = now - timedelta(minutes=settings["minutes"])
    return [
        Found(
            fault.name, fault.name,
            worded("Postroom's own work stands still: {work}", work=_WORK.get(fault.name, fault.name)),
            worded("It has failed each time since {at}, and is tried again and again. Other work goes on.",
                   at=f"{fault.since:%Y-%m-%d %H:%M} UTC"),
            (
                worded("Where the reason below names the disk or the database, put that right."),
                worded("Otherwise it is a fault of Postroom: its log has the details."),
            ),
            fault.text,
        )
        for fault in looker_faults() if fault.since <= until
    ]


def disk_low(settings: Mapping[str, int], now: datetime) -> list[Found]:
    """Less than so many megabytes are left where the data directory lies."""
    del now
    free = shutil.disk_usage(site_settings.DATA_DIR).free // _MEGABYTE
    if free >= settings["megabytes"]:
        return []
    return [Found(
        "", "", worded("Only {free} MB are left on the disk", free=free),
        worded("A full disk refuses new mail; what was accepted still leaves."),
        (worded("Free some room, or keep less: Storage and retention shows what takes it."),), link="/storage",
    )]
