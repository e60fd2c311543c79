"""How the engines stand with the servers, told for pages; and shares of a server's connections. Blocking."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from django.db import transaction

from .models import LaneState, SmtpServer

# A row older than this is of an engine that is gone, or has nothing to say.
FRESH = timedelta(seconds=30)
SLOTS_FOR = timedelta(seconds=15)
_SAID = ("at", "sessions", "allowed", "held_by", "held_until", "cooldown_until", "slowed_at", "slowed_reply", "rate")


def store_states(states: Sequence[LaneState]) -> None:
    """Write rows of this engine; those of servers that were removed meanwhile are left out."""
    with transaction.atomic():
        known = set(SmtpServer.objects.filter(pk__in=[s.server_id for s in states]).values_list("pk", flat=True))
        LaneState.objects.bulk_create(
            [state for state in states if state.server_id in known], update_conflicts=True,
            unique_fields=("server", "engine"), update_fields=_SAID,
        )


def leave_states(engine: str) -> None:
    """This engine ends in good order: its rows and its share of connections go with it."""
    LaneState.objects.filter(engine=engine).delete()


def share_slots(engine: str, limits: Mapping[str, int], now: datetime) -> dict[str, int]:
    """This engine's share of each server's connections, by the server's id, for `SLOTS_FOR` from now.

    Every living engine gets as many; no more are given away than the limit has, whoever still holds how many."""
    return {server_id: _share(engine, server_id, most, now) for server_id, most in sorted(limits.items())}


def _share(engine: str, server_id: str, most: int, now: datetime) -> int:
    with transaction.atomic():
        if SmtpServer.objects.select_for_update(no_key=True).filter(pk=server_id).first() is None:
            return 0
        others = list(
            LaneState.objects.filter(server=server_id, slots_until__gt=now).exclude(engine=engine)
            .values_list("slots", flat=True)
        )
        slots = max(0, min(-(-most // (len(others) + 1)), most - sum(others)))
        LaneState.objects.update_or_create(
            server_id=server_id, engine=engine,
            defaults={"slots": slots, "slots_until": now + SLOTS_FOR}, create_defaults={
                "slots": slots, "slots_until": now + SLOTS_FOR, "at": now,
            },
        )
        return slots
