"""SMTP servers as the list shows them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _

from postroom.flow.servers.server_order import servers_in_order
from postroom.policy.settings_check import SECURITY_NAMES
from postroom.store.models import ServerTest, SmtpServer
from postroom.terms.outcome import TestStatus
from postroom.terms.server import Auth, Security, ServerSettings

from .server_expiry import Expiry, expiry_of
from .server_history import History, history_of, names_of_people
from .server_traffic import Traffic, traffic_of_servers

_LEFT_BEHIND = timedelta(hours=1)
_TESTS_READ = 500


@dataclass(frozen=True, slots=True)
class ServerRow:
    """`rank` is its index in the order, `place` what the list says of that, or "–"; `state` one that states.look_of
    knows."""

    server: SmtpServer
    settings: ServerSettings
    rank: int
    place: str
    place_words: str
    state: str
    last_test: ServerTest | None
    open_test: ServerTest | None
    history: History
    traffic: Traffic
    expiry: Expiry
    finding: Mapping[str, Any] = field(default_factory=dict)

    @property
    def security_words(self) -> str:
        return _("None") if self.settings.security is Security.NONE else SECURITY_NAMES[self.settings.security]

    @property
    def is_encrypted(self) -> bool:
        return self.settings.security is not Security.NONE

    @property
    def auth_words(self) -> str:
        return _("Password") if self.settings.auth is Auth.PASSWORD else _("No sign-in")

    @property
    def failing_stage(self) -> str:
        """Where in a session it fails."""
        return str((self.server.failing_finding or {}).get("stage", ""))


def server_rows(now: datetime | None = None) -> list[ServerRow]:
    """In the order of delivery, as they are now."""
    now = now or timezone.now()
    servers = servers_in_order()
    tests, people, traffic = _tests_by_server(), names_of_people(), traffic_of_servers(servers, now)
    rows: list[ServerRow] = []
    used = 0
    for rank, server in enumerate(servers):
        has_place = server.enabled and server.paused_at is None and (not server.is_sandbox or server.is_default)
        used += has_place
        mine = tests.get(server.pk, [])
        state, finding = _state(server, mine)
        over = next((test for test in mine if test.is_over), None)
        under_way = next((test for test in mine if not test.is_over), None)
        place = str(used) if has_place else "–"
        history, expiry = history_of(server, mine, people), expiry_of(server, now)
        rows.append(ServerRow(
            server, server.typed_settings, rank, place, _place_words(used, has_place), state, over, under_way, history,
            traffic[server.pk], expiry, finding or {},
        ))
    return rows


def unsaved_test(created_by: str, now: datetime) -> ServerTest | None:
    """The last test that this person began within the hour, while what it tested is not what is saved."""
    began = ServerTest.objects.filter(created_by=created_by, created_at__gt=now - _LEFT_BEHIND)
    test = began.select_related("server").order_by("-created_at").first()
    if test is None:
        return None
    tested = test.typed_settings
    if test.server is None:
        is_saved = any(server.name == tested.name for server in SmtpServer.objects.all())
    else:
        is_saved = test.server.typed_settings.destination == tested.destination
    return None if is_saved else test


def _tests_by_server() -> dict[str, list[ServerTest]]:
    """The latest tests of saved servers, newest first, without what is large in them."""
    recent = ServerTest.objects.filter(server__isnull=False).defer("transcript", "stages", "facts", "sealed_password")
    tests: dict[str, list[ServerTest]] = {}
    for test in recent.order_by("-created_at")[:_TESTS_READ]:
        tests.setdefault(str(test.server_id), []).append(test)
    return tests


def _place_words(number: int, has_place: bool) -> str:
    if not has_place:
        return _("Not in use")
    match number:
        case 1:
            return _("Default")
        case 2:
            return _("First failover")
        case 3:
            return _("Second failover")
        case 4:
            return _("Third failover")
    return _("Failover %(number)d") % {"number": number - 1}


def _state(server: SmtpServer, tests: list[ServerTest]) -> tuple[str, dict[str, Any] | None]:
    """The state, and the finding that explains it."""
    over = next((test for test in tests if test.is_over), None)
    state = server.state if server.enabled else "disabled"
    finding = server.failing_finding if state == "failing" else None
    if state == "unverified" and over is not None and over.status == TestStatus.FAILED:
        finding = over.finding
    return "testing" if any(not test.is_over for test in tests) else state, finding
