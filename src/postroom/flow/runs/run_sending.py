"""The second half of a run: the messages of its recipients are queued, some hundred at a time (D8, S3).

Each message has a key made of the run and its recipient's position, so that whoever takes a run up again, or wakes late
beside another engine, queues none twice. What was queued is noted afterwards, with the run's fence.
"""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Count, QuerySet

from postroom.message.template import TemplateFault
from postroom.store.models import Run, RunRecipient, Suppression
from postroom.store.run_claim import store_fenced
from postroom.terms.problem import FieldError, Problem
from postroom.terms.test_mode import Extent, TestMode
from postroom.terms.wording import worded

from ..acceptance.accept import Accepted
from ..messages.request import Person, Request
from .run_carried import Carried
from .run_ending import Ending, RunEnded, RunPostponed, failed, stopped
from .run_message import RunWriter
from .run_plan import NO_FILE, addressed_again

GROUP = 200
# Messages that wait longer for room in the queue would come when nobody reads that report any more.
GIVE_UP_AFTER = timedelta(days=2)
_PAUSE_S = 30
_TEMPLATE = "template"
# Who is on no list, or has left it, was left out on purpose.
ON_PURPOSE = frozenset(str(reason) for reason in Suppression.Reason)
# Faults of one recipient; a fault of any other field is one of the whole run.
_OF_RECIPIENT = re.compile(r"messages\.([0-9]{1,9})\.(?:to|unsubscribe)(?:\..*)?")
_OF_WAIT = (429, 500, 503, 507)

Pair = tuple[RunRecipient, Request]


def client_of(run: Run) -> Person:
    """As whom a run hands in its messages: its keys, uploads and share of the queue are its subscription's."""
    return Person(run.subscription_id, run.subscription.name)


class RunSender:
    """Of one run that is *sending*; every method blocks, and belongs to one thread at a time."""

    def __init__(self, run: Run, now: datetime) -> None:
        self._run, self._carried = run, Carried(run, now)
        self._writer = RunWriter(run.plan, self._carried.image)
        self._mode = _test_mode_of(run.plan["test_mode"], now)
        self._after = -1

    def next_rows(self) -> list[RunRecipient]:
        """The recipients of the next group, none when all were asked. Raises RunEnded where somebody stopped the
        run."""
        if Run.objects.filter(pk=self._run.pk, stop_requested=True).exists():
            raise RunEnded(stopped())
        rows = list(self._waiting().order_by("position")[:GROUP])
        if rows:
            self._after = rows[-1].position
        return rows

    def requests(self, rows: Sequence[RunRecipient]) -> list[Pair]:
        """The request of each recipient; whose message can't be written is left out. Raises RunEnded where that is
        everybody, Problem, SourceFault and DamagedBlob."""
        delivered = self._carried.delivered(rows)
        found: list[Pair] = []
        faults: dict[RunRecipient, TemplateFault] = {}
        for row in rows:
            try:
                body = self._writer.body(addressed_again(row), delivered[row.position], row.values.get("part", ""))
            except TemplateFault as fault:
                faults[row] = fault
            else:
                body["metadata"] = {"run": self._run.pk}
                found.append((row, self._request(row, body)))
        if faults and not found and not self._run.queued and not self._waiting().exists():
            raise RunEnded(failed(_TEMPLATE, next(iter(faults.values())).text))
        self.leave_out(dict.fromkeys(faults, _TEMPLATE))
        return found

    def _waiting(self) -> QuerySet[RunRecipient]:
        return RunRecipient.objects.filter(run=self._run, position__gt=self._after, message_id="", left_out="")

    def _request(self, row: RunRecipient, body: dict[str, Any]) -> Request:
        key = f"run-{self._run.pk}-{row.position}"
        return Request(body, f"messages.{row.position}.", key, key, self._mode)

    def note(self, pairs: Sequence[Pair], accepted: Sequence[Accepted]) -> None:
        """Remember what was queued. Raises RunLost."""
        for (row, _), one in zip(pairs, accepted, strict=True):
            row.message_id = one.enqueued.id
        with transaction.atomic():
            store_fenced(self._run, queued=self._run.queued + len(pairs))
            RunRecipient.objects.bulk_update([row for row, _ in pairs], ["message_id"])

    def leave_out(self, reasons: dict[RunRecipient, str]) -> None:
        """Remember who gets none after all. Raises RunLost."""
        if not reasons:
            return
        for row, reason in reasons.items():
            row.left_out = reason[:64]
        with transaction.atomic():
            store_fenced(self._run, left_out=self._run.left_out + len(reasons))
            RunRecipient.objects.bulk_update(list(reasons), ["left_out"])

    def refused(self, pairs: Sequence[Pair], problem: Problem, now: datetime) -> list[Pair]:
        """What is left of requests of which some were refused: those recipients are left out. Raises RunPostponed where
        nobody could be written to just now, RunEnded where it would stay so."""
        if problem.status in _OF_WAIT:
            if now - self._begun_at(now) > GIVE_UP_AFTER:
                raise RunEnded(failed(problem.slug, worded("The messages could not be queued for two days."),
                                      problem.detail))
            text = worded("Waits, and goes on by itself: {why}", why=problem.detail)
            raise RunPostponed(text, now + timedelta(seconds=problem.retry_after_s or _PAUSE_S))
        at_fault = _rows_at_fault(problem.errors)
        if problem.status != 422 or not at_fault or len(at_fault) < len({e.field for e in problem.errors}):
            raise RunEnded(failed(problem.slug, worded("The messages were refused: {why}", why=_why(problem))))
        reasons = {row: at_fault[row.position] for row, _ in pairs if row.position in at_fault}
        self.leave_out(reasons)
        return [(row, request) for row, request in pairs if row not in reasons]

    def _begun_at(self, now: datetime) -> datetime:
        """Since when the run tries to queue its messages; an older version did not note when it had fixed them."""
        noted = self._run.plan.get("reopened_at") or self._run.plan.get("fixed_at")
        return datetime.fromisoformat(noted) if noted else self._run.started_at or now

    def ending(self) -> Ending:
        """What the run came to, after everybody was asked."""
        rows = RunRecipient.objects.filter(run=self._run).exclude(left_out="").order_by()
        reasons = Counter(dict(rows.values_list("left_out").annotate(Count("pk"))))
        queued = RunRecipient.objects.filter(run=self._run).exclude(message_id="").count()
        faults = {reason: count for reason, count in reasons.items() if reason not in ON_PURPOSE}
        if faults:
            why = ", ".join(f"{reason} ({count})" for reason, count in sorted(faults.items()))
            text = worded("Messages queued: {queued}. Recipients without one: {why}.", queued=queued, why=why)
            return Ending(Run.State.WARNING, text, NO_FILE if set(faults) == {NO_FILE} else "left-out")
        if not queued:
            return Ending(Run.State.WARNING, worded("Nobody is left to write to."), "nobody")
        return Ending(Run.State.SUCCESS, worded("Messages queued: {queued}.", queued=queued))


def _test_mode_of(stored: Mapping[str, Any], now: datetime) -> TestMode | None:
    """That of a run that was fixed as a test: it stays one to its last message, although test mode ended meanwhile."""
    mode = TestMode.from_json(Extent(stored.get("extent", Extent.SUBSCRIPTION)), stored)
    return None if mode is None else replace(mode, until=max(mode.until, datetime.now(UTC), now) + GIVE_UP_AFTER)


def _rows_at_fault(errors: Sequence[FieldError]) -> dict[int, str]:
    """Positions of recipients that can't be written to, with the code of the first fault."""
    found: dict[int, str] = {}
    for error in errors:
        if match := _OF_RECIPIENT.fullmatch(error.field):
            found.setdefault(int(match[1]), error.code)
    return found


def _why(problem: Problem) -> str:
    first = problem.errors[0] if problem.errors else None
    return first.text if first is not None else problem.detail
