"""The list SMTP configuration: order, states with who and when, traffic, expiry, pausing, testing all."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from postroom.flow.servers import configure
from postroom.flow.servers.test_result import NIGHTLY
from postroom.pages.queries.server_traffic import MOST_COUNTED
from postroom.store.models import Delivery, DeliveryTally, Message, ServerTest, SmtpServer, User
from postroom.store.tally import COARSE_S, FINE_S
from postroom.terms.server import Auth, Limits, Security, ServerSettings

HTMX = {"HX-Request": "true"}


def server(name: str, *, limits: Limits | None = None, **columns: object) -> SmtpServer:
    settings = ServerSettings(
        name=name, host="smtp.norrvik.example", from_address="reports@norrvik.example", limits=limits or Limits(),
        test_recipient="marta@norrvik.example",
    )
    values = {
        "settings": settings.as_json(), "verified_fingerprint": settings.fingerprint(""), "verified_at": timezone.now(),
        "verified_by": "marta@norrvik.example", "position": SmtpServer.objects.count(),
        "is_default": not SmtpServer.objects.exists(), **columns,
    }
    return SmtpServer.objects.create(name=name, **values)


def sent(home: SmtpServer, through: SmtpServer, count: int) -> None:
    now = timezone.now()
    message = Message.objects.create(
        message_id="<1@x.example>", from_header="", content_digest="0" * 64, content_size=1, created_at=now,
        expires_at=now + timedelta(days=1), server=home,
    )
    for number in range(count):
        Delivery.objects.create(
            message=message, recipient=f"r{number}@x.example", state="sent", server=through, due_at=now, updated_at=now
        )
    cell = now.replace(minute=now.minute // 5 * 5, second=0, microsecond=0)
    DeliveryTally.objects.create(server_id=through.pk, width_s=FINE_S, starts_at=cell, outcome="sent", attempts=count)


def text(page: Client, address: str = "/smtp-servers") -> str:
    return " ".join(page.get(address).content.decode().split())


def order() -> list[str]:
    return list(SmtpServer.objects.order_by("position").values_list("name", flat=True))


def test_each_server_has_its_place_in_words(page: Client) -> None:
    for name in ("A", "B", "C", "D", "E"):
        server(name)
    server("Off", enabled=False)
    shown = text(page)
    for words in ("Default", "First failover", "Second failover", "Third failover", "Failover 4", "Not in use"):
        assert f">{words}<" in shown, words


def test_a_verified_server_tells_the_last_check_and_the_last_test_mail(page: Client) -> None:
    first = server("A", checked_at=timezone.now())
    assert ", by nightly check" in text(page)
    assert "Test mail: today, Marta Keller" in text(page)
    ServerTest.objects.create(
        server=first, settings=first.settings, send=False, status="passed", created_by="marta@norrvik.example",
        finished_at=timezone.now() + timedelta(seconds=1),
    )
    assert "connection checked by Marta Keller" in text(page)


def test_an_edited_server_tells_which_fields_were_changed_by_whom(page: Client) -> None:
    first = server("A")
    configure.change_server(first, {"port": 25, "security": "none"}, actor="marta@norrvik.example")
    shown = text(page)
    assert "SMTP Port and SSL changed by Marta Keller, today" in shown
    assert "Not used until it passes a live test." in shown


def test_pausing_tells_who_why_and_until_when_and_resuming_ends_it(page: Client) -> None:
    first = server("A")
    local = timezone.now() + timedelta(days=3)
    values = {"how_long": "until", "until": f"{local:%Y-%m-%dT%H:%M}", "reason": "Mailbox move"}
    assert page.post(f"/smtp-servers/{first.pk}/pause", values)["Location"] == "/smtp-servers"
    first.refresh_from_db()
    assert first.state == "paused"
    assert first.paused_until is not None
    shown = text(page)
    assert "By Marta Keller, today" in shown
    assert "“Mailbox move”" in shown
    assert "Until " in shown
    page.post(f"/smtp-servers/{first.pk}/resume")
    first.refresh_from_db()
    assert first.state == "verified"


@pytest.mark.parametrize("until", [
    "", "soon", "2020-01-01T10:00", "2026-13-41T99:00", "0001-01-01T00:00", "9999-12-31T23:59",
    "9999-12-31T23:59-23:00",
])
def test_a_pause_until_no_time_or_a_past_one_is_refused_beside_its_field(page: Client, until: str) -> None:
    first = server("A")
    answer = page.post(f"/smtp-servers/{first.pk}/pause", {"how_long": "until", "until": until, "reason": "x"})
    assert answer.status_code == 422
    assert 'id="e-until"' in answer.content.decode()
    first.refresh_from_db()
    assert first.paused_at is None


def test_a_pause_is_in_the_readers_time_zone(page: Client) -> None:
    first = server("A")
    page.post(f"/smtp-servers/{first.pk}/pause", {"how_long": "until", "until": "2099-07-01T08:00"})
    first.refresh_from_db()
    assert first.paused_until is not None
    assert first.paused_until.isoformat() == "2099-07-01T06:00:00+00:00"


def test_what_was_sent_is_shown_of_the_limit_and_warned_about_from_85_percent(page: Client) -> None:
    near, far = server("A", limits=Limits(messages_per_day=20)), server("B")
    sent(near, near, 17)
    sent(far, far, 2)
    shown = text(page)
    assert "<b>17</b> of 20" in shown
    assert "85 % of the day’s limit" in shown
    assert "<b>2</b> no limit" in shown
    SmtpServer.objects.filter(pk=near.pk).update(settings={**near.settings, "limits": {"messages_per_day": 21}})
    assert "of the day’s limit" not in text(page)


def test_a_server_that_sent_nothing_lately_tells_when_it_was_used_last(page: Client) -> None:
    used = server("A")
    server("B")
    then = timezone.now().replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=400)
    for days in (0, 1):
        DeliveryTally.objects.create(
            server_id=used.pk, width_s=COARSE_S, starts_at=then - timedelta(days=days), outcome="sent", attempts=1
        )
    assert text(page).count(f"Last used {then.day} {then:%b %Y}") == 1


@pytest.mark.parametrize(
    ("days", "words"), [(22, "Certificate"), (20.5, "Certificate, 20 days"), (1.5, "Certificate, 1 day"), (-1, "ended")]
)
def test_a_certificate_is_warned_about_from_21_days(page: Client, days: float, words: str) -> None:
    server("A", certificate_expires_at=timezone.now() + timedelta(days=days))
    shown = text(page)
    assert words in shown
    assert ('class="pr-warn pr-b"' in shown) is (0 < days < 21)


def test_without_encryption_nothing_expires(page: Client) -> None:
    settings = ServerSettings(name="A", host="h.example", security=Security.NONE, auth=Auth.NONE)
    server("A", settings=settings.as_json())
    assert "Nothing expires" in text(page)
    assert "no encryption, no sign-in" in text(page)


def test_a_failing_default_says_where_the_mail_is(page: Client) -> None:
    default = server("A", failing_since=timezone.now(), failing_finding={"title": "No", "stage": "authenticate"})
    other = server("B")
    assert "No mail is lost: none waits." in text(page)
    sent(default, other, 3)
    Delivery.objects.filter(recipient="r0@x.example").update(state="deferred", server=default)
    shown = text(page)
    assert "The default server has refused every sign-in since" in shown
    assert "No mail is lost: 3 messages went out through B, 1 waits for a retry." in shown


def test_a_server_that_is_used_without_a_test_is_shown_failing_when_it_fails(page: Client) -> None:
    values = {"failing_since": timezone.now(), "failing_finding": {"title": "Nothing listens"}}
    used = server("A", verified_fingerprint="", use_unverified=True, unverified_reason="lab", **values)
    assert "Failing since" in text(page)
    assert "Nothing listens." in text(page)
    SmtpServer.objects.filter(pk=used.pk).update(use_unverified=False)
    assert "Failing since" not in text(page)


def test_many_that_wait_for_a_failing_default_are_not_counted_to_the_end(page: Client) -> None:
    default = server("A", failing_since=timezone.now(), failing_finding={"title": "No", "stage": "connect"})
    sent(default, default, 1)
    message = Message.objects.get()
    now = timezone.now()
    Delivery.objects.bulk_create(
        Delivery(message=message, recipient="r@x.example", server=default, due_at=now, updated_at=now)
        for _ in range(MOST_COUNTED + 1)
    )
    shown = text(page)
    assert "The default server has not answered since" in shown
    assert "more than 1,000 wait for a retry." in shown


def test_the_order_is_changed_by_buttons_said_aloud_and_undone(page: Client) -> None:
    rows = [server(name) for name in ("A", "B", "C")]
    assert "Move up" not in text(page)
    assert text(page, "/smtp-servers?order=yes").count("Move up") == 3
    answer = page.post(f"/smtp-servers/{rows[2].pk}/move", {"to": "1"}, headers=HTMX).content.decode()
    assert order() == ["A", "C", "B"]
    assert "C is now at place 2 of 3." in answer
    assert 'hx-swap-oob="innerHTML">C is now at place 2 of 3.' in answer
    assert 'name="to" value="2" id="order-undo"' in answer
    page.post(f"/smtp-servers/{rows[2].pk}/move", {"to": "2"}, headers=HTMX)
    assert order() == ["A", "B", "C"]
    top = page.post(f"/smtp-servers/{rows[1].pk}/move", {"to": "0"}, headers=HTMX).content.decode()
    assert "B is now the default, at place 1 of 3." in top
    same = page.post(f"/smtp-servers/{rows[1].pk}/move", {"to": "0"}, headers=HTMX).content.decode()
    assert "B stays at place 1 of 3." in same


def test_the_order_is_changed_without_scripts_too_and_a_refusal_says_why(page: Client) -> None:
    first, second = server("A"), server("B", verified_fingerprint="")
    answer = page.post(f"/smtp-servers/{second.pk}/move", {"to": "0"}, follow=True)
    assert answer.redirect_chain[-1][0] == "/smtp-servers?order=yes"
    assert "B cannot be the default" in answer.content.decode()
    assert order() == ["A", "B"]
    page.post(f"/smtp-servers/{first.pk}/move", {"to": "-1"})
    assert order() == ["A", "B"]


def test_test_all_checks_each_server_that_is_switched_on_and_the_list_follows_it(page: Client) -> None:
    for name in ("A", "B"):
        server(name)
    server("Off", enabled=False)
    page.post("/smtp-servers/test")
    tests = ServerTest.objects.all()
    assert sorted(str(test.server) and test.typed_settings.name for test in tests) == ["A", "B"]
    assert not any(test.send for test in tests)
    shown = text(page)
    assert "2 servers are being tested…" in shown
    assert 'hx-trigger="every 2s"' in shown
    page.post("/smtp-servers/test")
    assert tests.count() == 2
    tests.update(status="passed", finished_at=timezone.now())
    part = page.get("/smtp-servers", headers=HTMX).content.decode()
    assert "<!doctype" not in part
    assert 'id="server-notes" hx-swap-oob' in part
    assert "hx-trigger" not in part


def test_the_tests_of_the_night_are_no_unsaved_settings_of_anybody(page: Client) -> None:
    first = server("A")
    configure.start_saved_test(first, send=False, actor=NIGHTLY)
    assert "not saved yet" not in text(page)


def test_a_viewer_reads_the_list_and_is_offered_no_change(viewer: User) -> None:
    server("A")
    server("B")
    client = Client()
    client.force_login(viewer)
    for address in ("/smtp-servers", "/smtp-servers?order=yes"):
        shown = text(client, address)
        for words in ("Change order", "Move up", "Test all", "Pause…", "Delete…", "Run live test"):
            assert words not in shown, words


def test_a_state_nobody_is_in_any_more_offers_to_clear_the_filter(page: Client) -> None:
    server("A")
    assert "Clear filters" in text(page, "/smtp-servers?state=failing")
