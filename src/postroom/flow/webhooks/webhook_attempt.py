"""Webhook attempt: send one request to a webhook, and store what came of it. Everything here but `answer_of` blocks.

Whoever dies between the request and its row sends it once more: a receiver tells by `Webhook-Id` what it has seen."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, Sum

from postroom.net.webhook_post import Answer, PostFault, post
from postroom.policy.webhook_signature import signed_fields
from postroom.policy.webhooks import (
    MOST_WAITING,
    SUSPECT_FAILURES,
    Standing,
    Verdict,
    is_given_up,
    pause_s,
    verdict_of,
)
from postroom.store.models import Webhook, WebhookDelivery
from postroom.store.vault import VaultError
from postroom.terms.wording import Wording, worded

from .webhooks import signing_secrets, stop

TIMEOUT_S = 15.0
ATTEMPTS_KEPT = 10
ACTOR = "webhooks"
_PROBLEM_CHARACTERS = 500
_State = WebhookDelivery.State


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an attempt came to: an answer, or a `problem` that kept one from coming."""

    at: datetime
    seconds: float
    answer: Answer | None = None
    problem: Wording | None = None

    @property
    def verdict(self) -> Verdict:
        return Verdict.REFUSED if self.answer is None else verdict_of(self.answer.status)

    @property
    def told(self) -> Wording:
        """Why it failed."""
        if self.answer is None:
            return self.problem or worded("The receiver did not answer.")
        if 300 <= self.answer.status < 400:
            return worded(
                "The receiver answers {status} and names another address. Enter that one: none but yours is asked.",
                status=self.answer.status,
            )
        return worded("The receiver answers {status}.", status=self.answer.status)


def next_delivery(webhook_id: str, now: datetime) -> WebhookDelivery | None:
    """What is due next for a webhook, the oldest first; a test before all else, paused or not."""
    waiting = WebhookDelivery.objects.filter(webhook_id=webhook_id, state=_State.WAITING).select_related("webhook")
    tests = waiting.filter(is_test=True).order_by("due_at").first()
    if tests is not None:
        return tests
    usable = waiting.filter(Q(webhook__retry_at=None) | Q(webhook__retry_at__lte=now), webhook__paused_for="")
    return usable.filter(is_test=False, due_at__lte=now).order_by("due_at", "pk").first()


def webhooks_with_work(now: datetime) -> list[str]:
    """Ids of webhooks for which something may be due."""
    waiting = WebhookDelivery.objects.filter(webhook=OuterRef("pk"), state=_State.WAITING)
    works = Q(retry_at=None) | Q(retry_at__lte=now), Q(paused_for="")
    due = Webhook.objects.filter(*works).filter(Exists(waiting.filter(is_test=False, due_at__lte=now)))
    tested = Webhook.objects.filter(Exists(waiting.filter(is_test=True)))
    return list({*due.values_list("pk", flat=True), *tested.values_list("pk", flat=True)})


def fields_of(row: WebhookDelivery, now: datetime) -> dict[str, str]:
    """The header fields of a request that leaves now. Raises VaultError."""
    secrets = signing_secrets(row.webhook, now)
    return dict(signed_fields(secrets, row.pk, int(now.timestamp()), row.body.encode()))


async def answer_of(row: WebhookDelivery, fields: dict[str, str]) -> Answer:
    """Send it. Raises PostFault."""
    return await post(
        row.webhook.url, fields, row.body.encode(), timeout_s=TIMEOUT_S, allowed=settings.WEBHOOK_NETWORKS.may_fetch
    )


def settle(row: WebhookDelivery, outcome: Outcome, jitter: float) -> None:
    """Store what an attempt came to, on the request and on its webhook. A request that was removed meanwhile, or ended
    otherwise, stays so."""
    with transaction.atomic():
        current = WebhookDelivery.objects.select_related("webhook").filter(pk=row.pk, state=_State.WAITING).first()
        if current is None:
            return
        _note(current, outcome)
        if outcome.verdict is Verdict.TAKEN:
            current.state, current.ended_at = _State.SUCCEEDED, outcome.at
            current.save()
            _recovered(current.webhook, outcome.at)
        else:
            _put_off(current, outcome, jitter)
            current.save()
            _failed(current, outcome)


def _note(row: WebhookDelivery, outcome: Outcome) -> None:
    answer = outcome.answer
    taken = outcome.verdict is Verdict.TAKEN
    entry: dict[str, Any] = {
        "at": outcome.at.isoformat(), "seconds": round(outcome.seconds, 3), "status": answer.status if answer else None,
        "answer": answer.said if answer else "", "problem": None if taken else outcome.told.as_json(),
    }
    row.attempts = [*row.attempts, entry][-ATTEMPTS_KEPT:]
    row.attempt_count += 1


def _put_off(row: WebhookDelivery, outcome: Outcome, jitter: float) -> None:
    status, asked_s = (outcome.answer.status, outcome.answer.retry_after_s) if outcome.answer else (0, None)
    wait_s = pause_s(row.attempt_count, jitter, status, asked_s)
    due_at = outcome.at + timedelta(seconds=wait_s)
    if due_at >= row.give_up_at or row.is_test:
        row.state, row.ended_at = _State.FAILED, outcome.at
    else:
        row.due_at = due_at


def _recovered(webhook: Webhook, at: datetime) -> None:
    """What failed before is sent at once, now that somebody takes it."""
    if webhook.failures:
        WebhookDelivery.objects.filter(webhook=webhook, state=_State.WAITING, due_at__gt=at).update(due_at=at)
    Webhook.objects.filter(pk=webhook.pk).update(
        failures=0, failing_since=None, retry_at=None, last_success_at=at, last_problem=""
    )


def _failed(row: WebhookDelivery, outcome: Outcome) -> None:
    if row.is_test:
        return
    webhook = row.webhook
    webhook.failures += 1
    webhook.failing_since = webhook.failing_since or outcome.at
    webhook.last_problem = str(outcome.told)[:_PROBLEM_CHARACTERS]
    if webhook.failures >= SUSPECT_FAILURES:
        wait_s = pause_s(webhook.failures - SUSPECT_FAILURES + 1, 0.5)
        webhook.retry_at = outcome.at + timedelta(seconds=wait_s)
    webhook.save()
    if not webhook.paused_for and outcome.verdict is Verdict.GONE:
        stop(webhook, Webhook.Pause.GONE, ACTOR, outcome.at)
    elif not webhook.paused_for and is_given_up(Standing(webhook.failures, webhook.failing_since), outcome.at):
        stop(webhook, Webhook.Pause.FAILING, ACTOR, outcome.at)


def stop_overfull(now: datetime) -> None:
    """Pause webhooks for which more waits than is kept."""
    waiting = WebhookDelivery.objects.filter(state=_State.WAITING, webhook__paused_for="").order_by()
    sums = waiting.values("webhook_id").annotate(events=Sum("event_count"))
    for webhook_id in [row["webhook_id"] for row in sums if row["events"] > MOST_WAITING]:
        with transaction.atomic():
            webhook = Webhook.objects.filter(pk=webhook_id, paused_for="").first()
            if webhook is not None:
                stop(webhook, Webhook.Pause.BACKLOG, ACTOR, now)


def unsigned(error: VaultError, at: datetime) -> Outcome:
    """An attempt that could not be made, since its secret can't be opened."""
    return Outcome(at, 0.0, problem=worded("{problem}", problem=str(error)))


def unanswered(fault: PostFault, at: datetime, seconds: float) -> Outcome:
    """An attempt without an answer."""
    return Outcome(at, seconds, problem=fault.text)
