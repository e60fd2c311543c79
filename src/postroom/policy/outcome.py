"""What becomes of a delivery after an attempt: the one place that says so.

* sent, failed: final, for exactly the forward-paths that the reply speaks of (P10).
* deferred: tried again after a growing pause, sooner or later by the message's purpose.
* uncertain: the final dot left and no reply came. Notifications, communications and alerts are tried again with the
  same Message-ID; reports are held, since a report twice is worse than one asked for again. A server's own setting
  overrides (U1).
* A fault of the server as a whole, before or beside any recipient, defers and never fails a recipient.
"""

import re
from dataclasses import dataclass

from postroom.terms.envelope import RecipientResult
from postroom.terms.outcome import DeliveryState, Outcome, Stage
from postroom.terms.server import UncertainPolicy

from .retry import backoff_s
from .throttle import asks_for_less

# RFC 4954 section 6: replies about authentication, which some servers give to MAIL or RCPT instead.
_SIGN_IN_CODES = frozenset((432, 454, 530, 534, 535, 538))
# The account's quota for the day is used up: RFC 3463 section 3.5 as Gmail uses it, and Exchange Online's own codes.
_QUOTA_CODES = frozenset(("4.4.5", "5.4.5", "5.7.232", "5.7.233"))
_QUOTA_TEXT = re.compile(r"\bdaily\b.{0,30}\b(limit|quota)\b|\bquota\b.{0,30}\b(today|day)\b", re.IGNORECASE)
_TRANSACTION = frozenset((Stage.SENDER, Stage.RECIPIENT, Stage.MESSAGE))
_HELD_PURPOSES = frozenset(("report",))


@dataclass(frozen=True, slots=True)
class Decision:
    """The next state; `wait_s` until the next attempt, None when there is none."""

    state: DeliveryState
    wait_s: float | None = None


def is_server_fault(result: RecipientResult) -> bool:
    """Whether the result is about the server (unreachable, TLS, sign-in, its quota), not about one message."""
    if result.outcome in (Outcome.SENT, Outcome.UNCERTAIN):
        return False
    if result.stage not in _TRANSACTION:
        return True
    return is_about_sign_in(result) or is_about_quota(result)


def is_about_quota(result: RecipientResult) -> bool:
    """Whether the account may send no more today: true of every message, so that another server is to take over."""
    if result.reply is None:
        return False
    # A reply to RCPT may speak of the recipient's quota; only a code says that it does not.
    is_said = result.stage is not Stage.RECIPIENT and _QUOTA_TEXT.search(result.reply.text) is not None
    return is_said or result.reply.enhanced in _QUOTA_CODES


def is_about_sign_in(result: RecipientResult) -> bool:
    """Whether the server refused for lack of a good sign-in, at whatever stage it said so."""
    if result.stage is Stage.AUTHENTICATE:
        return True
    return result.stage in (Stage.SENDER, Stage.RECIPIENT) and result.reply is not None and (
        result.reply.code in _SIGN_IN_CODES and not asks_for_less(result.reply, result.stage)
    )


def uncertain_policy(purpose: str, setting: UncertainPolicy | None) -> UncertainPolicy:
    """What to do about an uncertain delivery; `setting` is the server's own, None leaves it to the purpose."""
    if setting is not None:
        return setting
    return UncertainPolicy.HOLD if purpose in _HELD_PURPOSES else UncertainPolicy.RETRY


def decision(
    result: RecipientResult, *, purpose: str, setting: UncertainPolicy | None, attempt_count: int, jitter: float
) -> Decision:
    """What becomes of one recipient's delivery after attempt number `attempt_count`."""
    if is_server_fault(result):
        return Decision(DeliveryState.DEFERRED, backoff_s(attempt_count, jitter, purpose))
    match result.outcome:
        case Outcome.SENT:
            return Decision(DeliveryState.SENT)
        case Outcome.FAILED:
            return Decision(DeliveryState.FAILED)
        case Outcome.DEFERRED:
            return Decision(DeliveryState.DEFERRED, backoff_s(attempt_count, jitter, purpose))
        case Outcome.UNCERTAIN:
            if uncertain_policy(purpose, setting) is UncertainPolicy.HOLD:
                return Decision(DeliveryState.HELD)
            return Decision(DeliveryState.UNCERTAIN, backoff_s(attempt_count, jitter, purpose))
