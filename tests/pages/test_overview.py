"""The overview tells how mail is doing, what is in the way, and where to look next."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from tests.rig.filled import fill
from tests.subscribed import pushed_source, subscribed

from postroom.diagnosis.explain import finding_of_cause
from postroom.flow.users.first_start import hide_checklist
from postroom.store.heartbeat import store_heartbeat
from postroom.store.ids import id_at
from postroom.store.models import (
    Delivery,
    DeliveryTally,
    InstanceValue,
    Message,
    QueueSample,
    SmtpServer,
    Subscription,
    User,
)
from postroom.terms.outcome import DeliveryState

HTMX = {"headers": {"hx-request": "true"}}


@pytest.fixture(autouse=True)
def _set_up() -> None:
    hide_checklist()


def tally(ending: str, attempts: int, *, ago: timedelta = timedelta(), **values: Any) -> None:
    """Attempts that ended so long ago, in both widths."""
    for width_s in (300, 3_600):
        at = timezone.now() - ago
        start = at - timedelta(seconds=at.timestamp() % width_s)
        cell, _made = DeliveryTally.objects.get_or_create(
            width_s=width_s, starts_at=start, outcome=ending, cause=values.get("cause", ""),
            server_id=values.get("server_id", ""), defaults={"attempts": 0},
        )
        cell.attempts += attempts
        cell.save()


def delivery(state: DeliveryState, *, age: timedelta = timedelta(), cause: str = "") -> Delivery:
    at = timezone.now() - age
    message = Message.objects.create(
        id=id_at(at, Message.objects.count()), message_id="<1@norrvik.example>", content_digest="0" * 64,
        from_header="Reports <reports@norrvik.example>", content_size=5, created_at=at,
        expires_at=at + timedelta(days=2),
    )
    return Delivery.objects.create(
        message=message, recipient="ann@example.org", state=state, due_at=at, updated_at=at, cause=cause
    )


def text_of(page: Client, query: str = "") -> str:
    """What a person reads: without tags, with single spaces."""
    html = page.get(f"/{query}").content.decode()
    return " ".join(re.sub(r"<[^>]*>", " ", html[html.index("<main"):]).split())


def test_the_figures_tell_what_happened_today_and_what_waits(page: Client) -> None:
    delivery(DeliveryState.SENT)
    for _ in range(2):
        delivery(DeliveryState.QUEUED)
    delivery(DeliveryState.DEFERRED)
    delivery(DeliveryState.FAILED)
    tally("sent", 6_208)
    tally("failed", 1, cause="recipient-unknown")
    text = text_of(page)
    assert "Sent today 6,208 accepted by a server" in text
    assert "Failed today 1 Look at it" in text
    assert "Queue depth 3 2 queued, 1 deferred" in text
    assert "Deferred 1 next try now" in text


@pytest.mark.parametrize(
    ("before", "words"), [(96, "4 % more than last"), (125, "20 % less than last"), (100, "as many as last"),
                          (10, "10 by this time last")],
)
def test_what_was_sent_today_is_compared_with_the_same_weekday_last_week(
    page: Client, before: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    noon = timezone.localtime().replace(hour=12, minute=0)
    monkeypatch.setattr(timezone, "now", lambda: noon)
    delivery(DeliveryState.SENT)
    tally("sent", 100)
    tally("sent", before, ago=timedelta(days=7, hours=1))
    tally("sent", 7_000, ago=timedelta(days=6, hours=20))
    assert f"{words} {noon:%A}" in text_of(page)


def test_all_that_failed_today_can_be_looked_at_only_when_the_list_would_show_exactly_these(page: Client) -> None:
    for _ in range(9):
        delivery(DeliveryState.FAILED)
    tally("failed", 9, cause="recipient-unknown")
    assert "Look at all 9" in text_of(page)
    assert 'href="/messages?state=failed&amp;period=today"' in page.get("/").content.decode()
    tally("failed", 1, cause="queue-expired")
    assert "Look at failed messages" in text_of(page)


def test_a_message_that_waits_for_longer_than_it_should_is_marked(page: Client) -> None:
    delivery(DeliveryState.QUEUED, age=timedelta(minutes=2))
    assert "Oldest queued 2 min since" in text_of(page)
    delivery(DeliveryState.DEFERRED, age=timedelta(minutes=12))
    assert "Oldest queued 12 min longer than 10 min" in text_of(page)


def test_held_deliveries_wait_for_a_person_and_are_no_part_of_the_queue(page: Client) -> None:
    delivery(DeliveryState.HELD)
    text = text_of(page)
    assert "1 held delivery waits for your decision." in text
    assert "Queue depth 0" in text


def test_a_chart_can_be_read_as_a_table_that_holds_the_same_counts(page: Client) -> None:
    delivery(DeliveryState.SENT)
    tally("sent", 12)
    tally("fault", 3, cause="connection-refused")
    tally("failed", 2, cause="recipient-unknown")
    chart = page.get("/?period=hour").content.decode()
    assert "Deliveries per 5 minutes in 1 hour: 12 sent, 3 deferred, 2 failed." in chart
    assert re.search(r"12 sent, 3 deferred, 2 failed</title>", chart)
    assert re.search(r"\d\d:\d\d–\d\d:\d\d 12 3 2 0 ", text_of(page, "?period=hour&table=deliveries"))


def test_the_depth_of_the_queue_is_drawn_and_told(page: Client) -> None:
    delivery(DeliveryState.SENT)
    now = timezone.now()
    for minutes, depth in ((0, 3), (1, 65)):
        QueueSample.objects.create(at=now - timedelta(minutes=minutes), queued=depth, deferred=0, oldest_s=90)
    when = timezone.localtime(now - timedelta(minutes=1), timezone.zoneinfo.ZoneInfo("Europe/Berlin"))
    assert f"highest 65 at {when:%H:%M}" in text_of(page)
    assert "65 1 min" in text_of(page, "?table=queue")


def test_an_hour_without_samples_says_that_nobody_looked(page: Client) -> None:
    delivery(DeliveryState.SENT)
    assert "notes the queue’s depth once a minute while it runs" in text_of(page)


def test_the_strip_of_a_server_tells_when_it_worked_and_since_when_it_fails(page: Client, relay: SmtpServer) -> None:
    delivery(DeliveryState.SENT)
    tally("sent", 5, ago=timedelta(hours=3), server_id=relay.pk)
    tally("sent", 5, ago=timedelta(hours=5), server_id=relay.pk)
    tally("deferred", 5, ago=timedelta(hours=5), cause="recipient-greylisted", server_id=relay.pk)
    tally("fault", 5, ago=timedelta(hours=7), cause="connection-refused", server_id=relay.pk)
    html = page.get("/").content.decode()
    assert "Internal relay, of 48 stretches: working 1, some deferred 1, failing 1, not used 45" in html
    assert "10 sent" in text_of(page)


def failing(relay: SmtpServer, cause: str, since: datetime) -> None:
    relay.verified_fingerprint = relay.typed_settings.fingerprint(relay.secret_id)
    relay.failing_since, relay.failing_finding = since, finding_of_cause(cause).as_stored()
    relay.save()


def test_the_top_causes_lead_to_their_fix(page: Client, relay: SmtpServer) -> None:
    failing(relay, "auth-smtp-auth-disabled", timezone.now() - timedelta(minutes=45))
    delivery(DeliveryState.FAILED, cause="recipient-unknown")
    tally("fault", 289, cause="auth-smtp-auth-disabled", server_id=relay.pk)
    tally("fault", 7, cause="connection-timeout", server_id=relay.pk)
    tally("failed", 6, cause="recipient-unknown", server_id=relay.pk)
    tally("deferred", 1, cause="recipient-greylisted", server_id="gone")
    html, text = page.get("/").content.decode(), text_of(page)
    assert re.search(r"Internal relay, since .{0,20}\d\d:\d\d 289 tries Show cause and fix", text)
    assert f'href="/smtp-servers#server-{relay.pk}"' in html
    assert "7 tries Run live test" in text
    assert f'formaction="/smtp-servers/{relay.pk}/test"' in html
    assert "6 tries Look at messages" in text
    assert 'href="/messages?cause=recipient-unknown&amp;period=all"' in html
    assert "1 try Look at the log" in text


def test_a_viewer_sees_everything_and_is_offered_no_test(viewer: User, relay: SmtpServer) -> None:
    client = Client()
    client.force_login(viewer)
    delivery(DeliveryState.SENT)
    tally("fault", 7, cause="connection-timeout", server_id=relay.pk)
    assert "7 tries Look at the log" in text_of(client)


def test_only_what_changed_is_sent_again(page: Client) -> None:
    delivery(DeliveryState.SENT)
    part = page.get("/?period=hour", **HTMX)
    assert b"<html" not in part.content
    (seen,) = re.findall(r"seen=(\w+)", part.content.decode())
    assert page.get(f"/?period=hour&seen={seen}", **HTMX).status_code == 204
    tally("sent", 1)
    assert page.get(f"/?period=hour&seen={seen}", **HTMX).status_code == 200


def test_whoever_returns_to_the_page_by_the_history_gets_all_of_it(page: Client) -> None:
    answer = page.get("/", headers={"hx-request": "true", "hx-history-restore-request": "true"})
    assert b"<html" in answer.content


@pytest.mark.parametrize("query", ["", "?period=hour", "?period=week", "?period=month&table=queue"])
def test_the_numbers_of_svg_stay_numbers_where_a_comma_divides_them(
    page: Client, administrator: User, query: str
) -> None:
    administrator.language = "fr"
    administrator.save()
    fill(60)
    html = page.get(f"/{query}").content.decode()
    places = re.findall(r' (?:x|y|x1|x2|y1|y2|width|height)="([^"]*)"', html)
    assert places
    assert all(re.fullmatch(r"-?\d+(\.\d+)?%?", place) for place in places)


def test_it_is_said_on_every_page_that_no_server_takes_mail(page: Client) -> None:
    store_heartbeat(timezone.now(), "running")
    SmtpServer.objects.create(name="Sandbox", settings={"host": "127.0.0.1", "port": 2526}, is_sandbox=True)

    def said() -> list[bool]:
        return ["No server takes mail" in page.get(path).content.decode() for path in ("/", "/messages")]

    assert said() == [False, False]
    values = {"settings": {"host": "a.example", "port": 25}, "use_unverified": True}
    SmtpServer.objects.create(name="A", failing_since=timezone.now(), **values)
    assert said() == [True, True]
    other = SmtpServer.objects.create(name="B", **values)
    assert said() == [False, False]
    SmtpServer.objects.filter(pk=other.pk).update(enabled=False)
    assert said() == [True, True]


def test_the_next_runs_stand_beside_the_causes_soonest_first(page: Client, administrator: User) -> None:
    User.objects.filter(pk=administrator.pk).update(time_zone="UTC")
    delivery(DeliveryState.SENT)
    now, source = timezone.now(), pushed_source()
    soon = subscribed(source, name="Customs holds", next_at=now + timedelta(seconds=90))
    subscribed(source, name="Fuel cost", next_at=now + timedelta(days=3))
    subscribed(source, name="Stopped", next_at=now + timedelta(days=1), paused_at=now)
    subscribed(source, name="By hand")
    text = text_of(page)
    assert text.index("Customs holds") < text.index("Fuel cost")
    assert re.search(r"Upcoming subscriptions All 4 .*Customs holds ann@example.com", text)
    assert "Stopped" not in text
    assert "By hand" not in text
    assert f'href="/subscriptions/{soon.pk}"' in page.get("/").content.decode()


def test_without_a_schedule_the_overview_says_what_a_subscription_is_and_offers_one(
    page: Client, viewer: User
) -> None:
    delivery(DeliveryState.SENT)
    assert "No report is scheduled yet." in text_of(page)
    assert 'href="/subscriptions/new"' in page.get("/").content.decode()
    reader = Client()
    reader.force_login(viewer)
    assert "/subscriptions/new" not in reader.get("/").content.decode()
    subscribed(pushed_source())
    assert "None has a time to run" in text_of(page)


def test_the_first_day_names_scheduled_reports_as_a_next_step(page: Client) -> None:
    InstanceValue.objects.all().delete()
    assert not Subscription.objects.exists()
    assert "Schedule a report for people" in text_of(page)
