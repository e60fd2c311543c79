"""A load plan as scripts read it, over the API and on the command line."""

from typing import Any

from .load_plan import LoadPlan


def load_plan_json(found: LoadPlan) -> dict[str, Any]:
    """By API names; times as datetimes."""
    return {
        "day": found.day,
        "begins_at": found.begin,
        "arrivals": [
            {
                "subscription": each.load.key or None, "name": each.load.name, "due_at": each.load.at,
                "server": each.load.road or None, "messages": each.load.messages, "size_bytes": each.load.octets,
                "first_at": each.first_at, "last_at": each.last_at, "held_by": str(each.bound),
            }
            for each in found.plan.arrivals
        ],
        "moves": [
            {
                "subscription": move.load.key, "name": move.load.name, "due_at": move.load.at, "to": move.to,
                "late_s_before": int(move.before.total_seconds()), "late_s_after": int(move.after.total_seconds()),
            }
            for move in found.moves
        ],
        "servers": [
            {
                "id": road.id, "name": road.name, "sessions": road.sessions,
                "message_s": round(road.pace.message_s, 3), "bytes_per_s": round(road.pace.octets_per_s),
                "measured": road.pace.measured, "messages_per_minute": road.per_minute,
                "messages_per_day": road.per_day,
            }
            for road in found.roads
        ],
    }
