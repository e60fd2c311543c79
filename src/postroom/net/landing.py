"""What becomes of the transactions of a run when they end, or when the run does."""

from collections.abc import Iterable

from postroom.policy.manners import Manners
from postroom.smtp.notes import Notes
from postroom.terms.outcome import Outcome, Stage
from postroom.terms.reply import Reply

from .cargo import Cargo, Ended
from .dialogue import FAREWELL
from .failure import WireFault
from .flight import Distrusted, Flight
from .recorder import Recorder
from .trust import suspects


class Landing:
    """Gives each shipment back to its cargo. With `tells` the recorder hears the notes of each."""

    def __init__(self, cargo: Cargo, recorder: Recorder, manners: Manners, *, tells: bool) -> None:
        self._cargo, self._recorder, self._manners, self._tells = cargo, recorder, manners, tells

    def ended(self, flight: Flight) -> None:
        """By replies."""
        self._cargo.ended(flight.shipment, self._end_of(flight, ""))

    def lost(self, flights: Iterable[Flight], fault: WireFault, *, is_fresh: bool) -> None:
        """The connection is of no use any more. `is_fresh`: it had carried nothing before."""
        for flight in flights:
            transaction, suspect = flight.transaction, suspects(self._manners, flight, fault)
            never_begun = transaction.was_never_begun and not (is_fresh and not flight.overlapped)
            transaction.lose(transaction.awaited or Stage.SENDER, fault.text)
            self._give_up(flight, fault.text, never_begun or suspect, careful=suspect)

    def taken_leave(self, flights: Iterable[Flight], reply: Reply | None, *, is_fresh: bool) -> None:
        """421, before a command or in its place: who was not answered was not taken up (RFC 5321 section 3.8)."""
        for flight in flights:
            transaction = flight.transaction
            never_begun = transaction.was_never_begun and not (is_fresh and not flight.overlapped)
            transaction.lose(Stage.MESSAGE if transaction.replies else Stage.SENDER, FAREWELL, reply)
            self._give_up(flight, "", never_begun, careful=False)

    def distrusted(self, flights: Iterable[Flight], distrusted: Distrusted) -> None:
        reason = f"it did not bear what it offers: {distrusted.reply}"[:300]
        for flight in flights:
            flight.transaction.lose(flight.transaction.awaited or Stage.SENDER, reason, distrusted.reply)
            self._give_up(flight, reason, flight is distrusted.flight, careful=True)

    def broken_off(self, flights: Iterable[Flight], conveyed: Flight | None, error: Exception) -> bool:
        """The content or mark of what was `conveyed` raised, or we are at fault ourselves; whether the cargo dealt with
        it."""
        dealt_with = False
        for flight in flights:
            if flight is conveyed and not flight.transaction.dot_sent:
                dealt_with = self._cargo.refused(flight.shipment, error)
            else:
                self._cargo.left(flight.shipment)
        return dealt_with

    def cancelled(self, flights: Iterable[Flight]) -> None:
        reason = "the session was ended"
        for flight in flights:
            if flight.transaction.was_never_begun:
                flight.transaction.lose(Stage.SENDER, reason)
                self._give_up(flight, reason, True, careful=False)
            else:
                self._cargo.left(flight.shipment)

    def tell(self, notes: Notes) -> None:
        if self._tells:
            for event in notes.untold():
                self._recorder.add(event)

    def _give_up(self, flight: Flight, reason: str, puts_back: bool, *, careful: bool) -> None:
        ended = self._end_of(flight, reason)
        if puts_back:
            self._cargo.put_back(flight.shipment, ended, careful=careful)
        else:
            self._cargo.ended(flight.shipment, ended)

    def _end_of(self, flight: Flight, reason: str) -> Ended:
        now_s, results = self._recorder.now_s(), flight.transaction.results()
        flight.notes.over(now_s, reason, sent=any(result.outcome is Outcome.SENT for result in results))
        self.tell(flight.notes)
        return Ended(results, flight.notes, now_s - flight.began_s)
