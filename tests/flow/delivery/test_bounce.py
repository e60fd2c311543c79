"""What comes back about a message that was sent: kept beside its delivery, and acted upon where it is plain."""

from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from tests.bounced import NOW, SETTINGS, complaint, dsn, sent

from postroom.flow.delivery.bounce import BOUNCES_PER_DELIVERY, Verdict, Way, take_report
from postroom.flow.delivery.return_path import delivery_in, is_per_recipient, reverse_path_of
from postroom.flow.instance.retain import retain
from postroom.store.activity_log import ActivityLog
from postroom.store.models import AuditEntry, Bounce, Delivery, Message, Suppression
from postroom.terms.server import ServerSettings


@pytest.fixture(autouse=True)
def database(db: None) -> None:
    """Every test reads and writes."""


def return_path(delivery: Delivery) -> str:
    return reverse_path_of(SETTINGS, "reports@reports.example", delivery.pk)


def suppressed() -> dict[str, str]:
    return dict(Suppression.objects.values_list("address", "reason"))


def test_a_bounce_is_kept_beside_the_delivery_which_stays_sent() -> None:
    delivery = sent()
    taken = take_report(dsn(), Way.API, NOW)
    assert taken.verdict is Verdict.RECORDED
    bounce = Bounce.objects.get()
    assert (bounce.delivery_id, bounce.kind, bounce.status, bounce.cause) == (
        delivery.pk, "failed", "5.1.1", "recipient-unknown",
    )
    assert bounce.diagnostic == "550 5.1.1 User unknown"
    delivery.refresh_from_db()
    assert (delivery.state, delivery.cause) == ("sent", "")


def test_the_signed_return_path_tells_the_delivery_without_any_message_id() -> None:
    delivery = sent()
    sent("ben@customer.example", message_id="<01kother@reports.example>")
    report = dsn(message_id="<01kother@reports.example>", recipient="anna@customer.example")
    taken = take_report(report, Way.SUBMISSION, NOW, forward_path=return_path(delivery).upper())
    assert [b.delivery_id for b in taken.bounces] == [delivery.pk]


def test_the_signed_return_path_is_found_in_the_header_of_the_report_too() -> None:
    delivery = sent()
    taken = take_report(dsn(message_id="", to=return_path(delivery)), Way.MAILBOX, NOW)
    assert [b.delivery_id for b in taken.bounces] == [delivery.pk]


def test_a_return_path_names_no_address_and_is_made_here_or_nowhere() -> None:
    delivery = sent()
    path = return_path(delivery)
    assert "anna" not in path
    assert "customer" not in path
    assert len(path.rpartition("@")[0]) <= 64
    assert delivery_in(path) == delivery.pk
    assert delivery_in(path.replace("+", "+x", 1)) is None
    assert delivery_in("bounces@reports.example") is None
    assert is_per_recipient(SETTINGS)
    assert not is_per_recipient(ServerSettings())
    assert reverse_path_of(ServerSettings(), "a@b.example", delivery.pk) == "a@b.example"
    assert reverse_path_of(SETTINGS, "", delivery.pk) == ""


def test_a_report_about_nothing_of_ours_is_not_believed() -> None:
    sent()
    assert take_report(dsn("ben@customer.example"), Way.API, NOW).verdict is Verdict.UNMATCHED
    assert take_report(dsn(message_id="<guessed@reports.example>"), Way.API, NOW).verdict is Verdict.UNMATCHED
    forged = dsn(message_id="", to="bounces+" + "0" * 42 + "@reports.example")
    assert take_report(forged, Way.API, NOW).verdict is Verdict.UNMATCHED
    assert not Bounce.objects.exists()
    assert not Suppression.objects.exists()


def test_a_delivery_that_was_never_tried_has_no_bounce() -> None:
    sent(state="queued", attempt_count=0)
    assert take_report(dsn(), Way.API, NOW).verdict is Verdict.UNMATCHED


def test_the_same_report_counts_once_whatever_way_it_comes() -> None:
    sent()
    assert take_report(dsn(), Way.API, NOW).verdict is Verdict.RECORDED
    assert take_report(dsn(), Way.MAILBOX, NOW).verdict is Verdict.REPEATED
    assert Bounce.objects.count() == 1


def test_reports_without_end_about_one_delivery_are_not_kept() -> None:
    delivery = sent()
    for number in range(BOUNCES_PER_DELIVERY + 3):
        take_report(dsn(diagnostic=f"smtp; 550 5.7.1 no {number}", status="5.7.1"), Way.API, NOW)
    assert delivery.bounces.count() == BOUNCES_PER_DELIVERY


def test_a_hard_bounce_suppresses_the_address_with_its_evidence() -> None:
    delivery = sent("Anna@customer.example")
    taken = take_report(dsn(), Way.API, NOW)
    assert taken.suppressed == ("anna@customer.example",)
    row = Suppression.objects.get()
    assert (row.reason, row.list_name, row.evidence, row.message_id) == (
        "hard-bounce", "", "550 5.1.1 User unknown", delivery.message_id,
    )
    assert AuditEntry.objects.get(action="suppression.add").subject == "anna@customer.example"


@pytest.mark.parametrize(
    ("action", "status", "diagnostic"),
    [
        ("failed", "5.7.1", "smtp; 554 5.7.1 blocked by policy"),
        ("failed", "5.2.2", "smtp; 552 5.2.2 Mailbox full"),
        ("failed", "4.4.7", "smtp; 450 4.4.7 delivery time expired"),
        ("delayed", "4.4.1", "smtp; connect to mx.customer.example: timed out"),
        ("failed", "5.0.0", "smtp; 550 something"),
        ("delivered", "2.0.0", "smtp; 250 2.0.0 ok"),
    ],
)
def test_what_is_not_plainly_the_address_own_fault_suppresses_nobody(
    action: str, status: str, diagnostic: str
) -> None:
    sent()
    assert take_report(dsn(action=action, status=status, diagnostic=diagnostic), Way.API, NOW).bounces
    assert not Suppression.objects.exists()


def test_an_address_to_which_mail_was_passed_on_is_no_reason_to_suppress_the_recipient() -> None:
    delivery = sent()
    taken = take_report(dsn("private@elsewhere.example"), Way.SUBMISSION, NOW, return_path(delivery))
    assert [b.delivery_id for b in taken.bounces] == [delivery.pk]
    assert not Suppression.objects.exists()


def test_a_complaint_suppresses_everything_to_that_address() -> None:
    sent()
    assert take_report(complaint(), Way.API, NOW).suppressed == ("anna@customer.example",)
    assert suppressed() == {"anna@customer.example": "complaint"}
    assert Bounce.objects.get().cause == "recipient-complained"


@pytest.mark.parametrize("named", ["3f9a1c@customer.example", "private@elsewhere.example"], ids=["hidden", "passed on"])
def test_a_complaint_about_a_delivery_counts_whomever_it_names(named: str) -> None:
    path = return_path(sent())
    assert take_report(complaint(named), Way.SUBMISSION, NOW, path).suppressed == ("anna@customer.example",)


@pytest.mark.parametrize("report", [dsn(), complaint()], ids=["bounce", "complaint"])
def test_who_got_the_same_message_has_nobody_else_suppressed(report: bytes) -> None:
    delivery = sent()
    ben = sent("ben@customer.example", message=delivery.message)
    taken = take_report(report, Way.MAILBOX, NOW)
    assert ([b.delivery_id for b in taken.bounces], taken.suppressed) == ([delivery.pk], ())
    assert take_report(dsn("ben@customer.example"), Way.SUBMISSION, NOW, return_path(ben)).suppressed


def test_a_return_path_whose_delivery_is_gone_vouches_for_no_other() -> None:
    gone = sent("ben@customer.example", message_id="<01kother@reports.example>")
    path = return_path(gone)
    gone.delete()
    sent()
    assert take_report(dsn(), Way.SUBMISSION, NOW, path).verdict is Verdict.UNMATCHED
    assert not Suppression.objects.exists()


def test_a_complaint_that_hides_its_recipient_is_about_the_only_one_of_the_message() -> None:
    delivery = sent()
    assert take_report(complaint("redacted"), Way.API, NOW).suppressed == ("anna@customer.example",)
    Suppression.objects.all().delete()
    sent("ben@customer.example", message=delivery.message)
    assert take_report(complaint("hidden"), Way.API, NOW).verdict is Verdict.UNMATCHED


def test_of_a_message_sent_twice_the_latest_delivery_has_the_bounce() -> None:
    sent()
    latest = sent()
    assert [b.delivery_id for b in take_report(dsn(), Way.API, NOW).bounces] == [latest.pk]


def test_automatic_answers_and_other_mail_leave_no_trace() -> None:
    delivery = sent()
    away = f"To: {return_path(delivery)}\r\nFrom: anna@b.example\r\nAuto-Submitted: auto-replied\r\n\r\nAway.\r\n"
    assert take_report(away.encode(), Way.API, NOW).verdict is Verdict.AUTO_REPLY
    assert take_report(b"Subject: hello\r\n\r\nHello\r\n", Way.API, NOW).verdict is Verdict.NO_REPORT
    assert not Bounce.objects.exists()


def test_a_line_of_the_activity_log_tells_of_it_with_the_servers_words_escaped() -> None:
    delivery = sent()
    at = datetime.now(UTC)
    take_report(dsn(diagnostic="smtp; 550 5.1.1 \x1b[31munknown"), Way.API, at)
    entries = ActivityLog(settings.DATA_DIR / "logs").read_day(at.date())
    entry = next(e for e in entries if e.get("delivery") == delivery.pk)
    assert (entry["kind"], entry["outcome"], entry["enhanced"]) == ("bounce", "bounced", "5.1.1")
    assert "\x1b" not in entry["reply"]


def test_a_bounce_goes_with_its_message_and_whom_it_suppressed_stays_suppressed() -> None:
    delivery = sent()
    take_report(dsn(), Way.API, NOW)
    Message.objects.filter(pk=delivery.message_id).update(created_at=NOW - timedelta(days=4_000))
    Delivery.objects.update(updated_at=NOW - timedelta(days=4_000))
    for _ in retain(datetime.now(UTC), settings.DATA_DIR):
        pass
    assert not Bounce.objects.exists()
    row = Suppression.objects.get()
    assert (row.address, row.message_id) == ("anna@customer.example", None)
