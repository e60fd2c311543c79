"""The engines' signs of life, which the other processes and the command line read."""

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from .models import InstanceValue

NAME = "engine_heartbeat"
# Several beats may be late on a busy machine (the engine gives one every 5 s).
MAX_AGE = timedelta(seconds=30)
# An engine that was not heard of for so long will not come back under its name.
KEPT = timedelta(days=1)


def store_heartbeat(at: datetime, state: str, engine: str = "") -> None:
    """Note that the engine of that name is "running", or has "stopped" in good order."""
    name = f"{NAME}:{engine}" if engine else NAME
    InstanceValue.objects.update_or_create(name=name, defaults={"value": {"at": at.isoformat(), "state": state}})


def forget_old_heartbeats(now: datetime) -> None:
    """Delete those of engines that are gone for good."""
    InstanceValue.objects.filter(name__startswith=f"{NAME}:", updated_at__lt=now - KEPT).delete()


def engine_is_running() -> bool:
    """Whether an engine has given a sign of life lately, and not said goodbye since."""
    return any(_is_running(row.value) for row in InstanceValue.objects.filter(name__startswith=NAME))


def last_heartbeat() -> datetime | None:
    """When any engine was heard of last, at work or at its end; None for none ever."""
    found = []
    for row in InstanceValue.objects.filter(name__startswith=NAME):
        at = parse_datetime(str(row.value.get("at", ""))) if isinstance(row.value, dict) else None
        if at is not None and at.tzinfo is not None:
            found.append(at)
    return max(found, default=None)


def _is_running(value: object) -> bool:
    beat = value if isinstance(value, dict) else {}
    at = parse_datetime(str(beat.get("at", "")))
    is_fresh = at is not None and at.tzinfo is not None and timezone.now() - at < MAX_AGE
    return is_fresh and beat.get("state") != "stopped"
