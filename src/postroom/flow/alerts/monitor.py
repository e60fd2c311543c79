"""Monitor: everything that `/metrics` tells, read at once. Servers are named by id: no name, host or address leaves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from postroom.store import totals
from postroom.store.heartbeat import engine_is_running
from postroom.store.totals import Total

from ..delivery.sample_queue import oldest_waiting
from .alerts import open_by_severity

# Engines tell about once a second how they stand with each server.
SESSIONS_FRESH = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class ServerFigures:
    """One SMTP server. `certificate_days` is None where its certificate was not seen."""

    id: str
    state: str
    takes_deliveries: bool
    sessions: int
    certificate_days: float | None


@dataclass(frozen=True, slots=True)
class Monitored:
    """See above. `depths`, `suppressions` and `alerts` have every state, reason and severity, also those that
    nothing is in."""

    engine_is_running: bool
    attempts: Sequence[Total]
    depths: Mapping[str, int]
    oldest_s: float
    servers: Sequence[ServerFigures]
    suppressions: Mapping[str, int]
    alerts: Mapping[str, int]


def monitored(now: datetime) -> Monitored:
    """The figures of this moment."""
    oldest_at, sessions = oldest_waiting(now), totals.open_sessions(now - SESSIONS_FRESH)
    return Monitored(
        engine_is_running=engine_is_running(),
        attempts=totals.attempt_totals(),
        depths=totals.depths_by_state(),
        oldest_s=max(0.0, (now - oldest_at).total_seconds()) if oldest_at else 0.0,
        servers=[
            ServerFigures(
                row.pk, row.state, row.takes_deliveries, sessions.get(row.pk, 0),
                _days(row.certificate_expires_at, now),
            )
            for row in totals.servers()
        ],
        suppressions=totals.suppressions(),
        alerts=open_by_severity(),
    )


def _days(until: datetime | None, now: datetime) -> float | None:
    return None if until is None else (until - now) / timedelta(days=1)
