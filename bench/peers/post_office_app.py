"""django-post_office with its best settings: send_many in thousands, two processes of ten threads, kept connections.

It keeps a log of what it sent, which is its default, as Postroom keeps its attempts.

`python -m bench.peers.post_office_app WHAT …`: `prepare` makes the tables, `enqueue MESSAGES` prints the seconds that
it took, `deliver` works until nothing is queued. BENCH_DATABASE is a file of SQLite (WAL, every commit synced) or the
URL of PostgreSQL, BENCH_SINK the port that mail goes to.
"""

import os
import sys
import time
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import django
from django.conf import settings

BATCH = 1_000
PROCESSES, THREADS = 2, 10


def _database(place: str) -> dict[str, Any]:
    if not place.startswith("postgresql://"):
        pragmas = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
        options = {"transaction_mode": "IMMEDIATE", "timeout": 60, "init_command": pragmas}
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": place, "OPTIONS": options}
    url = urlsplit(place)
    return {
        "ENGINE": "django.db.backends.postgresql", "NAME": url.path.lstrip("/"), "USER": url.username or "",
        "PASSWORD": unquote(url.password or ""), "HOST": url.hostname or "", "PORT": str(url.port or ""),
        "OPTIONS": dict(parse_qsl(url.query)), "CONN_MAX_AGE": None,
    }


settings.configure(
    SECRET_KEY="benchmark",
    INSTALLED_APPS=["django.contrib.contenttypes", "post_office"],
    DATABASES={"default": _database(os.environ["BENCH_DATABASE"])},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    EMAIL_HOST="127.0.0.1",
    EMAIL_PORT=int(os.environ["BENCH_SINK"]),
    POST_OFFICE={"BATCH_SIZE": BATCH, "THREADS_PER_PROCESS": THREADS, "LOG_LEVEL": 2},
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
    USE_TZ=True,
)
django.setup()

from bench import traffic  # noqa: E402 - Django needs its settings first


def _enqueue(messages: int) -> float:
    from post_office import mail

    begun_s = time.perf_counter()
    for start in range(0, messages, BATCH):
        bodies = [traffic.body(n, "post_office") for n in range(start, min(messages, start + BATCH))]
        mail.send_many(
            [
                {"sender": "reports@example.com", "recipients": b["to"], "subject": b["subject"], "message": b["text"]}
                for b in bodies
            ]
        )
    return time.perf_counter() - begun_s


def main() -> int:
    from django.core.management import call_command

    what = sys.argv[1]
    if what == "prepare":
        call_command("migrate", verbosity=0)
    elif what == "enqueue":
        print(_enqueue(int(sys.argv[2])))
    else:
        call_command("send_queued_mail", processes=PROCESSES, log_level=2)
    return 0


if __name__ == "__main__":
    sys.exit(main())
