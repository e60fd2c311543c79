"""Fills a data directory for measuring: messages, an activity log, an audit trail, and somebody who is signed in.

POSTROOM_DATA=… python -m tests.load.filling 100000    prints the key of the session
"""

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

LINES_PER_MESSAGE = 2
MESSAGES_PER_CHANGE = 10
DAYS = 30
# One day of a log may be far busier than the others.
SHARE_OF_TODAY = 0.5


def fill_all(messages: int) -> str:
    """Fill the present settings' data directory; the session's key."""
    from django.conf import settings
    from django.core.management import call_command
    from tests.rig.filled import fill

    from postroom.flow.users.first_start import hide_checklist

    call_command("migrate", verbosity=0)
    now = datetime.now(UTC)
    fill(messages, days=DAYS, now=now)
    _log(Path(settings.DATA_DIR) / "logs", messages * LINES_PER_MESSAGE, now)
    _audit(messages // MESSAGES_PER_CHANGE)
    hide_checklist()
    return _session()


def _log(folder: Path, lines: int, now: datetime) -> None:
    """Half of the lines today, the others evenly over the days before; indexed, as the engine does."""
    from postroom.store.activity_index import DayIndex

    since = now.replace(hour=0, minute=0, second=0, microsecond=0)
    todays = int(lines * SHARE_OF_TODAY)
    each = (lines - todays) // (DAYS - 1)
    for ago in range(DAYS):
        begin = since - timedelta(days=ago)
        length, number = ((now - since), todays) if ago == 0 else (timedelta(days=1), each)
        day = folder / begin.date().isoformat()
        day.mkdir(parents=True, exist_ok=True)
        with (day / "smtp-activity.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(_line(n, begin + n * length / max(1, number)) for n in range(number))
        DayIndex(folder, begin.date()).catch_up(within_s=600)


def _line(number: int, at: datetime) -> str:
    went = number % 20 != 0
    entry = {
        "at": at.isoformat(timespec="milliseconds"), "kind": "delivery", "outcome": "sent" if went else "deferred",
        "server": f"Server {number % 3}", "server_id": f"{number % 3:026d}", "stage": "message",
        "recipient": f"person{number % 500}@norrvik.example", "message": f"{number:026d}",
        "delivery": f"{number:026d}", "subject": f"Depot report {number % 40}", "seconds": 0.2,
        "reply": "250 2.0.0 Ok: queued" if went else "450 4.2.0 greylisted, try again in 5 minutes",
        "severity": "information" if went else "warning", "code": 250 if went else 450,
    }
    if not went:
        entry |= {"cause": "recipient-greylisted", "title": "The server asks to come back later (greylisting)."}
    return json.dumps(entry) + "\n"


def _audit(changes: int) -> None:
    from postroom.store.models import AuditEntry

    AuditEntry.objects.bulk_create(
        [
            AuditEntry(actor="marta@norrvik.example", action="server.update", subject=f"Server {n % 7}",
                       changes={"port": [587, 465]})
            for n in range(changes)
        ],
        batch_size=1_000,
    )


def _session() -> str:
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    from postroom.store.models import User

    user = User.objects.create_user(
        "marta@norrvik.example", "correct horse battery staple", name="Marta Keller", role=User.Role.ADMINISTRATOR
    )
    session = SessionStore()
    session.update({
        SESSION_KEY: user.pk, BACKEND_SESSION_KEY: "django.contrib.auth.backends.ModelBackend",
        HASH_SESSION_KEY: user.get_session_auth_hash(),
    })
    session.save()
    return str(session.session_key)


if __name__ == "__main__":
    import django

    django.setup()
    print(fill_all(int(sys.argv[1])))
