"""Count the attempts that ended before there was a tally, so that the charts do not begin empty."""

from django.db import migrations

# As `store.tally.ending_of`; deliveries given up without an attempt count where they ended.
_ENDED = """
    SELECT {ended_s} AS ended_s, COALESCE(a.server_id, '') AS server_id,
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
    SELECT {updated_s}, '', cause, 'failed'
    FROM store_delivery WHERE state = 'failed' AND cause = 'queue-expired'
"""
COUNT = """
    INSERT INTO store_deliverytally (width_s, starts_at, server_id, outcome, cause, attempts)
    SELECT w.width_s, {starts_at}, e.server_id, e.ending, e.cause, count(*)
    FROM (""" + _ENDED + """) e
    CROSS JOIN (SELECT 300 AS width_s, 9 AS days UNION ALL SELECT 3600, 400) w
    WHERE e.ended_s > {now_s} - 86400 * w.days
    GROUP BY 1, 2, 3, 4, 5
"""

_EXPRESSIONS = {
    "sqlite": {
        "ended_s": "CAST(strftime('%s', a.ended_at) AS INTEGER)",
        "updated_s": "CAST(strftime('%s', updated_at) AS INTEGER)",
        "starts_at": "datetime(e.ended_s - e.ended_s % w.width_s, 'unixepoch')",
        "now_s": "CAST(strftime('%s', 'now') AS INTEGER)",
    },
    "postgresql": {
        "ended_s": "floor(extract(epoch FROM a.ended_at))::bigint",
        "updated_s": "floor(extract(epoch FROM updated_at))::bigint",
        "starts_at": "to_timestamp(e.ended_s - e.ended_s % w.width_s)",
        "now_s": "extract(epoch FROM now())",
    },
}


def count_statement(vendor):
    return COUNT.format(**_EXPRESSIONS[vendor])


def count(_apps, schema_editor):
    schema_editor.execute("DELETE FROM store_deliverytally", None)
    schema_editor.execute(count_statement(schema_editor.connection.vendor), None)


class Migration(migrations.Migration):

    dependencies = [
        ("store", "0004_messages"),
    ]

    operations = [
        migrations.RunPython(count, migrations.RunPython.noop),
    ]
