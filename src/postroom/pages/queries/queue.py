"""Queue and limits as the page shows them: what holds each server's mail, in words."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from postroom.flow.delivery.queue_state import ServerQueue, queue_state
from postroom.flow.instance.reader import translated
from postroom.pages import words
from postroom.policy.explain_route import limit_words


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
    server = queue.server
    if server is None:
        return [(_("No server takes deliveries: it waits for one."), "")] if queue.waiting else []
    found = []
    if not server.enabled:
        found.append((_("Switched off"), ""))
    elif server.paused_at is not None:
        found.append((_("Paused"), words.until(server.paused_until) if server.paused_until else ""))
    elif not server.takes_deliveries:
        found.append((_("Its live test has not passed"), ""))
    if queue.cooldown_until is not None:
        found.append((_("It failed and is left alone for a while"), words.until(queue.cooldown_until)))
    if queue.held_by and queue.due:
        until = words.until(queue.held_until) if queue.held_until is not None else ""
        found.append((translated(limit_words(queue.held_by, queue.limits)), until))
    if queue.rate is not None:
        text = _("It asked to be given less: %(rate)s messages a minute at most for now")
        found.append((text % {"rate": words.number(round(queue.rate))}, ""))
    return found


def _uses(queue: ServerQueue) -> list[tuple[str, int, int]]:
    found = []
    if queue.limits.messages_per_minute is not None and queue.used_minute is not None:
        found.append((_("a minute"), queue.used_minute, queue.limits.messages_per_minute))
    if queue.limits.messages_per_day is not None and queue.used_day is not None:
        found.append((_("a day"), queue.used_day, queue.limits.messages_per_day))
    return found
