"""Going slower when a server asks for it, and faster again little by little: halved at once, regained additively.

What a server says when it has had enough differs from provider to provider; a code of RFC 3463 tells it, or the words.
Greylisting, a full mailbox and too many recipients of one message are about that message, and slow nothing down.
"""

import math
import re
from dataclasses import dataclass, replace

from postroom.terms.envelope import RecipientResult
from postroom.terms.outcome import Outcome, Stage
from postroom.terms.reply import Reply
from postroom.terms.server import Limits

# The codes under which servers ask for patience: 432 is Exchange's for too many connections, 450 Postfix's anvil's.
_CODES = frozenset((421, 432, 450, 451, 452, 454))
# RFC 3463 4.3.1 (storage), 4.3.2 (not accepting now), 4.7.28 (Gmail: rate), 4.7.5xx and 4.7.6xx (Exchange: busy, rate).
_ENHANCED = re.compile(r"4\.3\.[12]|4\.7\.(28|[56]\d\d)")
_TEXT = re.compile(
    r"too (?:many|much) (?:concurrent |simultaneous |parallel |smtp )*(?:connections?|sessions?|messages|e?-?mails?)"
    r"|rate.?limit|throttl|(?:sending|message|connection|unusual|mail) rate|slow(?:ing)? down|server (?:is )?busy"
    r"|exceeded .{0,60}(?:connections|rate|per (?:second|minute|hour))|\bconcurrent connections\b|too (?:fast|quickly)"
    r"|temporarily deferred due to",
    re.IGNORECASE,
)
_OF_THE_RECIPIENT = re.compile(r"receiving mail|recipient|mailbox|grey.?list|gray.?list", re.IGNORECASE)
# Requests at about the same time are one.
SAME_S = 5.0
# Each of these spans without a request brings back one session, and a twentieth of the rate there was.
STEP_S = 10.0
STEPS = 20
LEAST_PER_MINUTE = 6.0


def is_throttle(result: RecipientResult) -> bool:
    """Whether the server asked to be given less, whatever message it said so to."""
    if result.outcome is not Outcome.DEFERRED or result.reply is None:
        return False
    return asks_for_less(result.reply, result.stage)


def asks_for_less(reply: Reply, stage: Stage) -> bool:
    """The same of a reply at a stage."""
    if reply.code not in _CODES:
        return False
    if stage is Stage.RECIPIENT and _OF_THE_RECIPIENT.search(reply.text):
        return False
    return _TEXT.search(reply.text) is not None or _ENHANCED.fullmatch(reply.enhanced or "") is not None


@dataclass(frozen=True, slots=True)
class Throttle:
    """What a server is given meanwhile: `sessions` at once and `per_minute` messages; `before` is what it was given
    when it asked for less. Everything is None while nothing is slowed. Times are of any clock that only goes on."""

    asked_s: float | None = None
    regained_s: float = 0.0
    sessions: int | None = None
    per_minute: float | None = None
    before: float = 0.0

    def slowed(self, now_s: float, sessions: int, per_minute: float) -> "Throttle":
        """After a request, made while so many sessions were open and so many messages a minute left."""
        if self.asked_s is not None and now_s - self.asked_s < SAME_S:
            return self
        before = max(per_minute, 2 * LEAST_PER_MINUTE)
        if self.per_minute is not None:
            before = min(before, self.per_minute)
        rate = max(before / 2, LEAST_PER_MINUTE)
        return Throttle(now_s, now_s, max(1, min(sessions, self.sessions or sessions) // 2), rate,
                        max(before, self.before))

    def regained(self, now_s: float, allowed: int) -> "Throttle":
        """What may be given now; nothing is slowed any more once both are what they were."""
        steps = int((now_s - self.regained_s) // STEP_S) if self.asked_s is not None else 0
        if not steps or self.sessions is None or self.per_minute is None:
            return self
        sessions, rate = self.sessions + steps, self.per_minute + steps * self.before / STEPS
        if sessions >= allowed and rate >= self.before:
            return Throttle()
        return replace(self, sessions=sessions, per_minute=rate, regained_s=self.regained_s + steps * STEP_S)

    def next_s(self) -> float | None:
        """When more is given again; None while nothing is slowed."""
        return None if self.asked_s is None else self.regained_s + STEP_S

    def limited(self, limits: Limits) -> Limits:
        """The server's limits, narrowed to the rate of now."""
        if self.per_minute is None or self.per_minute >= self.before:
            return limits
        rate = max(1, math.floor(self.per_minute))
        return replace(limits, messages_per_minute=min(rate, limits.messages_per_minute or rate))

    def at_most(self, allowed: int) -> int:
        """Sessions that may be open, of those that the server's own limit allows."""
        return allowed if self.sessions is None else max(1, min(allowed, self.sessions))
