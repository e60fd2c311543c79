"""The pages of subscriptions: the editor, the list, one with its runs, and one run."""

import re
from datetime import timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.test import Client
from django.utils import timezone

from postroom.flow.acceptance.accept import Acceptor
from postroom.flow.acceptance.test_mode import set_for_subscription
from postroom.flow.recipients.suppression import Entry, suppress
from postroom.flow.reports.report_sources import add_source
from postroom.flow.reports.stored_report import report_spool, store_report, with_rows
from postroom.flow.runs.ask_run import WAITING_RUNS
from postroom.flow.runs.outcome_notices import tell
from postroom.flow.runs.run_log import problem_of, with_line
from postroom.flow.subscriptions.subscribe import add_subscription
from postroom.message.template import filled
from postroom.store.blobs import Blobs
from postroom.store.models import (
    GroupMember,
    Message,
    OutcomeNotice,
    Recipient,
    RecipientGroup,
    ReportSource,
    Run,
    RunRecipient,
    SmtpServer,
    Subscription,
    User,
)
from postroom.store.outbox import open_outbox
from postroom.terms.wording import worded

ACTOR = "marta@norrvik.example"


@pytest.fixture
def source() -> ReportSource:
    row = add_source({"name": "Delivery performance", "kind": "pushed", "settings": {}}, ACTOR)
    with report_spool() as spool:
        spool.write(b"region,orders\r\nNordics,120\r\n")
        blob = spool.finish()
    with_rows(store_report(
        row, blob, file_name="performance.csv", media_type="text/csv", origin="push", now=timezone.now()
    ))
    return row


@pytest.fixture
def managers() -> RecipientGroup:
    group = RecipientGroup.objects.create(name="Operations managers")
    for name in ("lena", "olof"):
        address = f"{name}@norrvik.example"
        person = Recipient.objects.create(name=name.title(), address=address, address_key=address, language="en")
        GroupMember.objects.create(group=group, recipient=person)
    return group


@pytest.fixture
def weekly(source: ReportSource, managers: RecipientGroup) -> Subscription:
    values = {
        "name": "Weekly", "source": source.pk, "subscribers": [{"group": managers.pk}],
        "schedule": {"words": "every Monday at 07:30", "time_zone": "Europe/Berlin"},
        "parameters": {"region": "Nordics"}, "iteration": {"column": "region", "to": {"Nordics": ["a@b.example"]}},
        "notices": [{"outcome": "warning", "addresses": ["ops@norrvik.example"], "with_log": False}],
    }
    return add_subscription(values, ACTOR, timezone.now())


def fields_of(text: str) -> dict[str, Any]:
    """What a browser would post of the editor, as far as it is filled in."""
    form = text[text.index("data-pr-subscription"):]
    found: dict[str, Any] = {"subscriber": re.findall(r'name="subscriber" value="([^"]*)"', form)}
    for tag in re.findall(r"<input[^>]*>", form):
        name, value = (re.search(rf'\s{part}="([^"]*)"', tag) for part in ("name", "value"))
        kind = re.search(r'type="(\w+)"', tag)
        if name is None or name[1] in ("subscriber", "csrfmiddlewaretoken"):
            continue
        if kind is None or kind[1] not in ("checkbox", "radio") or " checked" in tag:
            found[name[1]] = value[1] if value else "on"
    for name, content in re.findall(r'<textarea[^>]*\sname="([^"]*)"[^>]*>([^<]*)</textarea>', form):
        found[name] = content
    for name, content in re.findall(r'<select[^>]*\sname="([^"]*)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'<option value="([^"]*)" selected', content)
        first = re.search(r'<option value="([^"]*)"', content)
        found[name] = chosen[1] if chosen else first[1] if first else ""
    return found


def test_a_newcomer_names_report_time_and_people_and_that_is_all(page: Client, source: ReportSource) -> None:
    Recipient.objects.create(name="Ann", address="ann@norrvik.example", address_key="ann@norrvik.example")
    RecipientGroup.objects.create(name="Sales, north")
    typed = fields_of(page.get("/subscriptions/new").content.decode())
    typed |= {"source": source.pk, "words": "every Monday at 07:30", "add": "Sales, north", "do": "save"}
    answer = page.post("/subscriptions/new", typed)
    row = Subscription.objects.get()
    assert answer["Location"] == f"/subscriptions/{row.pk}"
    assert (row.name, row.schedule["time_zone"]) == ("Delivery performance", "Europe/Berlin")
    assert row.next_at is not None
    assert row.owner is not None
    assert row.conditions == {"least_rows": 1, "only_if_changed": False}
    assert [(each.outcome, each.addresses) for each in row.notices.order_by("-outcome")] == [
        ("warning", [ACTOR]), ("error", [ACTOR]),
    ], "of a report that is missing, too"
    assert [each.group.name for each in row.subscribers.all() if each.group] == ["Sales, north"]


def test_saving_what_the_editor_shows_changes_nothing(page: Client, weekly: Subscription) -> None:
    def stored() -> list[Any]:
        return [
            Subscription.objects.values().get(), list(weekly.subscribers.values()),
            list(weekly.notices.values("outcome", "addresses", "with_log")),
        ]

    before = stored()
    typed = fields_of(page.get(f"/subscriptions/{weekly.pk}/edit").content.decode())
    assert page.post(f"/subscriptions/{weekly.pk}/edit", {**typed, "do": "save"}).status_code == 302
    after = stored()
    del before[0]["updated_at"], after[0]["updated_at"]
    assert after == before


def test_what_is_wrong_stands_beside_its_field_and_nothing_is_lost(page: Client, managers: RecipientGroup) -> None:
    typed = fields_of(page.get("/subscriptions/new").content.decode())
    typed |= {
        "words": "now and then", "name": "Weekly", "add": f"{managers.name}, nobody here", "do": "save",
        "parameters": "region Nordics", "least_rows": "many", "notify_error": "nobody", "subject": "Week <10>",
    }
    answer = page.post("/subscriptions/new", typed)
    text = answer.content.decode()
    assert answer.status_code == 422
    assert not Subscription.objects.exists()
    for name in ("subscribers", "parameters", "least_rows"):
        assert f'href="#f-{name}"' in text, name
        assert f'id="e-{name}"' in text, name
    again = fields_of(text)
    assert again["subscriber"] == [f"to group {managers.pk}"]
    assert (again["words"], again["add"], again["parameters"]) == ("now and then", "nobody here", "region Nordics")
    assert again["subject"] == "Week &lt;10&gt;"
    typed |= {"parameters": "region = Nordics", "least_rows": "1", "add": managers.name}
    second = page.post("/subscriptions/new", typed).content.decode()
    for name in ("source", "notify_error", "words"):
        assert f'href="#f-{name}"' in second, name


def test_a_condition_on_a_column_is_typed_kept_shown_again_and_refused_beside_its_field(
    page: Client, managers: RecipientGroup, source: ReportSource
) -> None:
    typed = fields_of(page.get("/subscriptions/new").content.decode()) | {
        "name": "Weekly", "source": source.pk, "add": managers.name, "do": "save", "asks_value": "on",
        "value_rows": "no", "value_column": "on-time rate", "value_operator": "at-least", "value_wanted": "soon",
    }
    text = page.post("/subscriptions/new", typed).content.decode()
    assert 'href="#f-value_wanted"' in text
    assert 'id="e-value_wanted"' in text
    assert fields_of(text)["value_column"] == "on-time rate"
    assert page.post("/subscriptions/new", typed | {"value_wanted": "95 %"}).status_code == 302
    row = Subscription.objects.get()
    assert row.conditions["column_value"] == {
        "column": "on-time rate", "rows": "no", "operator": "at-least", "value": "95 %",
    }
    again = fields_of(page.get(f"/subscriptions/{row.pk}/edit").content.decode())
    shown = [again[f"value_{name}"] for name in ("rows", "column", "operator", "wanted")]
    assert (shown, "asks_value" in again) == (["no", "on-time rate", "at-least", "95 %"], True)


def test_recipients_are_put_together_without_saving_anything(page: Client, managers: RecipientGroup) -> None:
    suppress([Entry("olof@norrvik.example", "hard-bounce")], actor="x", now=timezone.now())
    one = page.post("/subscriptions/recipients", {"add": "operations managers", "add_place": "to"}).content.decode()
    assert f'value="to group {managers.pk}"' in one
    assert "2 addresses" in one
    assert "olof@norrvik.example is left out: its mail came back for good." in one
    both = {"subscriber": [f"to group {managers.pk}"], "add": "archive@norrvik.example", "add_place": "bcc"}
    two = page.post("/subscriptions/recipients", both).content.decode()
    assert "Bcc archive@norrvik.example" in two
    gone = {"subscriber": [f"to group {managers.pk}", "bcc address x@y.example"], "remove": "bcc address x@y.example"}
    three = page.post("/subscriptions/recipients", gone).content.decode()
    assert re.findall(r'name="subscriber" value="([^"]*)"', three) == [f"to group {managers.pk}"]
    assert "html" not in three[:20]


@pytest.mark.parametrize("token", ["", "to", "to group", "cc group X", "to page X", "to address nobody", "to group X"])
def test_a_made_up_token_of_a_recipient_breaks_no_page(page: Client, token: str) -> None:
    answer = page.post("/subscriptions/recipients", {"subscriber": [token]})
    assert answer.status_code == 200


def test_the_preview_shows_what_the_first_recipient_gets_with_the_newest_report(
    page: Client, source: ReportSource, managers: RecipientGroup, relay: SmtpServer
) -> None:
    SmtpServer.objects.filter(pk=relay.pk).update(use_unverified=True, is_default=True)
    typed = {
        "source": source.pk, "name": "Weekly", "subscriber": [f"to group {managers.pk}"], "form": "attach",
        "subject": "Orders: {{ first.orders }}", "text": "Good morning {{ recipient.name }}", "link_days": "14",
    }
    text = page.post("/subscriptions/preview", typed).content.decode()
    for shown in ("Orders: 120", "lena@norrvik.example", "performance.csv", "Good morning Lena"):
        assert shown in text, shown
    frame = re.search(r'src="([^"]*)"', text)
    assert frame is not None
    seen = Client().get(frame[1].replace("&amp;", "&"))
    assert seen.status_code == 200
    assert "sandbox" in seen["Content-Security-Policy"]
    assert "Good morning Lena" in seen.content.decode()
    assert Client().get(frame[1].split("?")[0]).status_code == 403
    broken = page.post("/subscriptions/preview", {**typed, "text": "{% include 'x' %}"}).content.decode()
    assert "can&#x27;t be made" in broken or "can’t be made" in broken
    assert "Choose a report" in page.post("/subscriptions/preview", {}).content.decode()


def test_the_columns_of_the_newest_report_can_be_put_into_the_text(page: Client, weekly: Subscription) -> None:
    report = weekly.source.reports.get()
    report.sample = {**report.sample, "columns": ["region", "on time", 'bad"name', "<b>"]}
    report.save()
    text = page.get(f"/subscriptions/{weekly.pk}/edit").content.decode()
    codes = [unescape(code) for code in re.findall(r'data-pr-insert="([^"]*)"', text)]
    assert codes[-3:] == ["{{ first.region }}", '{{ first["on time"] }}', '{{ first["<b>"] }}']
    assert filled(codes[-2], {"first": {"on time": 96}}).text == "96"


def test_a_source_is_made_on_the_spot_by_an_administrator_alone(page: Client, administrator: User) -> None:
    typed = {
        **fields_of(page.get("/subscriptions/new").content.decode()), "source": "new", "source-kind": "pushed",
        "name": "Weekly", "add": "ann@norrvik.example", "do": "save",
    }
    assert page.post("/subscriptions/new", {**typed, "source-kind": "file", "source-pattern": ""}).status_code == 422
    assert not ReportSource.objects.exists()
    assert page.post("/subscriptions/new", typed).status_code == 302
    row = Subscription.objects.get()
    assert (row.source.name, row.on_push) == ("Weekly", True)
    User.objects.filter(pk=administrator.pk).update(role="operator")
    assert page.post("/subscriptions/new", {**typed, "name": "Other"}).status_code == 422
    assert ReportSource.objects.count() == 1
    assert 'value="new"' not in page.get("/subscriptions/new").content.decode()


def test_save_and_send_to_me_saves_and_makes_a_run_for_me_alone(page: Client, weekly: Subscription) -> None:
    typed = fields_of(page.get(f"/subscriptions/{weekly.pk}/edit").content.decode())
    answer = page.post(f"/subscriptions/{weekly.pk}/edit", {**typed, "subject": "New", "do": "send"})
    run = Run.objects.get()
    assert answer["Location"] == f"/subscriptions/{weekly.pk}/runs/{run.pk}"
    assert (run.only_to, run.asked_by) == (ACTOR, ACTOR)
    assert Subscription.objects.get().subject == "New"


def test_save_and_send_to_me_where_too_many_runs_wait_saves_and_says_why_nothing_is_sent(
    page: Client, weekly: Subscription
) -> None:
    now = timezone.now()
    Run.objects.bulk_create(Run(subscription=weekly, cause="schedule", due_at=now) for _ in range(WAITING_RUNS))
    typed = fields_of(page.get(f"/subscriptions/{weekly.pk}/edit").content.decode())
    answer = page.post(f"/subscriptions/{weekly.pk}/edit", {**typed, "subject": "New", "do": "send"}, follow=True)
    assert answer.redirect_chain == [(f"/subscriptions/{weekly.pk}", 302)]
    assert "runs wait already" in answer.content.decode()
    assert Subscription.objects.get().subject == "New"
    assert Run.objects.count() == WAITING_RUNS


def test_the_list_tells_schedule_next_run_last_run_and_whom_it_reaches(page: Client, weekly: Subscription) -> None:
    set_for_subscription(weekly.pk, ACTOR, None, ACTOR, timezone.now())
    Run.objects.create(
        subscription=weekly, cause="schedule", due_at=timezone.now(), state="sending", planned=10, queued=4
    )
    Run.objects.create(subscription=weekly, cause="manual", due_at=timezone.now(), state="error", only_to=ACTOR)
    text = page.get("/subscriptions").content.decode()
    for shown in ("Mondays, 07:30", "Operations managers", "4 of 10 queued", "Test mode", "every 3s"):
        assert shown in text, shown
    assert "Weekly" in page.get("/subscriptions?q=delivery").content.decode()
    assert "No subscription fits" in page.get("/subscriptions?q=nothing").content.decode()


def test_the_list_says_why_the_last_run_did_not_succeed_and_when_it_is_tried_again(
    page: Client, weekly: Subscription, failed: Run
) -> None:
    text = page.get("/subscriptions").content.decode()
    assert "The source did not answer within 60 s." in text
    Run.objects.filter(pk=failed.pk).update(
        state="waiting", try_number=1, due_at=timezone.now() + timedelta(minutes=10), problem=None
    )
    for path in ("/subscriptions", f"/subscriptions/{weekly.pk}/runs/{failed.pk}"):
        text = page.get(path).content.decode()
        assert re.search("(tries again|<dt>Next try</dt><dd>) ?in (9|10) minutes", text), path
    Run.objects.filter(pk=failed.pk).update(due_at=timezone.now() - timedelta(minutes=10))
    for path in ("/subscriptions", f"/subscriptions/{weekly.pk}/runs/{failed.pk}"):
        assert not re.search("tries again|Next try", page.get(path).content.decode()), path


def test_a_subscription_leads_to_its_report_its_groups_and_its_people(
    page: Client, weekly: Subscription, managers: RecipientGroup, viewer: User
) -> None:
    text = page.get(f"/subscriptions/{weekly.pk}").content.decode()
    assert f'href="/report-sources/{weekly.source_id}"' in text
    assert f'href="/groups/{managers.pk}"' in text
    reader = Client()
    reader.force_login(viewer)
    text = reader.get(f"/subscriptions/{weekly.pk}").content.decode()
    assert f"/report-sources/{weekly.source_id}" not in text
    assert f'href="/groups/{managers.pk}"' in text


def test_without_subscriptions_the_list_says_what_they_are_and_offers_one(page: Client, viewer: User) -> None:
    assert "No subscription yet" in page.get("/subscriptions").content.decode()
    client = Client()
    client.force_login(viewer)
    assert "/subscriptions/new" not in client.get("/subscriptions").content.decode()


def test_pause_resume_run_and_remove_go_through_their_pages(page: Client, weekly: Subscription) -> None:
    path = f"/subscriptions/{weekly.pk}"
    page.post(f"{path}/pause")
    assert "Nothing runs by itself; runs that wait go on when you resume it." in page.get(path).content.decode()
    page.post(f"{path}/resume")
    assert page.post(f"{path}/run")["Location"].startswith(f"{path}/runs/")
    assert page.post(f"{path}/send")["Location"].startswith(f"{path}/runs/")
    assert "Keep subscription" in page.get(f"{path}/remove").content.decode()
    assert page.post(f"{path}/remove")["Location"] == "/subscriptions"
    assert not Subscription.objects.exists()
    assert page.get(path).status_code == 404


def test_test_mode_is_switched_on_for_some_days_and_off_at_once(page: Client, weekly: Subscription) -> None:
    path = f"/subscriptions/{weekly.pk}"
    refused = page.post(f"{path}/test-mode", {"address": "nobody", "days": "1000"})
    assert refused.status_code == 422
    assert 'id="e-address"' in refused.content.decode()
    assert 'id="e-until"' in refused.content.decode()
    page.post(f"{path}/test-mode", {"address": ACTOR, "days": "3"})
    mode = Subscription.objects.get().test_mode
    assert mode["address"] == ACTOR
    assert timezone.now() + timedelta(days=2) < timezone.datetime.fromisoformat(mode["until"])
    assert "Test mode is on for this subscription." in page.get(path).content.decode()
    assert "Turn test mode off" in page.get(f"{path}/edit").content.decode()
    page.post(f"{path}/test-mode", {"do": "off"})
    assert Subscription.objects.get().test_mode == {}


@pytest.fixture
def failed(weekly: Subscription) -> Run:
    text = worded("The source did not answer within {seconds} s.", seconds=60)
    run = Run.objects.create(
        subscription=weekly, cause="schedule", due_at=timezone.now(), state="error", planned=2, left_out=1,
        problem=problem_of("source-timeout", text, "<script>alert(1)</script>"),
        log=with_line([], timezone.now(), text),
    )
    for position, why in enumerate(("", "unsubscribe")):
        address = f"p{position}@norrvik.example"
        RunRecipient.objects.create(
            run=run, position=position, address=address, address_key=address, left_out=why, message_id=""
        )
    return run


def test_a_run_shows_why_it_failed_its_log_and_what_became_of_each_recipient(
    page: Client, weekly: Subscription, failed: Run
) -> None:
    path = f"/subscriptions/{weekly.pk}/runs/{failed.pk}"
    text = page.get(path).content.decode()
    for shown in ("did not answer within 60 s", "p0@norrvik.example", "left out: it left the list", "not queued yet",
                  "Send to those who got nothing", "&lt;script&gt;alert(1)"):
        assert shown in text, shown
    assert "<script>alert" not in text
    assert page.get(f"/runs/{failed.pk}")["Location"] == path
    log = page.get(f"{path}/log")
    assert "attachment" in log["Content-Disposition"]
    assert b"did not answer" in log.content
    assert page.get(f"/subscriptions/X/runs/{failed.pk}").status_code == 404
    page.post(f"{path}/retry")
    assert Run.objects.get().state == "sending"
    assert "Stop run" in page.get(path).content.decode()
    page.post(f"{path}/stop")
    assert Run.objects.get().stop_requested


@pytest.mark.usefixtures("relay")
@pytest.mark.django_db(transaction=True)
def test_a_run_leads_to_its_subscription_and_source_and_says_who_was_told(
    page: Client, weekly: Subscription, failed: Run, tmp_path: Path
) -> None:
    path = f"/subscriptions/{weekly.pk}/runs/{failed.pk}"
    text = page.get(path).content.decode()
    assert f'<a class="pr-link" href="/subscriptions/{weekly.pk}">' in text
    assert f'href="/report-sources/{weekly.source_id}"' in text
    assert "Nobody: the subscription names nobody for such an end." in text
    OutcomeNotice.objects.create(subscription=weekly, outcome="error", addresses=["chief@norrvik.example"])
    SmtpServer.objects.update(verified_at=timezone.now(), is_default=True)
    outbox = open_outbox()
    async_to_sync(tell)(failed, Acceptor(outbox.queue, Blobs(tmp_path)), timezone.now())
    outbox.close()
    text = page.get(path).content.decode()
    (message,) = Message.objects.all()
    assert f'<a href="/messages/{message.pk}">chief@norrvik.example</a>' in text
    assert "Nobody: the subscription" not in text


def test_who_left_is_seen_by_the_owner(page: Client, weekly: Subscription) -> None:
    suppress([Entry("lena@norrvik.example", "unsubscribe", weekly.list_name)], actor="recipient", now=timezone.now())
    text = page.get(f"/subscriptions/{weekly.pk}").content.decode()
    assert "lena@norrvik.example" in text
    assert "1 left out" in text


def test_a_viewer_reads_subscriptions_and_has_nothing_to_press(viewer: User, weekly: Subscription, failed: Run) -> None:
    client = Client()
    client.force_login(viewer)
    for path in ("/subscriptions", f"/subscriptions/{weekly.pk}", f"/subscriptions/{weekly.pk}/runs/{failed.pk}"):
        text = client.get(path).content.decode()
        main = text[text.index('id="main"'):]
        assert 'method="post"' not in main, path
        assert "/edit" not in main, path
