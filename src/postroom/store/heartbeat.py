"""The engine's sign of life, which the other processes and the command line read."""

from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from .models import InstanceValue

NAME = "engine_heartbeat"
# Several beats may be late on a busy machine (the engine gives one every 5 s).
MAX_AGE = timedelta(seconds=30)


def store_heartbeat(at: datetime, state: str) -> None:
    """Note that the engine is "running", or has "stopped" in good order."""
    InstanceValue.objects.update_or_create(name=NAME, defaults={"value": {"at": at.isoformat(), "state": state}})


def engine_is_running() -> bool:
    """Whether an engine has given a sign of life lately, and not said goodbye since."""
    row = InstanceValue.objects.filter(name=NAME).first()
    value = row.value if row is not None and isinstance(row.value, dict) else {}
    at = parse_datetime(str(value.get("at", "")))
    is_fresh = at is not None and at.tzinfo is not None and timezone.now() - at < MAX_AGE
    return is_fresh and value.get("state") != "stopped"
