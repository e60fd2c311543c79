"""Check servers without sending: every night each that takes deliveries, one after the other, and all when asked."""

from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction

from postroom.policy.nightly import is_check_due
from postroom.store.models import InstanceValue, ServerTest, SmtpServer
from postroom.terms.outcome import TestStatus

from ..instance.instance import site
from ..instance.refusals import SettingsRefused
from .configure import start_saved_test
from .server_order import servers_in_order
from .test_result import NIGHTLY

# Where the run of a night is remembered: {"began_at", "left": ids of servers that are still to be checked}.
RUN = "nightly_check"
KEPT = timedelta(days=30)
_OPEN = (TestStatus.QUEUED, TestStatus.RUNNING)

_log = structlog.get_logger("postroom.check_server")


def check_next(now: datetime, running_since: datetime) -> ServerTest | None:
    """Queue the next check of the night when it is time and none is under way (blocking).

    What is left of a night outlives a restart; `running_since` is when this process began."""
    run = _run()
    last = datetime.fromisoformat(run["began_at"]) if run else None
    is_due = is_check_due(now, site().zone, last=last, running_since=running_since)
    if not is_due and not (run and run["left"]):
        return None
    with transaction.atomic():
        if is_due or run is None:
            run = {"began_at": now.isoformat(), "left": [s.pk for s in servers_in_order() if _is_checked(s)]}
        test = None
        if not ServerTest.objects.filter(created_by=NIGHTLY, status__in=_OPEN).exists():
            test = _next_test(run["left"], now)
        InstanceValue.objects.update_or_create(name=RUN, defaults={"value": run})
    return test


def check_all(actor: str) -> list[ServerTest]:
    """A queued check of every server that is switched on and has none under way."""
    under_way = set(ServerTest.objects.filter(status__in=_OPEN).values_list("server_id", flat=True))
    servers = [s for s in servers_in_order() if s.enabled and s.pk not in under_way]
    return [test for server in servers if (test := _test_of(server, actor)) is not None]


def last_night_began() -> datetime | None:
    """When the servers were checked last by themselves, None when never."""
    run = _run()
    return datetime.fromisoformat(run["began_at"]) if run else None


def _run() -> dict[str, Any] | None:
    row = InstanceValue.objects.filter(name=RUN).first()
    return row.value if row is not None else None


def _is_checked(server: SmtpServer) -> bool:
    return server.takes_deliveries and not server.is_sandbox


def _next_test(left: list[str], now: datetime) -> ServerTest | None:
    """Take servers off `left` until one is checked."""
    while left:
        server = SmtpServer.objects.filter(pk=left.pop(0)).first()
        if server is not None and _is_checked(server) and (test := _test_of(server, NIGHTLY)) is not None:
            server.tests.filter(created_by=NIGHTLY, created_at__lt=now - KEPT).delete()
            return test
    return None


def _test_of(server: SmtpServer, actor: str) -> ServerTest | None:
    """A check of the server; None where its settings can't be tested as they are, such as on a port now closed."""
    try:
        return start_saved_test(server, send=False, actor=actor)
    except SettingsRefused as refused:
        _log.warning("a server could not be checked", server=server.name, problem=str(refused))
        return None
