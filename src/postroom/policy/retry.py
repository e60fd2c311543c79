"""When to try again. Randomness is an argument: `jitter` is a number from 0 up to 1, evenly spread.

How soon, and for how long, depends on the purpose: a password reset is of no use after an hour's pause, a report keeps.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Schedule:
    """Pauses between attempts double from `first_s` up to `longest_s`; a message is given up after `lifetime`."""

    first_s: float
    longest_s: float
    lifetime: timedelta


# RFC 5321 section 4.5.4.1 asks for at least 30 minutes between tries, sooner at first where failures pass quickly, and
# gives up after 4 to 5 days. Most greylisting lets the second try pass after 1 to 5 minutes.
SCHEDULES: Mapping[str, Schedule] = MappingProxyType({
    "alert": Schedule(30.0, 900.0, timedelta(days=1)),
    "notification": Schedule(60.0, 1_800.0, timedelta(days=2)),
    "communication": Schedule(120.0, 3_600.0, timedelta(days=4)),
    "report": Schedule(300.0, 3_600.0, timedelta(days=2)),
})

# How long a server that failed as a whole is left alone, doubled with each failure in a row. A refused sign-in waits
# longer: repeated ones lock accounts.
COOLDOWN_FIRST_S = 15.0
COOLDOWN_SIGN_IN_FIRST_S = 120.0
COOLDOWN_LONGEST_S = 900.0


def schedule_of(purpose: str) -> Schedule:
    """The schedule of a purpose; a purpose that is not known is a notification."""
    return SCHEDULES.get(purpose, SCHEDULES["notification"])


def lifetime_of(purpose: str) -> timedelta:
    """How long a message of that purpose is tried, where its client names no end."""
    return schedule_of(purpose).lifetime


def backoff_s(attempt_count: int, jitter: float, purpose: str = "notification") -> float:
    """Seconds until the attempt after number `attempt_count`, up to a quarter more or less than the schedule says."""
    schedule = schedule_of(purpose)
    seconds = min(schedule.first_s * 2.0 ** min(max(attempt_count, 1) - 1, 16), schedule.longest_s)
    return seconds * (0.75 + 0.5 * jitter)


def next_due(now: datetime, wait_s: float, expires_at: datetime) -> datetime:
    """When the next attempt is due; never after the message expires, so that giving up is not put off."""
    return min(now + timedelta(seconds=wait_s), max(now, expires_at))


def coming_attempts(
    attempt_count: int, due_at: datetime, expires_at: datetime, purpose: str, at_most: int
) -> list[datetime]:
    """When attempts will be made if none succeeds, by the middle of their pauses: the one that is due, and those after
    it."""
    times: list[datetime] = []
    number, at = attempt_count, due_at
    while at < expires_at and len(times) < at_most:
        times.append(at)
        number += 1
        at += timedelta(seconds=backoff_s(number, 0.5, purpose))
    return times


def attempts_expected(
    attempt_count: int, due_at: datetime, expires_at: datetime, purpose: str = "notification"
) -> int:
    """About how many attempts there will be in all if none succeeds: those made, the one that is due, and those after
    it by the middle of their pauses."""
    return attempt_count + len(coming_attempts(attempt_count, due_at, expires_at, purpose, 10_000))


def cooldown_s(failures: int, jitter: float, *, sign_in: bool) -> float:
    """Seconds to leave a server alone after `failures` failures in a row (from 1)."""
    first_s = COOLDOWN_SIGN_IN_FIRST_S if sign_in else COOLDOWN_FIRST_S
    seconds = min(first_s * 2.0 ** min(max(failures, 1) - 1, 16), COOLDOWN_LONGEST_S)
    return seconds * (0.75 + 0.5 * jitter)
