"""Days of an activity log to read."""

import json
import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from postroom.store.activity_log import FILE_NAME

DAY = date(2026, 11, 21)
START = datetime(2026, 11, 21, tzinfo=UTC)
TROUBLE = (
    {"kind": "delivery", "outcome": "deferred", "severity": "warning", "cause": "sending-rate-exceeded",
     "title": "The server asked to slow down", "stage": "message", "code": 454, "reply": "454 4.7.0 Throttling"},
    {"kind": "delivery", "outcome": "failed", "severity": "error", "cause": "recipient-unknown", "stage": "recipient",
     "title": "The recipient does not exist", "code": 550, "enhanced": "5.1.1", "reply": "550 5.1.1 user unknown"},
    {"kind": "session", "outcome": "error", "severity": "error", "cause": "auth-failed", "stage": "authenticate",
     "title": "Sign-in refused", "code": 535, "reply": "535 5.7.8 Authentication failed"},
)


def entry(number: int, at: datetime, **values: Any) -> dict[str, Any]:
    """A message that was sent, but for `values`."""
    return {
        "at": at.isoformat(timespec="milliseconds"), "kind": "delivery", "outcome": "sent", "server": "Relay",
        "severity": "information", "recipient": f"user{number}@norrvik.example", "subject": f"Invoice {number}",
        "message": f"M{number:025d}", "message_id": f"<{number}@norrvik.example>", "code": 250, "reply": "250 2.0.0 ok",
        **values,
    }


def mixed(count: int, seed: int = 1, start: datetime = START) -> list[dict[str, Any]]:
    """Entries over a day, some of them trouble, from two servers."""
    chance = random.Random(seed)
    made = []
    for number in range(count):
        at = start + timedelta(seconds=86_400 * number / count)
        trouble = chance.choice(TROUBLE) if chance.random() < 0.2 else {}
        server = chance.choice(("Relay", "Amazon SES"))
        made.append(entry(number, at, server=server, **trouble))
    return made


def write(folder: Path, day: date, entries: Sequence[dict[str, Any]]) -> Path:
    """Append the entries to the day's log."""
    path = folder / day.isoformat() / FILE_NAME
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.writelines(json.dumps(each) + "\n" for each in entries)
    return path
