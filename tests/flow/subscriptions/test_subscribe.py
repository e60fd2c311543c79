"""Subscriptions as people keep them: what is refused, what is stored, and what a change leaves behind."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from postroom.flow.instance.refusals import NotPossible, SettingsRefused
from postroom.flow.recipients.left_out import left_out, who_left
from postroom.flow.recipients.suppression import Entry, suppress
from postroom.flow.runs.ask_run import WAITING_RUNS, run_now, send_to
from postroom.flow.runs.scheduled_runs import begin_due_runs
from postroom.flow.subscriptions.holiday_calendars import add_calendar
from postroom.flow.subscriptions.subscribe import (
    add_subscription,
    change_subscription,
    pause_subscription,
    remove_subscription,
    resume_subscription,
)
from postroom.flow.subscriptions.subscribers import read_entry
from postroom.flow.subscriptions.subscription_values import subscription_values
from postroom.store.models import (
    AuditEntry,
    GroupMember,
    Recipient,
    RecipientGroup,
    ReportSource,
    Run,
    Subscriber,
    Subscription,
    User,
)

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 3, 12, 13, 32, tzinfo=UTC)
ACTOR = "marta@norrvik.example"
WEEKLY = {"words": "every Monday at 07:30", "time_zone": "Europe/Berlin"}


@pytest.fixture
def source() -> ReportSource:
    return ReportSource.objects.create(name="Delivery performance", kind="pushed")


@pytest.fixture
def managers() -> RecipientGroup:
    group = RecipientGroup.objects.create(name="Operations managers")
    for name in ("lena", "olof"):
        address = f"{name}@norrvik.example"
        recipient = Recipient.objects.create(name=name.title(), address=address, address_key=address)
        GroupMember.objects.create(group=group, recipient=recipient)
    return group


@pytest.fixture
def values(source: ReportSource, managers: RecipientGroup) -> dict[str, Any]:
    return {
        "name": "Weekly delivery performance", "source": source.pk, "schedule": WEEKLY,
        "subscribers": [{"group": managers.pk}, {"address": "archive@norrvik.example", "place": "bcc"}],
        "notices": [{"outcome": "error", "addresses": ["operations@norrvik.example"]}],
    }


@pytest.fixture
def weekly(values: dict[str, Any]) -> Subscription:
    return add_subscription(values, ACTOR, NOW)


def refused(values: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(SettingsRefused) as caught:
        add_subscription(values, ACTOR, NOW)
    return {problem.field: str(problem.text) for problem in caught.value.problems}


def test_a_new_subscription_is_due_at_its_next_instant_in_its_own_zone(weekly: Subscription) -> None:
    assert weekly.next_at == datetime(2026, 3, 16, 6, 30, tzinfo=UTC)
    assert weekly.list_name == "Weekly delivery performance"
    assert weekly.retry == {"times": 3, "pause_s": 600}
    assert [notice.outcome for notice in weekly.notices.all()] == ["error"]


def test_what_is_told_of_a_subscription_makes_the_same_one_again(weekly: Subscription) -> None:
    told = subscription_values(weekly)
    again = add_subscription({**told, "name": "Another"}, ACTOR, NOW)
    assert subscription_values(again) == {**told, "name": "Another"}


def test_every_field_at_fault_is_named_at_once_and_nothing_is_stored() -> None:
    told = refused({
        "name": " ", "source": "nothing", "subscribers": [], "schedule": {"words": "now and then"}, "link_days": 0,
        "retry": {"times": 99}, "form": "fax", "parameters": {"no name": 1}, "template": "none",
        "notices": [{"outcome": "error", "addresses": ["nobody"]}], "iteration": {"column": "region"},
    })
    assert set(told) == {
        "name", "source", "subscribers", "words", "link_days", "retry", "form", "parameters", "template", "notices.0",
        "iteration",
    }
    assert not Subscription.objects.exists()
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(("entry", "field"), [
    ({"group": "Nobody"}, "subscribers.0"), ({"recipient": "x@y.example"}, "subscribers.0"), ({}, "subscribers.0"),
    ({"address": "not an address"}, "subscribers.0"), ({"address": "a@b.example", "group": "x"}, "subscribers.0"),
    ({"address": "a@b.example", "place": "cc"}, "subscribers.0.place"),
])
def test_a_subscriber_that_is_none_is_refused_at_its_place(
    values: dict[str, Any], entry: dict[str, Any], field: str
) -> None:
    assert set(refused({**values, "subscribers": [entry]})) == {field}


def test_groups_and_recipients_may_be_named_by_id_name_or_address(values: dict[str, Any]) -> None:
    lena = Recipient.objects.get(name="Lena")
    row = add_subscription({**values, "subscribers": [
        {"group": "Operations managers"}, {"recipient": "LENA@norrvik.example"}, {"recipient": lena.pk},
        {"address": "x@y.example"}, {"address": "X@Y.example"},
    ]}, ACTOR, NOW)
    stored = row.subscribers.order_by("pk").values_list("group__name", "recipient_id", "address")
    assert list(stored) == [("Operations managers", None, ""), (None, lena.pk, ""), (None, None, "x@y.example")]


def test_two_subscriptions_never_share_a_name_or_the_list_that_people_leave(
    values: dict[str, Any], weekly: Subscription
) -> None:
    assert set(refused({**values, "name": "weekly DELIVERY performance"})) == {"name"}
    change_subscription(weekly.pk, {"name": "Renamed"}, ACTOR, NOW)
    second = add_subscription(values, ACTOR, NOW)
    assert second.list_name == "Weekly delivery performance (2)"
    assert Subscription.objects.get(pk=weekly.pk).list_name == "Weekly delivery performance"


def test_a_list_that_somebody_left_is_never_given_to_another_subscription(
    values: dict[str, Any], weekly: Subscription
) -> None:
    suppress([Entry("lena@norrvik.example", "unsubscribe", weekly.list_name)], actor="recipient", now=NOW)
    remove_subscription(weekly.pk, ACTOR)
    assert add_subscription(values, ACTOR, NOW).list_name == "Weekly delivery performance (2)"


def test_a_change_touches_only_what_it_names_and_is_audited_with_old_and_new(weekly: Subscription) -> None:
    kept = set(weekly.subscribers.values_list("pk", flat=True))
    change_subscription(weekly.pk, {"subject": "Week 10", "schedule": None}, ACTOR, NOW)
    row = Subscription.objects.get(pk=weekly.pk)
    assert (row.subject, row.schedule, row.next_at) == ("Week 10", {}, None)
    assert set(row.subscribers.values_list("pk", flat=True)) == kept
    entry = AuditEntry.objects.get(action="subscription.change")
    assert entry.changes == {"subject": ["", "Week 10"], "schedule": [WEEKLY, None]}


@pytest.mark.parametrize("words", [WEEKLY["words"], "every day at 07:30", "every day at 09:00"])
def test_s4_who_saves_while_an_instant_is_due_does_not_drop_it(weekly: Subscription, words: str) -> None:
    due_at = weekly.next_at
    assert due_at is not None
    late, schedule = due_at + timedelta(seconds=1), {**WEEKLY, "words": words}
    change_subscription(weekly.pk, {"subject": "Week 11", "schedule": schedule, "calendar": None}, ACTOR, late)
    begin_due_runs(late)
    run = weekly.runs.get()
    assert (run.nominal_at, run.cause) == (due_at, Run.Cause.SCHEDULE)
    after = Subscription.objects.get(pk=weekly.pk).next_at
    assert after is not None
    assert after > late


def test_s4_another_schedule_makes_up_for_none_of_the_instants_that_were_never_planned(weekly: Subscription) -> None:
    due_at = weekly.next_at
    assert due_at is not None
    late = due_at + timedelta(days=3, minutes=1)
    change_subscription(weekly.pk, {"catch_up": "all", "catch_up_within_s": 14 * 86_400}, ACTOR, NOW)
    change_subscription(weekly.pk, {"schedule": {**WEEKLY, "words": "every hour"}}, ACTOR, late)
    begin_due_runs(late)
    run = weekly.runs.get()
    assert (run.nominal_at, run.cause, len(run.log)) == (due_at, Run.Cause.CATCH_UP, 1)
    after = Subscription.objects.get(pk=weekly.pk).next_at
    assert after is not None
    assert late < after <= late + timedelta(hours=1)


def test_another_schedule_or_calendar_counts_from_now(weekly: Subscription) -> None:
    change_subscription(weekly.pk, {"schedule": {**WEEKLY, "words": "every day at 07:30"}}, ACTOR, NOW)
    assert Subscription.objects.get(pk=weekly.pk).next_at == datetime(2026, 3, 13, 6, 30, tzinfo=UTC)
    closed = add_calendar({"name": "Closed", "days": ["2026-03-13"]}, ACTOR)
    change_subscription(weekly.pk, {"calendar": closed.pk}, ACTOR, NOW)
    assert Subscription.objects.get(pk=weekly.pk).next_at == datetime(2026, 3, 14, 6, 30, tzinfo=UTC)
    change_subscription(weekly.pk, {"schedule": {}}, ACTOR, NOW + timedelta(days=30))
    assert Subscription.objects.get(pk=weekly.pk).next_at is None


def test_a_change_that_changes_nothing_leaves_no_entry(weekly: Subscription, values: dict[str, Any]) -> None:
    change_subscription(weekly.pk, {"name": weekly.name, "subscribers": values["subscribers"]}, ACTOR, NOW)
    assert not AuditEntry.objects.filter(action="subscription.change").exists()


def test_subscribers_that_stay_keep_their_rows(weekly: Subscription, managers: RecipientGroup) -> None:
    kept = weekly.subscribers.get(group=managers).pk
    change_subscription(weekly.pk, {"subscribers": [{"group": managers.pk}, {"address": "new@x.example"}]}, ACTOR, NOW)
    assert set(weekly.subscribers.values_list("address", flat=True)) == {"", "new@x.example"}
    assert weekly.subscribers.get(group=managers).pk == kept


def test_another_source_or_parameter_forgets_what_the_last_report_was(weekly: Subscription) -> None:
    Subscription.objects.filter(pk=weekly.pk).update(last_digest="x" * 64)
    change_subscription(weekly.pk, {"text": "Good morning"}, ACTOR, NOW)
    assert Subscription.objects.get(pk=weekly.pk).last_digest == "x" * 64
    change_subscription(weekly.pk, {"parameters": {"region": "Nordics"}}, ACTOR, NOW)
    assert Subscription.objects.get(pk=weekly.pk).last_digest == ""


def test_a_paused_subscription_has_no_next_instant_and_resumes_with_the_one_after_now(weekly: Subscription) -> None:
    pause_subscription(weekly.pk, ACTOR, NOW)
    change_subscription(weekly.pk, {"schedule": {**WEEKLY, "words": "every day at 08:00"}}, ACTOR, NOW)
    assert Subscription.objects.get(pk=weekly.pk).next_at is None
    later = NOW + timedelta(days=30)
    assert resume_subscription(weekly.pk, ACTOR, later).next_at == datetime(2026, 4, 12, 6, 0, tzinfo=UTC)
    resume_subscription(weekly.pk, ACTOR, later)
    actions = list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))
    assert actions.count("subscription.pause") == actions.count("subscription.resume") == 1


def test_run_now_asked_twice_waits_once_and_a_mail_to_oneself_is_another_run(weekly: Subscription) -> None:
    first, second = run_now(weekly.pk, ACTOR, NOW), run_now(weekly.pk, ACTOR, NOW + timedelta(seconds=1))
    mine = send_to(weekly.pk, "marta@norrvik.example", ACTOR, NOW)
    assert first.pk == second.pk
    assert (mine.only_to, mine.cause, mine.state) == ("marta@norrvik.example", Run.Cause.MANUAL, Run.State.WAITING)
    assert weekly.runs.count() == 2
    assert AuditEntry.objects.filter(action="subscription.run").count() == 2
    with pytest.raises(SettingsRefused):
        send_to(weekly.pk, "nobody", ACTOR, NOW)


def test_runs_that_nobody_takes_up_end_somewhere(weekly: Subscription) -> None:
    for _ in range(WAITING_RUNS):
        send_to(weekly.pk, "marta@norrvik.example", ACTOR, NOW)
    with pytest.raises(NotPossible, match="runs wait already"):
        send_to(weekly.pk, "marta@norrvik.example", ACTOR, NOW)


def test_a_subscription_under_way_is_not_removed_and_one_that_is_goes_with_its_history(weekly: Subscription) -> None:
    run = run_now(weekly.pk, ACTOR, NOW)
    Run.objects.filter(pk=run.pk).update(state=Run.State.SENDING)
    with pytest.raises(NotPossible, match="under way"):
        remove_subscription(weekly.pk, ACTOR)
    Run.objects.filter(pk=run.pk).update(state=Run.State.SUCCESS)
    assert remove_subscription(weekly.pk, ACTOR) == "Weekly delivery performance"
    assert not Run.objects.exists()
    assert not Subscriber.objects.exists()
    with pytest.raises(NotPossible):
        run_now(weekly.pk, ACTOR, NOW)


def test_the_owner_is_a_user_who_may_go_without_the_subscription(values: dict[str, Any]) -> None:
    marta = User.objects.create_user(ACTOR, "x" * 20, name="Marta", role=User.Role.OPERATOR)
    row = add_subscription({**values, "owner": ACTOR.upper()}, ACTOR, NOW)
    assert row.owner == marta
    assert set(refused({**values, "name": "Other", "owner": "nobody@norrvik.example"})) == {"owner"}


def test_who_left_a_list_or_gets_no_mail_is_told_apart_from_who_gets_it(weekly: Subscription) -> None:
    suppress([
        Entry("lena@norrvik.example", "unsubscribe", weekly.list_name), Entry("olof@norrvik.example", "hard-bounce"),
        Entry("other@norrvik.example", "unsubscribe", "Another list"),
    ], actor="x", now=NOW)
    keys = ["lena@norrvik.example", "olof@norrvik.example", "other@norrvik.example", "x@norrvik.example"]
    found = left_out(keys, weekly.list_name)
    assert {key: row.reason for key, row in found.items()} == {
        "lena@norrvik.example": "unsubscribe", "olof@norrvik.example": "hard-bounce",
    }
    assert [row.address for row in who_left([weekly.list_name])] == ["lena@norrvik.example"]


def test_what_a_person_types_is_read_as_group_then_recipient_then_address(managers: RecipientGroup) -> None:
    lena = Recipient.objects.get(name="Lena")
    assert read_entry("operations MANAGERS") == {"group": managers.pk, "place": "to"}
    assert read_entry("Lena", "bcc") == {"recipient": lena.pk, "place": "bcc"}
    assert read_entry(" LENA@norrvik.example ") == {"recipient": lena.pk, "place": "to"}
    assert read_entry("new@norrvik.example") == {"address": "new@norrvik.example", "place": "to"}
    assert read_entry("nobody here") is None
    assert read_entry("") is None


@pytest.mark.parametrize("bad", ["\x00", "\ud800", "a\x00b"])
def test_what_no_database_stores_is_refused_beside_its_field(values: dict[str, Any], bad: str) -> None:
    told = refused({
        **values, "name": bad, "text": bad, "source": bad, "server": bad, "parameters": {"region": bad}, "owner": bad,
        "iteration": {"column": "region", "to": {bad: []}}, "subscribers": [{"group": bad}, {"recipient": bad}],
    })
    assert set(told) == {
        "name", "text", "source", "server", "parameters", "owner", "iteration", "subscribers.0", "subscribers.1",
    }
    assert read_entry(bad) is None
