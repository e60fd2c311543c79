"""What becomes of a request to a webhook: when it is tried again, when it is given up, when its webhook is paused."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

# A receiver that is restarted misses nothing; one that is down for a weekend is not asked every minute.
_PAUSES_S = (5.0, 30.0, 120.0, 600.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0)
GIVE_UP_AFTER = timedelta(days=3)
# A webhook that has failed for so long, so often, is paused: nobody waits there any more.
PAUSE_AFTER = timedelta(days=3)
PAUSE_FAILURES = 10
# From so many failures in a row on, one request at a time finds out whether the receiver is back.
SUSPECT_FAILURES = 3
# Events. What waits for one webhook takes room in the database; more means a receiver that does not keep up.
MOST_WAITING = 100_000
_GONE = 410
_LATER = (429, 503)
_LONGEST_ASKED_S = 3_600.0


class Verdict(StrEnum):
    """What an answer means."""

    TAKEN = "taken"
    REFUSED = "refused"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Standing:
    """A webhook before an attempt that failed: failures since its last success, the first of them, whether it is on."""

    failures: int
    failing_since: datetime | None


def verdict_of(status: int) -> Verdict:
    """Any 2xx is taken. A redirect is refused: the address was checked, the one it names was not."""
    if 200 <= status < 300:
        return Verdict.TAKEN
    return Verdict.GONE if status == _GONE else Verdict.REFUSED


def pause_s(attempt_count: int, jitter: float, status: int = 0, asked_s: float | None = None) -> float:
    """Seconds until the attempt after number `attempt_count`; `jitter` is from 0 up to 1. What the receiver asks for
    (`Retry-After`, with 429 and 503) counts where it is longer, up to an hour."""
    seconds = _PAUSES_S[min(max(attempt_count, 1), len(_PAUSES_S)) - 1] * (0.75 + 0.5 * jitter)
    return max(seconds, min(asked_s, _LONGEST_ASKED_S)) if asked_s is not None and status in _LATER else seconds


def is_given_up(standing: Standing, now: datetime) -> bool:
    """Whether the webhook is paused with this failure, which counts already."""
    since = standing.failing_since
    return since is not None and standing.failures >= PAUSE_FAILURES and now - since >= PAUSE_AFTER
