"""Subscriptions over the API: kept, run, paused, with what their runs did."""

from typing import Any

import pytest
from django.utils import timezone

from postroom.flow.recipients.suppression import Entry, suppress
from postroom.flow.runs.run_log import problem_of, with_line
from postroom.store.models import (
    AuditEntry,
    RecipientGroup,
    ReportSource,
    Run,
    RunRecipient,
    Subscription,
)
from postroom.terms.wording import worded

from .conftest import Call

PATH = "/api/v1/subscriptions"


@pytest.fixture
def values() -> dict[str, Any]:
    ReportSource.objects.create(name="Delivery performance", kind="pushed")
    RecipientGroup.objects.create(name="Operations managers")
    return {
        "name": "Weekly", "source": "Delivery performance",
        "schedule": {"words": "every Monday at 07:30", "time_zone": "Europe/Berlin"},
        "subscribers": [{"group": "Operations managers"}, {"address": "archive@norrvik.example", "place": "bcc"}],
        "notices": [{"outcome": "error", "addresses": ["operations@norrvik.example"]}],
    }


@pytest.fixture
def weekly(admin: Call, values: dict[str, Any]) -> dict[str, Any]:
    answer = admin("post", PATH, values)
    assert answer.status_code == 201, answer.content
    told: dict[str, Any] = answer.json()
    return told


def test_a_subscription_is_told_as_it_was_made_and_can_be_read_alone_and_in_the_list(
    weekly: dict[str, Any], reader: Call
) -> None:
    assert weekly["schedule"] == {"words": "every Monday at 07:30", "time_zone": "Europe/Berlin"}
    assert weekly["next_at"].endswith(("05:30:00Z", "06:30:00Z"))
    assert [each["place"] for each in weekly["subscribers"]] == ["to", "bcc"]
    assert weekly["last_run"] is None
    assert reader("get", f"{PATH}/{weekly['id']}").json() == weekly
    assert reader("get", PATH).json() == {"subscriptions": [weekly], "next_before": None}
    assert reader("get", f"{PATH}?source=nothing").json()["subscriptions"] == []


def test_what_was_told_can_be_posted_again(admin: Call, weekly: dict[str, Any]) -> None:
    read_only = {"id", "list", "next_at", "paused_at", "paused_by", "last_run", "created_at", "updated_at"}
    again = {name: value for name, value in weekly.items() if name not in read_only} | {"name": "Again"}
    answer = admin("post", PATH, again)
    assert answer.status_code == 201, answer.content
    assert {**answer.json(), "name": "Weekly", **{name: weekly[name] for name in read_only}} == weekly


def test_a_change_touches_only_the_fields_that_are_there(admin: Call, weekly: dict[str, Any]) -> None:
    changed = admin("patch", f"{PATH}/{weekly['id']}", {"subject": "Week", "schedule": None}).json()
    assert {**changed, "updated_at": weekly["updated_at"]} == {
        **weekly, "subject": "Week", "schedule": None, "next_at": None
    }


@pytest.mark.parametrize(("change", "fields"), [
    ({"schedule": {"words": "now and then"}}, {"words"}), ({"source": "Nothing"}, {"source"}),
    ({"subscribers": []}, {"subscribers"}), ({"subscribers": [{"group": "No such"}]}, {"subscribers.0"}),
    ({"name": "", "template": "none"}, {"name", "template"}), ({"surprise": 1}, {"surprise"}),
    ({"retry": {"times": "three"}}, {"retry.times"}), ({"schedule": {"words": "x", "cron": "* * * * *"}}, {"schedule"}),
    ({"test_mode": {"address": "nobody"}}, {"address"}), ({"iteration": {"column": "region"}}, {"iteration"}),
])
def test_what_can_t_be_taken_is_refused_by_its_field_and_changes_nothing(
    admin: Call, weekly: dict[str, Any], reader: Call, change: dict[str, Any], fields: set[str]
) -> None:
    answer = admin("patch", f"{PATH}/{weekly['id']}", change)
    assert answer.status_code == 422
    assert {error["field"] for error in answer.json()["errors"]} == fields
    assert reader("get", f"{PATH}/{weekly['id']}").json() == weekly


def test_a_sending_token_runs_it_for_its_own_recipients_and_for_nobody_else(
    sender: Call, admin: Call, weekly: dict[str, Any]
) -> None:
    answer = sender("post", f"{PATH}/{weekly['id']}/run", {})
    assert answer.status_code == 202
    run = answer.json()
    assert (run["state"], run["cause"], run["asked_by"]) == ("waiting", "manual", "API token Sender")
    refused = sender("post", f"{PATH}/{weekly['id']}/run", {"to": "thief@elsewhere.example"})
    assert refused.status_code == 403
    mine = admin("post", f"{PATH}/{weekly['id']}/run", {"to": "me@norrvik.example"}).json()
    assert mine["only_to"] == "me@norrvik.example"
    assert Run.objects.count() == 2


def test_pause_and_resume_are_told_and_audited(admin: Call, weekly: dict[str, Any]) -> None:
    paused = admin("post", f"{PATH}/{weekly['id']}/pause").json()
    assert (paused["next_at"], paused["paused_by"]) == (None, "API token Admin")
    assert admin("post", f"{PATH}/{weekly['id']}/resume").json()["next_at"] == weekly["next_at"]
    assert {"subscription.pause", "subscription.resume"} <= set(AuditEntry.objects.values_list("action", flat=True))


def test_test_mode_is_a_field_that_null_switches_off(admin: Call, weekly: dict[str, Any]) -> None:
    path = f"{PATH}/{weekly['id']}"
    assert admin("patch", path, {"test_mode": None}).status_code == 200
    on = admin("patch", path, {"test_mode": {"address": "marta@norrvik.example"}}).json()["test_mode"]
    assert on["address"] == "marta@norrvik.example"
    assert admin("patch", path, {"test_mode": None}).json()["test_mode"] is None
    actions = list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))
    assert actions[-2:] == ["test-mode.on", "test-mode.off"]


def test_a_run_is_told_with_its_log_recipients_and_why_it_failed(
    admin: Call, reader: Call, weekly: dict[str, Any]
) -> None:
    text = worded("The source did not answer within {seconds} s.", seconds=60)
    row = Run.objects.create(
        subscription=Subscription.objects.get(), cause="schedule", due_at=timezone.now(), state="error", planned=2,
        left_out=1, queued=0, problem=problem_of("source-timeout", text, "no answer"),
        log=with_line([], timezone.now(), text),
    )
    for position, why in enumerate(("", "unsubscribe")):
        address = f"p{position}@norrvik.example"
        RunRecipient.objects.create(
            run=row, position=position, address=address, address_key=address, left_out=why, message_id=""
        )
    path = f"{PATH}/{weekly['id']}/runs"
    (told,) = reader("get", path).json()["runs"]
    assert told["problem"] == {
        "slug": "source-timeout", "text": "The source did not answer within 60 s.", "evidence": "no answer",
    }
    one = reader("get", f"{path}/{row.pk}").json()
    assert [line["text"] for line in one["log"]] == ["The source did not answer within 60 s."]
    assert one["states"] == {}
    people = reader("get", f"{path}/{row.pk}/recipients?limit=1").json()
    assert people["recipients"][0]["address"] == "p0@norrvik.example"
    more = reader("get", f"{path}/{row.pk}/recipients?limit=1&after={people['next_after']}").json()
    assert more["recipients"][0]["left_out"] == "unsubscribe"
    again = admin("post", f"{path}/{row.pk}/retry")
    assert again.status_code == 200, again.content
    assert admin("post", f"{path}/{row.pk}/stop").status_code == 200
    assert reader("get", f"{PATH}/{weekly['id']}").json()["last_run"]["id"] == row.pk


def test_a_run_is_found_below_its_own_subscription_alone(reader: Call, admin: Call, weekly: dict[str, Any]) -> None:
    run = admin("post", f"{PATH}/{weekly['id']}/run", {}).json()["id"]
    assert reader("get", f"{PATH}/{weekly['id']}/runs/{run}").status_code == 200
    assert reader("get", f"{PATH}/X/runs/{run}").status_code == 404


def test_who_left_is_told(reader: Call, weekly: dict[str, Any]) -> None:
    suppress([Entry("ann@x.example", "unsubscribe", weekly["list"])], actor="recipient", now=timezone.now())
    (left,) = reader("get", f"{PATH}/{weekly['id']}/left").json()["left"]
    assert left["address"] == "ann@x.example"


def test_a_removed_subscription_is_gone_and_one_under_way_stays(admin: Call, weekly: dict[str, Any]) -> None:
    path = f"{PATH}/{weekly['id']}"
    run = admin("post", f"{path}/run", {}).json()["id"]
    Run.objects.filter(pk=run).update(state="sending")
    assert admin("delete", path).status_code == 409
    Run.objects.filter(pk=run).update(state="success")
    assert admin("delete", path).status_code == 204
    assert admin("get", path).status_code == 404
