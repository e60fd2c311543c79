"""SMTP servers as the list shows them."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from postroom.policy.settings_check import SECURITY_NAMES
from postroom.store.models import ServerTest, SmtpServer
from postroom.terms.outcome import TestStatus
from postroom.terms.server import Auth, Security, ServerSettings

_LEFT_BEHIND = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class ServerRow:
    """`place` is its number in the order of delivery or "–"; `state` one that states.look_of knows."""

    server: SmtpServer
    settings: ServerSettings
    place: str
    place_words: str
    state: str
    last_test: ServerTest | None
    open_test: ServerTest | None
    finding: dict[str, Any] = field(default_factory=dict)

    @property
    def security_words(self) -> str:
        return SECURITY_NAMES[self.settings.security]

    @property
    def is_encrypted(self) -> bool:
        return self.settings.security is not Security.NONE

    @property
    def auth_words(self) -> str:
        return "Password" if self.settings.auth is Auth.PASSWORD else "No sign-in"


def ordered_servers() -> list[SmtpServer]:
    """In the order of delivery: the default first, then by position."""
    return sorted(SmtpServer.objects.all(), key=lambda server: (not server.is_default, server.position))


def server_rows() -> list[ServerRow]:
    tests: dict[str, list[ServerTest]] = {}
    for test in ServerTest.objects.filter(server__isnull=False).order_by("-created_at")[:500]:
        tests.setdefault(str(test.server_id), []).append(test)
    rows: list[ServerRow] = []
    for number, server in enumerate(ordered_servers(), start=1):
        place_words = _place_words(server)
        place = "–" if place_words == "Not in use" else str(number)
        rows.append(_row(server, place, place_words, tests.get(server.pk, [])))
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


def _place_words(server: SmtpServer) -> str:
    if server.is_default:
        return "Default"
    return "In reserve" if server.takes_deliveries and not server.is_sandbox else "Not in use"


def _row(server: SmtpServer, place: str, place_words: str, tests: list[ServerTest]) -> ServerRow:
    open_test = next((test for test in tests if not test.is_over), None)
    over = next((test for test in tests if test.is_over), None)
    state = server.state if server.enabled else "disabled"
    finding = server.failing_finding if state == "failing" else None
    if state == "unverified" and over is not None and over.status == TestStatus.FAILED:
        finding = over.finding
    return ServerRow(
        server, server.typed_settings, place, place_words, "testing" if open_test else state, over, open_test,
        finding or {},
    )
