"""What the replies of a run show of a server's manners (policy/manners)."""

from postroom.policy.manners import (
    Breach,
    Manners,
    Pipelining,
    answers_another_command,
    is_out_of_order,
    knows_no_chunks,
)
from postroom.terms.outcome import Stage
from postroom.terms.reply import Reply

from .failure import WireFault
from .flight import Distrusted, Farewell, Flight


def note_kept(manners: Manners, flight: Flight) -> None:
    """All of an envelope that left together was answered as it should be."""
    if flight.used is not Pipelining.NONE:
        manners.kept(_way_of(flight))


def check_content_reply(manners: Manners, reply: Reply) -> None:
    """Raises WireFault where what came as the reply to a content, while a later envelope waits for its own, can only be
    the one to that: nobody knows what became of the content."""
    if not manners.is_proven(Pipelining.MESSAGES) and answers_another_command(reply):
        manners.broke(Pipelining.MESSAGES, Breach.MIXED, str(reply))
        raise WireFault("pipelining", f"the reply to another command: {reply}"[:500])


def check_order(manners: Manners, flight: Flight, stage: Stage, reply: Reply) -> None:
    """Raises Distrusted where a reply tells that the server does not bear what left together; Farewell where it only
    keeps the transaction open whose content it refused just before, so that this envelope fell into that one."""
    transaction = flight.transaction
    if flight.follows_refusal and stage is Stage.SENDER and is_out_of_order(reply):
        raise Farewell
    if flight.shipment.careful or flight.used is Pipelining.NONE or transaction.dot_sent:
        return
    if transaction.is_chunked and stage is Stage.MESSAGE:
        if knows_no_chunks(reply) and not manners.chunking_proven:
            manners.refused_chunks(reply)
            raise Distrusted(flight, reply)
        return
    way = _way_of(flight)
    if manners.is_proven(way) or transaction.refusal is not None or not is_out_of_order(reply):
        return
    if flight.overlapped or transaction.replies:
        manners.broke(way, Breach.REFUSED, str(reply))
        raise Distrusted(flight, reply)


def suspects(manners: Manners, flight: Flight, fault: WireFault) -> bool:
    """Whether a lost connection is put down to what left together; only what can't have been taken is sent again."""
    transaction, way = flight.transaction, _way_of(flight)
    if transaction.dot_sent or flight.used is Pipelining.NONE or flight.shipment.careful or manners.is_proven(way):
        return False
    if transaction.refusal is not None and transaction.misplaced is None:
        return False  # what was answered counts
    if not (flight.overlapped or (transaction.replies and transaction.due)):
        return False
    if fault.kind in ("closed", "reset"):
        manners.hung_up(way, fault.text)
    else:
        manners.broke(way, Breach.UNANSWERED, fault.text)
    return flight.overlapped


def _way_of(flight: Flight) -> Pipelining:
    return Pipelining.MESSAGES if flight.overlapped else Pipelining.ENVELOPE
