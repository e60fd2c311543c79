"""When to try again. Randomness is an argument: `jitter` is a number from 0 up to 1, evenly spread."""

from datetime import datetime, timedelta

# RFC 5321 section 4.5.4.1 asks for at least 30 minutes between tries, sooner at first where failures pass quickly; most
# greylisting lets the second try pass after 1 to 5 minutes.
FIRST_S = 60.0
LONGEST_S = 3_600.0
# RFC 5321 section 4.5.4.1 gives up after 4 to 5 days; a report is stale after 2.
LIFETIME = timedelta(days=2)

# How long a server that failed as a whole is left alone, doubled with each failure in a row. A refused sign-in waits
# longer: repeated ones lock accounts.
COOLDOWN_FIRST_S = 15.0
COOLDOWN_SIGN_IN_FIRST_S = 120.0
COOLDOWN_LONGEST_S = 900.0


def backoff_s(attempt_count: int, jitter: float) -> float:
    """Seconds until the attempt after number `attempt_count`: 1, 2, 4 … 60 minutes, up to a quarter more or less."""
    seconds = min(FIRST_S * 2.0 ** min(max(attempt_count, 1) - 1, 16), LONGEST_S)
    return seconds * (0.75 + 0.5 * jitter)


def next_due(now: datetime, wait_s: float, expires_at: datetime) -> datetime:
    """When the next attempt is due; never after the message expires, so that giving up is not put off."""
    return min(now + timedelta(seconds=wait_s), max(now, expires_at))


def attempts_expected(attempt_count: int, due_at: datetime, expires_at: datetime) -> int:
    """About how many attempts there will be in all if none succeeds: those made, the one that is due, and those after
    it by the middle of their pauses."""
    number, at = attempt_count, due_at
    while at < expires_at:
        number += 1
        at += timedelta(seconds=backoff_s(number, 0.5))
    return max(number, attempt_count)


def cooldown_s(failures: int, jitter: float, *, sign_in: bool) -> float:
    """Seconds to leave a server alone after `failures` failures in a row (from 1)."""
    first_s = COOLDOWN_SIGN_IN_FIRST_S if sign_in else COOLDOWN_FIRST_S
    seconds = min(first_s * 2.0 ** min(max(failures, 1) - 1, 16), COOLDOWN_LONGEST_S)
    return seconds * (0.75 + 0.5 * jitter)
