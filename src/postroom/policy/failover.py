"""Where a delivery goes after an attempt, when not to the same server again.

* A fault of the server as a whole moves it at once to the next server of the order that takes deliveries, is not
  failing and was not tried since the delivery last waited. Where there is none, one that fails and was left alone for
  long enough may have it: nobody else would find out that it works again. Where there is none either, it waits at home.
* A refused recipient is final anywhere; nobody asks another server about it.
* A stand-in's refusal of sender or content is not final: the stand-in may not know this sender. The delivery waits for
  its home, the server that was chosen at acceptance. Many servers say only at RCPT what they think of a sender
  (Postfix: smtpd_delay_reject); the enhanced code tells it from a refused recipient.
* A delivery that may have been sent before, one whose client named its server, and the sandbox's never move.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from postroom.terms.envelope import RecipientResult
from postroom.terms.outcome import Outcome, Stage

from .outcome import is_server_fault

# RFC 3463 sections 3.2 and 3.8: the sender's address, and what this sender may do here.
_NOT_OF_THE_RECIPIENT = ("5.1.7", "5.1.8", "5.7.")


@dataclass(frozen=True, slots=True)
class Standing:
    """A server as failover sees it now. `is_failing`: it is marked failing, or has taken all it may take in a day;
    `is_left_alone`: it is not to be tried just now."""

    id: str
    name: str
    is_default: bool
    is_sandbox: bool
    position: int
    takes_deliveries: bool
    is_failing: bool
    is_left_alone: bool = False

    @property
    def is_well(self) -> bool:
        """Whether what waits here is best left here."""
        return self.takes_deliveries and not self.is_failing


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where a delivery is: `current` is the server that just tried it, `home` the one chosen at acceptance (None when
    that is gone), `tried` those that tried it since it last waited or refused its sender or content before."""

    current: str
    home: str | None
    pinned: bool
    may_have_been_sent: bool
    tried: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class Move:
    """The server that has the delivery next: `at_once`, or after the usual pause. `is_refused`: the one that tried it
    will never take it."""

    to: Standing
    at_once: bool
    is_refused: bool = False


def successor(standings: Iterable[Standing], *, current: str, tried: Collection[str] = ()) -> Standing | None:
    """The server that takes over from `current`; None where there is none, and for the sandbox."""
    return next((s for s in _others(standings, current, tried) if s.is_well), None)


def last_resort(standings: Iterable[Standing], *, current: str, tried: Collection[str] = ()) -> Standing | None:
    """The failing server that may be tried, where no server is well."""
    return next((s for s in _others(standings, current, tried) if s.takes_deliveries and not s.is_left_alone), None)


def move_after(result: RecipientResult, where: Whereabouts, standings: Collection[Standing]) -> Move | None:
    """What the end of an attempt means for the delivery's place; None when it stays, or is over."""
    if where.pinned or where.may_have_been_sent or result.outcome in (Outcome.SENT, Outcome.UNCERTAIN):
        return None
    is_fault = is_server_fault(result)
    if is_fault:
        found = (find(standings, current=where.current, tried=where.tried) for find in (successor, last_resort))
        if (to := next((server for server in found if server is not None), None)) is not None:
            return Move(to, at_once=True)
    is_refused = not is_fault and result.outcome is Outcome.FAILED and not _is_refused_recipient(result)
    home = next((s for s in standings if s.id == where.home and s.id != where.current), None)
    if home is not None and (is_fault or is_refused):
        return Move(home, at_once=False, is_refused=is_refused)
    return None


def _others(standings: Iterable[Standing], current: str, tried: Collection[str]) -> list[Standing]:
    """The servers that may take what `current` can't deliver, in their order; none for the sandbox."""
    servers = sorted(standings, key=lambda s: (not s.is_default, s.position, s.id))
    if any(server.id == current and server.is_sandbox for server in servers):
        return []
    return [s for s in servers if not s.is_sandbox and s.id != current and s.id not in tried]


def _is_refused_recipient(result: RecipientResult) -> bool:
    if result.stage is not Stage.RECIPIENT or result.reply is None:
        return False
    return not (result.reply.enhanced or "").startswith(_NOT_OF_THE_RECIPIENT)
