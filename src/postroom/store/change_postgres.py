"""Hears of commits on PostgreSQL: a thread listens, and counts what it hears."""

import threading

import psycopg
import structlog

from .database import CHANNEL, connected

# A closed listener ends within this time; a lost connection is sought again after a pause.
_HEARS_S = 0.25
_PAUSE_S = 1.0

_log = structlog.get_logger("postroom.store")


class PostgresChange:
    """See `change.Change`. While the connection is lost nothing is heard; that it is back counts as a change."""

    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        self._heard = 0
        self._known = -1
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)
        self._thread.start()

    def has_come(self) -> bool:
        before, self._known = self._known, self._heard
        return before != self._known

    def close(self) -> None:
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.is_set():
            try:
                self._listen()
            except psycopg.Error as error:
                _log.warning("commits of others are not heard at the moment", error=str(error).partition("\n")[0])
                self._closing.wait(_PAUSE_S)

    def _listen(self) -> None:
        with connected(self._conninfo) as connection:
            connection.execute(f"LISTEN {CHANNEL}")
            self._heard += 1
            while not self._closing.is_set():
                for _ in connection.notifies(timeout=_HEARS_S, stop_after=1):
                    self._heard += 1
