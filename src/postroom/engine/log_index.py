"""Keep the indexes of the activity log near their logs, so that a page has little to catch up with.

A little at a time, in a thread of its own: deliveries come first, and a page catches up by itself where it must.
"""

import asyncio
import sqlite3
from datetime import UTC, date, datetime
from pathlib import Path

import structlog

from postroom.store.activity_index import DayIndex
from postroom.store.activity_log import ActivityLog

AT_ONCE_S = 0.1

_log = structlog.get_logger("postroom.log_index")


class LogIndex:
    """The indexes of the logs in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._done: set[date] = set()

    async def look(self) -> None:
        """Catch up with today's log, or else with the newest day that is not indexed to its end; a short while."""
        try:
            await asyncio.to_thread(self._catch_up)
        except (OSError, sqlite3.Error) as error:
            _log.warning("the activity log could not be indexed", error=str(error))

    def _catch_up(self) -> None:
        days = ActivityLog(self._folder).days()
        today = datetime.now(UTC).date()
        for day in reversed(days):
            if day in self._done:
                continue
            progress = DayIndex(self._folder, day).catch_up(AT_ONCE_S)
            if progress.behind_bytes:
                return
            # A day's last lines may come a moment after midnight.
            if (today - day).days > 1:
                self._done.add(day)
