"""Webhook history: what webhooks were told, told once more on request, and forgotten when it is old."""

from collections.abc import Iterator
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from postroom.policy.webhooks import GIVE_UP_AFTER
from postroom.store import audit
from postroom.store.models import Webhook, WebhookDelivery
from postroom.terms.problem import FieldError
from postroom.terms.wording import worded

from ..instance.refusals import NotPossible, SettingsRefused
from ..instance.retention import kept_since, retention

# The history of one webhook in requests, whatever their age; and what one replay takes.
KEPT = 10_000
REPLAYED_AT_ONCE = 1_000
_ROWS_AT_ONCE = 200
_State = WebhookDelivery.State


def replay_delivery(row: WebhookDelivery, actor: str, now: datetime) -> None:
    """Send a request once more, under the same id. Raises NotPossible while it waits anyhow."""
    with transaction.atomic():
        if not _again(WebhookDelivery.objects.filter(pk=row.pk), actor, now):
            raise NotPossible(worded("This request waits to be sent, or is gone."))
        audit.record(actor, "webhook.replay", row.webhook.name, {"delivery": row.pk})


def replay_since(
    webhook: Webhook, since: datetime, until: datetime | None, actor: str, now: datetime, *, only_failed: bool = True
) -> int:
    """Send again what was made from `since` on and before `until`; how many requests, at most 1,000, the oldest first.

    Raises SettingsRefused where the times make no period."""
    if until is not None and until <= since:
        raise SettingsRefused(FieldError("until", "invalid", worded("The end lies after the beginning.")))
    found = WebhookDelivery.objects.filter(webhook=webhook, created_at__gte=since)
    if until is not None:
        found = found.filter(created_at__lt=until)
    if only_failed:
        found = found.filter(state=_State.FAILED)
    with transaction.atomic():
        ids = list(found.exclude(state=_State.WAITING).order_by("pk").values_list("pk", flat=True)[:REPLAYED_AT_ONCE])
        count = _again(WebhookDelivery.objects.filter(pk__in=ids), actor, now)
        told = {"since": since.isoformat(), "until": until.isoformat() if until else None, "requests": count}
        audit.record(actor, "webhook.replay", webhook.name, told)
    return count


def _again(rows: QuerySet[WebhookDelivery], actor: str, now: datetime) -> int:
    return rows.exclude(state=_State.WAITING).update(
        state=_State.WAITING, due_at=now, give_up_at=now + GIVE_UP_AFTER, ended_at=None, attempt_count=0,
        replayed_by=actor[:254],
    )


def forget_old(now: datetime) -> Iterator[int]:
    """Remove what is older than the logs are kept, and what is more than the history of a webhook; each step is one
    short batch and says how many went (blocking)."""
    since = kept_since(retention().log_days, now)
    ended = WebhookDelivery.objects.exclude(state=_State.WAITING)
    if since is not None:
        yield from _removed(ended.filter(created_at__lt=since))
    for webhook_id in list(Webhook.objects.values_list("pk", flat=True)):
        of_webhook = WebhookDelivery.objects.filter(webhook_id=webhook_id).order_by("-pk")
        last = of_webhook.values_list("pk", flat=True)[KEPT : KEPT + 1].first()
        if last is not None:
            yield from _removed(ended.filter(webhook_id=webhook_id, pk__lte=last))


def _removed(rows: QuerySet[WebhookDelivery]) -> Iterator[int]:
    while ids := list(rows.order_by("pk").values_list("pk", flat=True)[:_ROWS_AT_ONCE]):
        deleted, _ = WebhookDelivery.objects.filter(pk__in=ids).delete()
        yield deleted
