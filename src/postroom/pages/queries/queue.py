"""Queue and limits as the page shows them: what holds each server's mail, in words."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from postroom.flow.delivery.queue_state import ServerQueue, queue_state
from postroom.flow.delivery.queue_values import holding
from postroom.flow.instance.reader import translated
from postroom.pages import words


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A server's queue. `holding` says what keeps mail from leaving, each with its end where it has one; `uses` are
    (words, used, limit) of its rates."""

    queue: ServerQueue
    state: str
    holding: list[tuple[str, str]]
    uses: list[tuple[str, int, int]]

    @property
    def sessions_words(self) -> str:
        values = {"open": words.number(self.queue.sessions), "allowed": words.number(self.queue.allowed)}
        return _("%(open)s of %(allowed)s") % values if self.queue.allowed else _("none")


def queue_rows() -> list[QueueRow]:
    """All servers in their order; last what has no server, where there is something."""
    return [_row(queue) for queue in queue_state()]


def _row(queue: ServerQueue) -> QueueRow:
    server = queue.server
    state = "" if server is None else "disabled" if not server.enabled else server.state
    return QueueRow(queue, state, _holding(queue), _uses(queue))


def _holding(queue: ServerQueue) -> list[tuple[str, str]]:
    return [(translated(text), words.until(until) if until is not None else "") for text, until in holding(queue)]


def _uses(queue: ServerQueue) -> list[tuple[str, int, int]]:
    found = []
    if queue.limits.messages_per_minute is not None and queue.used_minute is not None:
        found.append((_("a minute"), queue.used_minute, queue.limits.messages_per_minute))
    if queue.limits.messages_per_day is not None and queue.used_day is not None:
        found.append((_("a day"), queue.used_day, queue.limits.messages_per_day))
    return found
