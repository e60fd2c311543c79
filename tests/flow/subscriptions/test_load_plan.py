"""The load planner out of subscriptions, their last runs, servers and what these did so far."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from postroom.flow.subscriptions.load_facts import pace_of, roads
from postroom.flow.subscriptions.load_plan import load_plan, sizes_of
from postroom.flow.subscriptions.load_plan_json import load_plan_json
from postroom.flow.subscriptions.schedules import next_instant
from postroom.store.models import (
    Delivery,
    DeliveryTally,
    HolidayCalendar,
    Message,
    Recipient,
    RecipientGroup,
    ReportSource,
    Run,
    RunRecipient,
    SmtpServer,
    Subscriber,
    Subscription,
)

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)
MONDAY, BERLIN = date(2026, 11, 23), ZoneInfo("Europe/Berlin")


@pytest.fixture
def server() -> SmtpServer:
    settings = {"name": "Relay", "host": "relay.norrvik.example", "limits": {"messages_per_minute": 60}}
    return SmtpServer.objects.create(name="Relay", settings=settings, position=0, is_default=True, use_unverified=True)


def subscription(name: str, words: str, addresses: int = 0, **values: object) -> Subscription:
    source, _ = ReportSource.objects.get_or_create(name="Pushed", kind="pushed")
    schedule = {"words": words, "time_zone": "Europe/Berlin"}
    row = Subscription.objects.create(
        name=name, list_name=name, source=source, schedule=schedule, next_at=next_instant(schedule, None, NOW), **values
    )
    for number in range(addresses):
        Subscriber.objects.create(subscription=row, address=f"{number}@{name}.example")
    return row


def ran(row: Subscription, messages: int, octets: int) -> Run:
    message = Message.objects.create(
        message_id=f"<{row.pk}@x.example>", from_header="x", subject="x", content_digest="0" * 64, content_size=octets,
        created_at=NOW, expires_at=NOW + timedelta(days=1),
    )
    run = Run.objects.create(
        subscription=row, cause="schedule", state="success", due_at=NOW, planned=messages, queued=messages
    )
    address = "a@x.example"
    RunRecipient.objects.create(run=run, position=0, address=address, address_key=address, message_id=message.pk)
    return run


def test_reports_of_one_morning_really_arrive_one_after_the_other_and_one_is_to_move(server: SmtpServer) -> None:
    for name, messages in (("large", 3_000), ("small", 60)):
        ran(subscription(name, "weekdays at 08:00"), messages, 20_000)
    found = load_plan(MONDAY, BERLIN, NOW)
    seven = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
    assert [(each.load.name, each.load.at, each.load.messages) for each in found.plan.arrivals] == [
        ("large", seven, 3_000), ("small", seven, 60),
    ]
    last = [each.last_at for each in found.plan.arrivals]
    assert last == [seven + timedelta(minutes=50), seven + timedelta(minutes=51)]
    assert (found.moves[0].load.name, found.moves[0].to) == ("small", seven - timedelta(minutes=15))
    assert [road.per_minute for road in found.roads] == [60]
    document = load_plan_json(found)
    assert document["arrivals"][0]["held_by"] == "messages_per_minute"
    assert document["servers"][0]["id"] == server.pk


def test_what_never_ran_counts_its_recipients_and_what_is_paused_or_off_that_day_does_not_count(
    server: SmtpServer,
) -> None:
    new = subscription("new", "every day at 08:00", addresses=3)
    group = RecipientGroup.objects.create(name="Sales")
    for number in range(4):
        key = f"m{number}@norrvik.example"
        group.members.add(Recipient.objects.create(address=key, address_key=key))
    Subscriber.objects.create(subscription=new, group=group)
    subscription("paused", "every day at 08:00", paused_at=NOW)
    calendar = HolidayCalendar.objects.create(name="Ours", countries=[], days=["2026-11-23"])
    subscription("off", "every day at 08:00", calendar=calendar)
    subscription("sundays", "every Sunday at 08:00")
    size = sizes_of([new])[new.pk]
    assert (size.messages, size.known) == (7, False)
    found = load_plan(MONDAY, BERLIN, NOW)
    assert [(each.load.name, each.load.road) for each in found.plan.arrivals] == [("new", server.pk)]


def test_a_test_sent_to_oneself_does_not_tell_the_size_of_a_run(server: SmtpServer) -> None:
    row = subscription("sales", "every day at 08:00", server=server)
    ran(row, 500, 1_000_000)
    Run.objects.create(subscription=row, cause="manual", only_to="me@x.example", state="success", due_at=NOW, queued=1)
    size = sizes_of([row])[row.pk]
    assert (size.messages, size.octets, size.known) == (500, 1_000_000, True)


def test_today_begins_now_with_what_waits_already(server: SmtpServer) -> None:
    subscription("morning", "every day at 08:00", addresses=1)
    subscription("evening", "every day at 20:00", addresses=1)
    message = Message.objects.create(
        message_id="<w@x.example>", from_header="x", subject="x", content_digest="0" * 64, content_size=10,
        created_at=NOW, expires_at=NOW + timedelta(days=1),
    )
    Delivery.objects.create(
        message=message, recipient="a@x.example", state="queued", due_at=NOW, updated_at=NOW, server=server
    )
    found = load_plan(date(2026, 11, 22), BERLIN, NOW)
    assert [(each.load.key != "", each.load.messages) for each in found.plan.arrivals] == [(False, 1), (True, 1)]
    assert found.begin == NOW


def test_many_instants_of_one_schedule_count_together_by_half_hours(server: SmtpServer) -> None:
    subscription("often", "every 5 minutes", addresses=2)
    found = load_plan(MONDAY, BERLIN, NOW)
    assert len(found.plan.arrivals) == 48
    assert sum(each.load.messages for each in found.plan.arrivals) == 2 * 288
    assert {each.load.road for each in found.plan.arrivals} == {server.pk}


def test_the_pace_is_that_of_what_left_and_large_messages_tell_the_rate() -> None:
    assert pace_of([], 4).measured == 0
    small = [(NOW + timedelta(seconds=number * 10), 0.2, 5_000) for number in range(10)]
    large = [(NOW + timedelta(seconds=200 + number * 10), 1.2, 4_000_000) for number in range(10)]
    pace = pace_of([*small, *large], 4)
    assert (pace.message_s, pace.measured) == (0.2, 20)
    assert pace.octets_per_s == pytest.approx(4_000_000)
    busy = [(NOW + timedelta(seconds=number * 0.01), 3.0, 5_000) for number in range(100)]
    assert pace_of(busy, 4).message_s == pytest.approx(0.04)


def test_what_else_leaves_is_the_mean_of_a_week_without_runs_of_subscriptions(server: SmtpServer) -> None:
    nine = datetime(2026, 11, 20, 9, tzinfo=UTC)
    for width, at in ((3_600, nine), (300, nine)):
        DeliveryTally.objects.create(server_id=server.pk, width_s=width, starts_at=at, outcome="sent", attempts=5_200)
    row = subscription("sales", "every day at 10:00", server=server)
    Run.objects.create(
        subscription=row, cause="schedule", due_at=nine, started_at=nine + timedelta(minutes=5), queued=1_000
    )
    (road,) = roads([server], NOW)
    assert road.others[9] == pytest.approx(4_200 / 7 / 60)
    assert sum(road.others) == road.others[9]
    DeliveryTally.objects.create(
        server_id=server.pk, width_s=300, starts_at=NOW - timedelta(hours=2), outcome="sent", attempts=7
    )
    (road,) = roads([server], NOW)
    assert dict(road.used or {}) == {int((NOW - timedelta(hours=2)).timestamp()) // 900: 7}


def test_without_a_server_nothing_ever_leaves_and_the_plan_says_so() -> None:
    subscription("sales", "every day at 08:00", addresses=1)
    (arrival,) = load_plan(MONDAY, BERLIN, NOW).plan.arrivals
    assert (arrival.load.road, arrival.last_at) == ("", None)
