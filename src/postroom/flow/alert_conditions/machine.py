"""The machine: the engine that should run on it, and the room on its disk."""

import shutil
from collections.abc import Mapping
from datetime import datetime, timedelta

from django.conf import settings as site_settings

from postroom.store.heartbeat import last_heartbeat
from postroom.terms.wording import worded

from .found import Found

_MEGABYTE = 1024 * 1024


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
