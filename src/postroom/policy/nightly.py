"""When the nightly check of the servers is due."""

from datetime import UTC, datetime, time, timedelta, tzinfo

AT = time(3, 0)
# A night missed while nothing ran is made up for when the last check is older than this.
OVERDUE = timedelta(hours=24)


def last_night(now: datetime, zone: tzinfo) -> datetime:
    """The latest 03:00 of the zone that is not after `now`. Where clocks jump over it, the instant at which they do;
    where they show it twice, the first time."""
    today = now.astimezone(zone).date()
    nights = (datetime.combine(today - timedelta(days=back), AT, tzinfo=zone).astimezone(UTC) for back in (0, 1, 2))
    return next(night for night in nights if night <= now)


def is_check_due(now: datetime, zone: tzinfo, *, last: datetime | None, running_since: datetime) -> bool:
    """Whether the servers are to be checked now; `last` is when that began last, None when never.

    A `last` more than a day ahead comes of a clock that was wrong, and counts for nothing."""
    night = last_night(now, zone)
    if last is not None and last - now > OVERDUE:
        last = None
    if last is not None and last >= night:
        return False
    return night >= running_since or last is None or now - last > OVERDUE
