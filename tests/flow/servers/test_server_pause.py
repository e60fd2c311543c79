"""Pausing a server: until when, why, by whom; and that it goes on by itself."""

from datetime import timedelta

import pytest
from django.utils import timezone

from postroom.flow.instance.refusals import SettingsRefused
from postroom.flow.servers.server_pause import pause_server, resume_due, resume_server
from postroom.store.models import AuditEntry, SmtpServer
from postroom.terms.server import ServerSettings

pytestmark = pytest.mark.django_db

ACTOR = "marta@company.example"


@pytest.fixture
def server() -> SmtpServer:
    settings = ServerSettings(name="Relay", host="smtp.company.example", from_address="a@company.example")
    return SmtpServer.objects.create(name="Relay", settings=settings.as_json(), use_unverified=True)


def now(server: SmtpServer) -> SmtpServer:
    return SmtpServer.objects.get(pk=server.pk)


def test_a_paused_server_takes_no_deliveries_and_tells_who_why_and_until_when(server: SmtpServer) -> None:
    until = timezone.now() + timedelta(days=2)
    pause_server(server, until=until, reason=" Mailbox move ", actor=ACTOR)
    row = now(server)
    assert (row.state, row.takes_deliveries) == ("paused", False)
    assert (row.paused_by, row.pause_reason, row.paused_until) == (ACTOR, "Mailbox move", until)
    entry = AuditEntry.objects.get(action="server.pause")
    assert (entry.actor, entry.changes["reason"]) == (ACTOR, "Mailbox move")


def test_resuming_takes_the_pause_away_whole_and_is_audited_once(server: SmtpServer) -> None:
    pause_server(server, until=None, reason="", actor=ACTOR)
    resume_server(server, ACTOR)
    resume_server(server, ACTOR)
    row = now(server)
    assert (row.paused_at, row.paused_until, row.paused_by, row.pause_reason) == (None, None, "", "")
    assert row.takes_deliveries
    assert AuditEntry.objects.filter(action="server.resume").count() == 1


def test_a_pause_ends_at_its_instant_and_not_before_and_one_without_an_end_stays(server: SmtpServer) -> None:
    until = timezone.now() + timedelta(hours=1)
    pause_server(server, until=until, reason="", actor=ACTOR)
    before, at = until - timedelta(seconds=1), until
    assert resume_due(before) == []
    assert [row.name for row in resume_due(at)] == ["Relay"]
    assert resume_due(at) == []
    assert AuditEntry.objects.get(action="server.resume").actor == "postroom"
    pause_server(server, until=None, reason="", actor=ACTOR)
    assert resume_due(at + timedelta(days=999)) == []


@pytest.mark.parametrize(("minutes", "reason", "field"), [(-1, "", "until"), (60, "x" * 501, "reason")])
def test_a_pause_into_the_past_or_with_a_novel_is_refused(
    server: SmtpServer, minutes: int, reason: str, field: str
) -> None:
    with pytest.raises(SettingsRefused) as refusal:
        pause_server(server, until=timezone.now() + timedelta(minutes=minutes), reason=reason, actor=ACTOR)
    assert [problem.field for problem in refusal.value.problems] == [field]
    assert now(server).paused_at is None
