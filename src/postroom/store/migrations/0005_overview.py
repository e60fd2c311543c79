"""Count the attempts that ended before there was a tally, so that the charts do not begin empty."""

from django.db import migrations

# As `store.tally.ending_of`; deliveries given up without an attempt count where they ended.
_ENDED = """
    SELECT CAST(strftime('%s', a.ended_at) AS INTEGER) AS ended_s, COALESCE(a.server_id, '') AS server_id,
        a.cause AS cause,
        CASE
            WHEN a.outcome = 'deferred' AND (a.moved_to <> '' OR a.stage NOT IN ('sender', 'recipient', 'message'))
            THEN 'fault'
            WHEN a.outcome = 'failed' AND d.state = 'held' THEN 'held'
            ELSE a.outcome
        END AS ending
    FROM store_attempt a JOIN store_delivery d ON d.id = a.delivery_id
    WHERE a.ended_at IS NOT NULL AND a.outcome <> ''
    UNION ALL
    SELECT CAST(strftime('%s', updated_at) AS INTEGER), '', cause, 'failed'
    FROM store_delivery WHERE state = 'failed' AND cause = 'queue-expired'
"""
COUNT = """
    INSERT INTO store_deliverytally (width_s, starts_at, server_id, outcome, cause, attempts)
    SELECT w.width_s, datetime(e.ended_s - e.ended_s % w.width_s, 'unixepoch'), e.server_id, e.ending, e.cause, count(*)
    FROM (""" + _ENDED + """) e
    JOIN (SELECT 300 AS width_s, 9 AS days UNION ALL SELECT 3600, 400) w
    WHERE e.ended_s > CAST(strftime('%s', 'now') AS INTEGER) - 86400 * w.days
    GROUP BY 1, 2, 3, 4, 5
"""


class Migration(migrations.Migration):

    dependencies = [
        ("store", "0004_messages"),
    ]

    operations = [
        migrations.RunSQL(("DELETE FROM store_deliverytally", COUNT), migrations.RunSQL.noop),
    ]
