"""Times as Django's SQLite backend writes them: UTC without offset, a space between date and time.

So pages read the queue's rows through the ORM, and texts compare in the order of time.
"""

from datetime import UTC, datetime


def text_of(at: datetime) -> str:
    """An aware time as Django's SQLite backend stores it."""
    return str((at if at.tzinfo is UTC else at.astimezone(UTC)).replace(tzinfo=None))


def time_of(text: str) -> datetime:
    """Inverse of `text_of`; raises ValueError or TypeError on anything else."""
    return datetime.fromisoformat(f"{text}+00:00")
