"""What a finished test means for the saved server."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from django.utils import timezone

from postroom.diagnosis.explain import finding_of_cause
from postroom.flow.servers import configure
from postroom.flow.servers.server_health import mark_failing
from postroom.flow.servers.test_result import NIGHTLY, record_test_result
from postroom.store.models import ServerTest, SmtpServer
from postroom.terms.finding import Finding
from postroom.terms.outcome import Stage, TestStatus
from postroom.terms.server import Security, ServerSettings

pytestmark = pytest.mark.django_db

ACTOR = "marta@company.example"
SETTINGS = ServerSettings(
    name="Relay", from_address="a@company.example", host="smtp.company.example", security=Security.STARTTLS,
    test_recipient="marta@company.example",
)
FINDING = finding_of_cause("unknown", quotes=("535 5.7.8 no",))


@dataclass
class Report:
    """What flow/probes/probe reports, as far as it is stored."""

    status: TestStatus = TestStatus.PASSED
    stages: list[dict[str, Any]] = field(default_factory=list)
    transcript: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    finding: Finding | None = None


def failed(stage: Stage) -> Report:
    return Report(TestStatus.FAILED, [{"name": str(stage), "status": "failed", "ms": 1, "detail": ""}], finding=FINDING)


def ended(server: SmtpServer, report: Report, *, send: bool = False, actor: str = NIGHTLY) -> SmtpServer:
    test = configure.start_saved_test(server, send=send, actor=actor)
    record_test_result(test, report)
    return SmtpServer.objects.get(pk=server.pk)


@pytest.fixture
def server() -> SmtpServer:
    test = configure.start_test(SETTINGS, password=None, based_on=None, server=None, send=True, actor=ACTOR)
    record_test_result(test, Report())
    return configure.save_tested(ServerTest.objects.get(pk=test.pk), make_default=True, actor=ACTOR)


def test_a_check_that_passes_at_night_is_dated_and_verifies_nothing(server: SmtpServer) -> None:
    SmtpServer.objects.update(verified_fingerprint="")
    row = ended(server, Report())
    assert row.checked_at is not None
    assert row.state == "unverified"
    assert ended(server, Report(), actor=ACTOR).checked_at == row.checked_at


@pytest.mark.parametrize("stage", [Stage.RESOLVE, Stage.CONNECT, Stage.CERTIFICATE, Stage.AUTHENTICATE])
def test_a_check_that_fails_marks_the_server_failing_with_the_finding(server: SmtpServer, stage: Stage) -> None:
    row = ended(server, failed(stage))
    assert row.state == "failing"
    assert row.failing_finding is not None
    assert (row.failing_finding["cause"], row.failing_finding["stage"]) == ("unknown", str(stage))
    assert row.checked_at is None
    first = row.failing_since
    assert ended(server, failed(stage)).failing_since == first


@pytest.mark.parametrize("stage", [Stage.SENDER, Stage.RECIPIENT, Stage.MESSAGE])
def test_a_test_mail_that_is_refused_does_not_make_the_server_failing(server: SmtpServer, stage: Stage) -> None:
    assert ended(server, failed(stage), send=True, actor=ACTOR).state == "verified"


def test_a_test_of_other_settings_or_one_that_was_stopped_says_nothing(server: SmtpServer) -> None:
    test = configure.start_test(
        SETTINGS.changed(host="other.example"), password=None, based_on=server, server=server, send=False, actor=ACTOR
    )
    record_test_result(test, failed(Stage.CONNECT))
    row = ended(server, Report(TestStatus.STOPPED))
    assert (row.state, row.checked_at) == ("verified", None)


@pytest.mark.parametrize(("stage", "state"), [(Stage.AUTHENTICATE, "verified"), (Stage.SENDER, "failing")])
def test_a_passed_check_clears_only_what_it_looked_at(server: SmtpServer, stage: Stage, state: str) -> None:
    mark_failing(server.pk, FINDING.as_stored(), stage)
    assert ended(server, Report()).state == state


def test_a_passed_live_test_clears_everything(server: SmtpServer) -> None:
    mark_failing(server.pk, FINDING.as_stored(), Stage.SENDER)
    assert ended(server, Report(), send=True, actor=ACTOR).state == "verified"


def test_the_end_of_the_certificate_is_kept_from_every_test_that_saw_one(server: SmtpServer) -> None:
    ends = datetime(2027, 8, 18, 12, tzinfo=UTC)
    seen = {"tls": {"version": "TLSv1.3", "not_after": ends.isoformat()}}
    assert server.certificate_expires_at is None
    assert ended(server, Report(facts=seen)).certificate_expires_at == ends
    assert ended(server, Report()).certificate_expires_at == ends
    failing = failed(Stage.AUTHENTICATE)
    failing.facts = {"tls": {"not_after": "2027-09-01T00:00:00+00:00"}}
    assert ended(server, failing).certificate_expires_at == datetime(2027, 9, 1, tzinfo=UTC)
    strange = Report(facts={"tls": {"not_after": "soon"}})
    assert ended(server, strange).certificate_expires_at == datetime(2027, 9, 1, tzinfo=UTC)


def test_the_edit_that_ends_a_verification_is_remembered_until_the_server_is_verified_again(
    server: SmtpServer,
) -> None:
    row = configure.change_server(server, {"description": "Ours"}, actor="jonas@company.example")
    assert (row.changed_at, row.changed_fields) == (None, [])
    began = timezone.now()
    row = configure.change_server(row, {"port": 25, "security": "none"}, actor="jonas@company.example")
    assert (row.changed_by, sorted(row.changed_fields)) == ("jonas@company.example", ["port", "security"])
    assert row.changed_at is not None
    assert row.changed_at >= began
    row = configure.change_server(row, {"port": 2525, "from_address": "b@company.example", "name": "X"}, actor=ACTOR)
    assert (row.changed_by, row.changed_fields[2:]) == (ACTOR, ["from_address"])
    back = {"port": 587, "security": "starttls", "from_address": "a@company.example"}
    row = configure.change_server(row, back, actor=ACTOR)
    assert (row.state, row.changed_at, row.changed_by, row.changed_fields) == ("verified", None, "", [])


def test_a_new_password_counts_as_a_change(server: SmtpServer) -> None:
    changes = {"auth": "password", "username": "u"}
    row = configure.change_server(server, changes, password="Canary-77-secret", actor=ACTOR)
    assert sorted(row.changed_fields) == ["auth", "password", "username"]
