"""The order in which servers are tried: the default is the first of it, and failover goes down."""

from collections.abc import Sequence

from django.db import transaction

from postroom.store import audit
from postroom.store.models import SmtpServer
from postroom.terms.wording import worded

from ..instance.refusals import NotPossible


def servers_in_order() -> list[SmtpServer]:
    """The default first, then by position; the sandbox last unless it is the default."""
    return sorted(
        SmtpServer.objects.all(), key=lambda s: (not s.is_default, s.is_sandbox, s.position, s.created_at, s.pk)
    )


def set_default(server: SmtpServer, actor: str) -> None:
    """Make it the first that messages leave through. Raises NotPossible while it takes no deliveries."""
    with transaction.atomic():
        row = SmtpServer.objects.get(pk=server.pk)
        _refuse_idle_first(row)
        put_first(row)
        audit.record(actor, "server.default", row.name)


def move_server(server: SmtpServer, to: int, actor: str) -> int:
    """Put it at place `to` of the order (0 is the default), or as near as there is one; the place it had before.

    Raises NotPossible for the sandbox, and where a server that takes no deliveries would become the default.
    """
    with transaction.atomic():
        order = servers_in_order()
        before = next((place for place, row in enumerate(order) if row.pk == server.pk), None)
        if before is None:
            raise NotPossible(worded("This server was removed meanwhile."))
        row = order.pop(before)
        if row.is_sandbox:
            raise NotPossible(worded("The sandbox has no place in the order: it never takes over from another server."))
        last = sum(not other.is_sandbox for other in order)
        order.insert(min(max(to, 0), last + any(other.is_sandbox and other.is_default for other in order)), row)
        if order.index(row) == before:
            return before
        if not order[0].is_default:
            _refuse_idle_first(order[0])
        number(order)
        audit.record(actor, "server.move", row.name, {"position": [before, order.index(row)]})
    return before


def put_first(server: SmtpServer) -> None:
    """Make it the default, inside the transaction of a change that says so."""
    server.is_default = True
    number([server, *(row for row in servers_in_order() if row.pk != server.pk)])


def number(order: Sequence[SmtpServer]) -> None:
    """Store the order, the sandbox behind the others unless it is the first. The first is the default; one that takes
    no deliveries becomes that only later, when somebody says so."""
    rest = sorted(order[1:], key=lambda row: row.is_sandbox)
    for position, row in enumerate([*order[:1], *rest]):
        row.position, row.is_default = position, position == 0 and (row.is_default or row.takes_deliveries)
        SmtpServer.objects.filter(pk=row.pk).update(position=row.position, is_default=row.is_default)


def _refuse_idle_first(server: SmtpServer) -> None:
    if not server.takes_deliveries:
        text = worded(
            "{name} cannot be the default: only a server that is enabled and verified can. Run a live test first.",
            name=server.name,
        )
        raise NotPossible(text)
