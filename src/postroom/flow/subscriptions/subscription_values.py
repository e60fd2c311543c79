"""A subscription by its API names: what can be set, for the audit trail, the API, the command line and forms."""

from typing import Any

from postroom.store.models import Subscription

from .subscribers import subscriber_json


def called(name_or_id: str) -> Subscription | None:
    """The subscription of that id or name, with what it refers to; None where there is none."""
    found = Subscription.objects.select_related("source", "owner", "template", "calendar", "server")
    return found.filter(pk=name_or_id[:26]).first() or found.filter(name=name_or_id[:100]).first()


def subscription_values(row: Subscription) -> dict[str, Any]:
    """Everything that `flow.subscriptions.subscribe` takes, with ids for what it refers to and the template by its
    name."""
    return {
        "name": row.name,
        "description": row.description,
        "owner": row.owner.email if row.owner else None,
        "source": row.source_id,
        "parameters": row.parameters,
        "schedule": row.schedule or None,
        "on_push": row.on_push,
        "calendar": row.calendar_id,
        "catch_up": str(row.catch_up),
        "catch_up_within_s": row.catch_up_within_s,
        "template": row.template.name if row.template else None,
        "subject": row.subject,
        "text": row.text,
        "language": row.language,
        "form": str(row.form),
        "link_when_large": row.link_when_large,
        "link_days": row.link_days,
        "conditions": row.conditions,
        "iteration": row.iteration or None,
        "retry": row.retry,
        "server": row.server_id,
        "priority": row.priority,
        "subscribers": [subscriber_json(each) for each in row.subscribers.order_by("pk")],
        "notices": [
            {"outcome": str(each.outcome), "addresses": each.addresses, "with_log": each.with_log}
            for each in row.notices.order_by("outcome")
        ],
    }
