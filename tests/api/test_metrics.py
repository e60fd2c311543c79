"""/metrics: figures for Prometheus, the same sets of labels whatever was sent (O8), and cheap."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext
from prometheus_client.parser import text_string_to_metric_families

from postroom.flow.servers.configure import save_untested
from postroom.store.ids import new_id
from postroom.store.models import AttemptTotal, Delivery, LaneState, Message, SmtpServer, Suppression
from postroom.store.queue import Lease, Settlement
from postroom.store.tally import BOUNDS_S, UNTIMED, Tally
from postroom.terms.outcome import DeliveryState, Outcome, Stage
from postroom.terms.server import Security, ServerSettings

from .conftest import Call, caller

NOW = datetime.now(UTC)
LABELS = {
    "postroom_build_info": {"version"},
    "postroom_engine_up": set(),
    "postroom_deliveries": {"state"},
    "postroom_oldest_delivery_age_seconds": set(),
    "postroom_suppressions": {"reason"},
    "postroom_alerts": {"severity"},
    "postroom_attempts_total": {"server_id", "outcome", "cause"},
    "postroom_attempt_duration_seconds_bucket": {"server_id", "le"},
    "postroom_attempt_duration_seconds_count": {"server_id"},
    "postroom_attempt_duration_seconds_sum": {"server_id"},
    "postroom_server_state": {"server_id", "state"},
    "postroom_server_takes_deliveries": {"server_id"},
    "postroom_server_sessions": {"server_id"},
    "postroom_server_certificate_expiry_days": {"server_id"},
}


@pytest.fixture
def relay() -> SmtpServer:
    row = save_untested(
        ServerSettings(
            name="Relay of relay.company.example", from_address="r@company.example", host="smtp.company.example",
            port=25, security=Security.NONE,
        ),
        password=None, based_on=None, server=None, reason="test", use_unverified=True, actor="test",
    )
    SmtpServer.objects.filter(pk=row.pk).update(certificate_expires_at=NOW + timedelta(days=30))
    LaneState.objects.create(server=row, engine="here", at=datetime.now(UTC), sessions=3)
    return row


def samples(call: Call) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample by its name and labels."""
    answer = call("get", "/metrics")
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"].startswith("text/plain; version=0.0.4")
    families = text_string_to_metric_families(answer.content.decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def sent(server: SmtpServer, number: int, state: DeliveryState, **delivery: Any) -> None:
    """One message to a domain of its own."""
    message = Message.objects.create(
        message_id=f"<{number}@company.example>", from_header="r@company.example", content_digest="0" * 64,
        content_size=1, created_at=NOW - timedelta(minutes=10), expires_at=NOW + timedelta(days=1), server=server,
    )
    Delivery.objects.create(
        message=message, recipient=f"ann@domain{number}.example", state=state, due_at=NOW - timedelta(minutes=10),
        updated_at=NOW, server=server, **delivery,
    )


def counted(server: SmtpServer, *seconds: float, outcome: Outcome = Outcome.SENT, cause: str = "") -> None:
    """What the queue counts for attempts that took so long."""
    tally = Tally()
    state = DeliveryState.SENT if outcome is Outcome.SENT else DeliveryState.DEFERRED
    tally.count(
        Settlement(
            Lease(new_id(), new_id(), 1), state, NOW, outcome=outcome, stage=Stage.MESSAGE, cause=cause,
            through=server.pk, seconds=each,
        )
        for each in seconds
    )
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO store_attempttotal (server_id, outcome, cause, bucket, attempts, seconds)"
            " VALUES (%s, %s, %s, %s, %s, %s)", tally.totals(),
        )


def test_it_tells_what_waits_and_for_how_long(reader: Call, relay: SmtpServer) -> None:
    for number, state in enumerate((DeliveryState.QUEUED, DeliveryState.QUEUED, DeliveryState.HELD)):
        sent(relay, number, state)
    Suppression.objects.create(address="x@example.org", reason=Suppression.Reason.COMPLAINT, since=NOW)
    found = samples(reader)
    assert found["postroom_deliveries", (("state", "queued"),)] == 2
    assert found["postroom_deliveries", (("state", "held"),)] == 1
    assert found["postroom_deliveries", (("state", "sending"),)] == 0
    assert 600 <= found["postroom_oldest_delivery_age_seconds", ()] < 700
    assert found["postroom_suppressions", (("reason", "complaint"),)] == 1
    assert found["postroom_alerts", (("severity", "critical"),)] == 0
    assert found["postroom_engine_up", ()] == 0


def test_it_tells_how_each_server_is(reader: Call, relay: SmtpServer) -> None:
    found, server = samples(reader), ("server_id", relay.pk)
    assert found["postroom_server_state", (server, ("state", "unverified"))] == 1
    assert found["postroom_server_state", (server, ("state", "failing"))] == 0
    assert found["postroom_server_takes_deliveries", (server,)] == 1
    assert found["postroom_server_sessions", (server,)] == 3
    assert 29.9 < found["postroom_server_certificate_expiry_days", (server,)] < 30.1


def test_sessions_of_an_engine_that_is_gone_are_none(reader: Call, relay: SmtpServer) -> None:
    LaneState.objects.update(at=NOW - timedelta(minutes=5))
    assert samples(reader)["postroom_server_sessions", (("server_id", relay.pk),)] == 0


def test_it_counts_attempts_by_cause_and_by_how_long_they_took(reader: Call, relay: SmtpServer) -> None:
    counted(relay, 0.004, 0.01, 0.02, 1_000.0)
    counted(relay, 0.2, outcome=Outcome.DEFERRED, cause="recipient-greylisted")
    AttemptTotal.objects.create(
        server_id=relay.pk, outcome="sent", cause="", bucket=UNTIMED, attempts=7, seconds=0.0
    )
    found, server = samples(reader), ("server_id", relay.pk)
    assert found["postroom_attempts_total", (("cause", ""), ("outcome", "sent"), server)] == 4 + 7
    deferred = (("cause", "recipient-greylisted"), ("outcome", "deferred"), server)
    assert found["postroom_attempts_total", deferred] == 1
    name = "postroom_attempt_duration_seconds"
    buckets = {
        dict(labels)["le"]: value for (found_name, labels), value in found.items() if found_name == f"{name}_bucket"
    }
    assert [buckets[str(bound)] for bound in (0.005, 0.01, 0.025, 0.25, 300.0)] == [1, 2, 3, 4, 4]
    assert (buckets["+Inf"], len(buckets)) == (5, len(BOUNDS_S) + 1)
    assert found[f"{name}_count", (server,)] == 5
    assert found[f"{name}_sum", (server,)] == pytest.approx(1_000.234)


def test_o8_every_set_of_labels_is_known_and_none_is_an_address(reader: Call, relay: SmtpServer) -> None:
    sent(relay, 1, DeliveryState.QUEUED)
    counted(relay, 0.1)
    counted(relay, 0.2, outcome=Outcome.DEFERRED, cause="recipient-greylisted")
    found = samples(reader)
    labels: dict[str, set[str]] = {}
    for name, pairs in found:
        labels.setdefault(name, {label for label, _ in pairs})
        assert labels[name] == {label for label, _ in pairs}, name
        assert not [value for label, value in pairs if "@" in value or ".example" in value], name
    assert labels == LABELS


def test_o8_ten_thousand_domains_leave_the_number_of_series_unchanged(reader: Call, relay: SmtpServer) -> None:
    sent(relay, 0, DeliveryState.QUEUED)
    counted(relay, 0.1)
    before = set(samples(reader))
    messages = [
        Message(
            message_id=f"<{n}@company.example>", from_header="r@company.example", content_digest="0" * 64,
            content_size=1, created_at=NOW, expires_at=NOW + timedelta(days=1), server=relay,
        )
        for n in range(1, 10_001)
    ]
    Message.objects.bulk_create(messages, batch_size=2_000)
    Delivery.objects.bulk_create(
        [
            Delivery(
                message=message, recipient=f"ann@domain{n}.example", due_at=NOW, updated_at=NOW, server=relay,
                state=DeliveryState.QUEUED, last_reply=f"450 4.2.0 domain{n}.example says no",
            )
            for n, message in enumerate(messages)
        ],
        batch_size=2_000,
    )
    AttemptTotal.objects.update(attempts=10_001)
    found = samples(reader)
    assert found["postroom_deliveries", (("state", "queued"),)] == 10_001
    assert set(found) == before


def test_no_table_of_mail_is_read_through(reader: Call, relay: SmtpServer) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("the plan of another database depends on what is in its tables")
    sent(relay, 0, DeliveryState.QUEUED)
    with CaptureQueriesContext(connection, ) as captured:
        samples(reader)
    reads = [query["sql"] for query in captured.captured_queries if query["sql"].startswith("SELECT")]
    assert 5 < len(reads) < 20
    with connection.cursor() as cursor:
        for read in reads:
            cursor.execute("EXPLAIN QUERY PLAN " + read.replace("%", "%%"), ())
            for *_, step in cursor.fetchall():
                is_read_through = step.startswith("SCAN store_") and "COVERING INDEX" not in step
                assert not (is_read_through and ("_delivery" in step or "_message" in step)), f"{step}: {read}"


def test_it_asks_for_a_reading_token(reader: Call, sender: Call, admin: Call) -> None:
    assert reader("get", "/metrics").status_code == admin("get", "/metrics").status_code == 200
    assert sender("get", "/metrics").status_code == 403
    for stranger in (caller(None), caller("pr_" + "x" * 43)):
        answer = stranger("get", "/metrics")
        assert (answer.status_code, answer["Content-Type"]) == (401, "application/problem+json")
    assert reader("post", "/metrics", {}).status_code == 405


def test_the_operator_may_open_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "METRICS_PUBLIC", True)
    assert caller(None)("get", "/metrics").status_code == 200


def test_a_database_that_can_not_be_read_is_503_without_a_word_more(
    reader: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_now: datetime) -> None:
        raise DatabaseError("disk I/O error at /secret/path")

    monkeypatch.setattr("postroom.api.metrics.monitored", broken)
    answer = reader("get", "/metrics")
    assert answer.status_code == 503
    assert b"secret" not in answer.content
