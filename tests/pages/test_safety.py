"""What holds on every page: who may come in, what the browser may load, and that text from outside stays text."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import URLPattern, resolve
from django.utils import timezone

from postroom.pages.urls import urlpatterns
from postroom.store.models import Attempt, Delivery, Message, ServerTest, SmtpServer, Template, User

from .conftest import PASSWORD

OPEN = {
    "subscription-preview-frame",
    "setup", "login", "logout", "language", "sandbox-frame", "message-frame", "message-preview-frame", "unsubscribe",
    "forgot-password", "password-link", "announcement-frame",
    "report-link", "template-preview-frame",
}
MARKUP = "<script>alert(1)</script><img src=x onerror=alert(2)>"
CHANGING = [
    ("/smtp-servers/{server}/test", {}), ("/smtp-servers/{server}/switch", {"enabled": "no"}),
    ("/smtp-servers/{server}/default", {}), ("/smtp-servers/{server}/delete", {"name": "Internal relay"}),
    ("/smtp-servers/test", {}), ("/smtp-servers/{server}/move", {"to": "0"}),
    ("/smtp-servers/{server}/pause", {}), ("/smtp-servers/{server}/resume", {}),
    ("/smtp-servers/{server}/test-mode", {"address": "a@b.example"}), ("/test-mode", {"address": "a@b.example"}),
    ("/smtp-servers/new", {}), ("/smtp-servers/{server}", {}), ("/tokens", {"name": "x", "scope": "admin"}),
    ("/tokens/X/revoke", {}),
    ("/smtp-tests/{test}/stop", {}), ("/smtp-tests/{test}/again", {}), ("/smtp-tests/{test}/save", {}),
    ("/smtp-tests/{test}/save-untested", {"reason": "x"}), ("/messages/{message}/retry", {}),
    ("/smtp-tests/{test}/apply", {}), ("/smtp-tests/{test}/arrived", {"arrived": "yes"}),
    ("/messages/{message}/cancel", {}), ("/messages/{message}/resend", {}), ("/messages/bulk", {"do": "cancel"}),
    ("/messages/undo", {}), ("/messages/new", {"do": "send"}), ("/overview/hide-checklist", {}),
    ("/domain-checks/from-domain", {}), ("/domain-checks/detect", {}), ("/domain-checks/inbox-outlook", {}),
    ("/domain-checks/recipient", {}),
    ("/dkim-keys", {"domain": "x.example", "algorithm": "rsa"}), ("/dkim-keys/X/check", {}),
    ("/dkim-keys/X/activate", {}), ("/dkim-keys/X/retire", {}), ("/dkim-keys/X/remove", {}),
    ("/delivery-rules/new", {}), ("/delivery-rules/X", {}), ("/delivery-rules/X/move", {"to": "0"}),
    ("/delivery-rules/X/remove", {}), ("/delivery-rules/undo", {"removal": "X"}), ("/queue/hold", {}),
    ("/queue/release", {"hold": "X"}),
    ("/queue/try-now", {}),
    ("/holiday-calendars/new", {"name": "x"}), ("/holiday-calendars/X", {"name": "x"}),
    ("/holiday-calendars/X/remove", {}), ("/holiday-calendars/undo", {"removal": "X"}),
    ("/storage", {"log_days": "1"}),
    ("/subscriptions/new", {"do": "save"}), ("/subscriptions/X/edit", {"do": "save"}),
    ("/subscriptions/recipients", {}),
    ("/subscriptions/preview", {}), ("/subscriptions/X/run", {}), ("/subscriptions/X/send", {}),
    ("/subscriptions/X/pause", {}), ("/subscriptions/X/resume", {}), ("/subscriptions/X/test-mode", {}),
    ("/subscriptions/X/remove", {}), ("/subscriptions/X/runs/X/stop", {}), ("/subscriptions/X/runs/X/retry", {}),
    ("/recipients", {"address": "a@b.example"}), ("/recipients/X", {"address": "a@b.example"}),
    ("/recipients/X/remove", {}), ("/recipients/undo", {"removal": "X"}), ("/recipients/import", {}),
    ("/recipients/imports/X/undo", {}), ("/groups", {"name": "x"}), ("/groups/X", {"name": "x"}),
    ("/groups/X/join", {"members": "a@b.example"}), ("/groups/X/leave/X", {}),
    ("/groups/X/remove", {}), ("/groups/undo", {"removal": "X"}), ("/recipient-domains", {"domains": "x.example"}),
    ("/report-sources/new", {"name": "x"}), ("/report-sources/X", {"name": "x"}), ("/report-sources/X/try", {}),
    ("/report-sources/X/remove", {}), ("/sql-connections/new", {"name": "x"}), ("/sql-connections/X", {"name": "x"}),
    ("/sql-connections/X/try", {}), ("/sql-connections/X/remove", {}),
    ("/alerts/X/acknowledge", {}), ("/alerts/X/accept", {}), ("/alert-rules/settings", {"addresses": "a@b.example"}),
    ("/alert-rules/new", {"kind": "queue-old"}), ("/alert-rules/queue-old", {"settings.minutes": "1"}),
    ("/alert-rules/queue-old/switch", {"enabled": "no"}), ("/alert-rules/queue-old/remove", {}),
    ("/suppressions", {"address": "a@b.example"}), ("/suppressions/import", {}),
    ("/suppressions/X/remove", {"why": "x"}), ("/bounce-mailbox", {"host": "x"}), ("/bounce-mailbox/look", {}),
    ("/bounce-mailbox/remove", {}),
    ("/templates/new", {"name": "x"}), ("/templates/X", {}), ("/templates/preview", {}),
    ("/templates/X/use", {"version": "1"}), ("/templates/X/remove", {}), ("/templates/branding", {"accent": "#111111"}),
    ("/instance", {"name": "x", "language": "fr", "time_zone": "UTC"}),
    ("/webhooks/new", {"name": "x"}), ("/webhooks/X/edit", {"name": "x"}), ("/webhooks/X/test", {}),
    ("/webhooks/X/pause", {}), ("/webhooks/X/resume", {}), ("/webhooks/X/secret", {}), ("/webhooks/X/replay", {}),
    ("/webhooks/X/remove", {}), ("/webhooks/X/deliveries/X/replay", {}),
    ("/users", {"name": "x", "email": "x@x.example", "role": "administrator"}),
    ("/users/x", {"name": "x", "role": "administrator", "active": "on"}), ("/users/x/password", {}),
    ("/users/x/invite", {}),
    ("/announcements/new", {"do": "preview"}), ("/announcements/X/stop", {}),
]
# What everybody who is signed in changes of themselves.
PERSONAL = {
    "/account/password": {"password": PASSWORD, "new_password": "another horse of another colour"},
    "/account/region": {"language": "fr", "time_zone": "Europe/Paris"},
    "/appearance": {"theme": "dark"},
}
# What needs no sign-in: it is how one comes in or out, or is of this browser alone.
BEFORE_SIGN_IN = ("/setup", "/login", "/logout", "/language", "/forgot-password", "/set-password/X")
# By the token in the address alone: a mail program that asks in one click has no form (RFC 8058).
WITHOUT_A_FORM = ("/unsubscribe/X",)

OPERATORS = {
    "/alerts/X/acknowledge", "/alerts/X/accept",
    "/subscriptions/new", "/subscriptions/X/edit", "/subscriptions/recipients", "/subscriptions/preview",
    "/subscriptions/X/run", "/subscriptions/X/send", "/subscriptions/X/pause", "/subscriptions/X/resume",
    "/subscriptions/X/test-mode", "/subscriptions/X/remove", "/subscriptions/X/runs/X/stop",
    "/subscriptions/X/runs/X/retry",
    "/report-sources/new", "/report-sources/X", "/report-sources/X/try", "/report-sources/X/remove",
    "/messages/{message}/retry", "/messages/{message}/cancel", "/messages/{message}/resend", "/messages/bulk",
    "/messages/undo", "/messages/new", "/smtp-tests/{test}/arrived", "/domain-checks/from-domain",
    "/domain-checks/inbox-outlook", "/domain-checks/recipient", "/suppressions", "/suppressions/import",
    "/suppressions/X/remove", "/queue/hold", "/queue/release", "/queue/try-now",
    "/holiday-calendars/new", "/holiday-calendars/X", "/holiday-calendars/X/remove", "/holiday-calendars/undo",
    "/templates/new", "/templates/X", "/templates/preview", "/templates/X/use", "/templates/X/remove",
    "/recipients", "/recipients/X", "/recipients/X/remove", "/recipients/undo", "/recipients/import",
    "/recipients/imports/X/undo", "/groups", "/groups/X", "/groups/X/join", "/groups/X/leave/X", "/groups/X/remove",
    "/groups/undo",
    "/announcements/new", "/announcements/X/stop",
}
READ_BY_OPERATORS = (
    "/subscriptions/new", "/subscriptions/X/edit", "/subscriptions/X/remove",
    "/report-sources/new", "/report-sources/X", "/report-sources/X/state",
    "/holiday-calendars/new", "/holiday-calendars/X",
    "/messages/new", "/messages/export", "/messages/{message}/content", "/messages/{message}/source",
    "/messages/{message}/attachments/0", "/suppressions/export", "/suppressions/X/remove",
    "/recipients/export", "/recipients/import", "/recipients/X", "/templates/new", "/templates/X/remove",
    "/announcements/new",
)
READ_BY_ADMINISTRATORS = (
    "/alert-rules/new", "/alert-rules/new?kind=queue-old", "/alert-rules/queue-old",
    "/sql-connections/new", "/sql-connections/choices", "/sql-connections/X", "/sql-connections/X/state",
    "/bounce-mailbox", "/bounce-mailbox/state", "/delivery-rules/new", "/webhooks/new", "/webhooks/X/edit",
    "/users", "/users/{user}", "/smtp-servers/new", "/smtp-servers/{server}", "/smtp-servers/{server}/pause",
    "/smtp-servers/{server}/delete", "/smtp-servers/provider?provider=gmail",
    "/smtp-servers/{server}/test-mode", "/test-mode",
)


def patterns() -> Iterator[URLPattern]:
    for pattern in urlpatterns:
        assert isinstance(pattern, URLPattern)
        yield pattern


def address_of(pattern: URLPattern) -> str:
    """With something in each of its places."""
    return "/" + re.sub(r"<int:\w+>", "1", re.sub(r"<str:\w+>", "X", str(pattern.pattern)))


@pytest.fixture
def test_row(relay: SmtpServer) -> ServerTest:
    return ServerTest.objects.create(
        server=relay, settings={**relay.settings, "name": MARKUP, "host": MARKUP}, status="failed",
        created_by="marta@norrvik.example", finished_at=timezone.now(),
        stages=[{"name": "greeting", "status": "failed", "ms": 3, "detail": MARKUP}],
        transcript=[f"  0.173 S: 220 {MARKUP}", "  0.2 C: AUTH LOGIN [user name hidden]", MARKUP],
        finding={
            "cause": "x", "confidence": "likely", "title": MARKUP, "explanation": MARKUP, "fix": [MARKUP],
            "field": None, "retry": "permanent", "evidence": [f"220 {MARKUP}"], "proposal": {"host": MARKUP},
            "alternatives": [{"cause": "y", "title": MARKUP, "question": MARKUP}],
        },
    )


@pytest.fixture
def message(relay: SmtpServer) -> Message:
    now = timezone.now()
    message = Message.objects.create(
        message_id="<1@x.example>", from_header=MARKUP, subject=MARKUP, content_digest="0" * 64, content_size=10,
        created_at=now, expires_at=now + timedelta(days=1), client_name=MARKUP, attachments=[{"filename": MARKUP}],
    )
    delivery = Delivery.objects.create(
        message=message, recipient=MARKUP, state="deferred", due_at=now, updated_at=now, server=relay,
        finding={"title": MARKUP, "explanation": MARKUP, "fix": [MARKUP]},
    )
    Attempt.objects.create(
        delivery=delivery, number=1, server=relay, server_name=MARKUP, started_at=now, ended_at=now, outcome="deferred",
        reply=f"451 {MARKUP}", finding={"title": MARKUP, "explanation": MARKUP, "fix": [MARKUP]},
    )
    return message


@pytest.mark.usefixtures("administrator")
def test_every_address_is_closed_to_strangers_unless_it_is_named_open(client: Client) -> None:
    for pattern in patterns():
        path = address_of(pattern)
        answers = [client.get(path), client.post(path)]
        if pattern.name in OPEN:
            assert all("/login?next=" not in answer.get("Location", "") for answer in answers), path
        else:
            assert all(answer["Location"].startswith("/login?next=") for answer in answers), path


def test_w1_every_address_that_takes_a_post_has_its_place_in_a_matrix(administrator: User) -> None:
    taking = set()
    for pattern in patterns():
        client = Client(raise_request_exception=False)
        client.force_login(administrator)
        if client.post(address_of(pattern)).status_code != 405:
            taking.add(pattern.name)
    changing = {resolve(path.format(server="X", test="X", message="X")).url_name for path, _ in CHANGING}
    free = {resolve(path).url_name for path in (*PERSONAL, *BEFORE_SIGN_IN, *WITHOUT_A_FORM)}
    assert not changing & free
    assert taking == changing | free


@pytest.mark.parametrize(("path", "values"), PERSONAL.items())
def test_w1_what_everybody_may_change_is_of_themselves_alone(
    administrator: User, viewer: User, path: str, values: dict[str, str]
) -> None:
    assert Client().post(path, values)["Location"].startswith("/login?next=")
    others = list(User.objects.exclude(pk=viewer.pk).values())
    client = Client()
    client.force_login(viewer)
    assert client.post(path, {**values, "user": administrator.pk, "email": administrator.email}).status_code == 302
    assert list(User.objects.exclude(pk=viewer.pk).values()) == others
    changed = User.objects.get(pk=viewer.pk)
    assert (changed.role, changed.email) == (viewer.role, viewer.email)
    assert changed.language == values.get("language", viewer.language)
    assert changed.check_password(values.get("new_password", PASSWORD))


@pytest.mark.parametrize("path", [*PERSONAL, *BEFORE_SIGN_IN])
def test_w2_what_is_of_oneself_or_before_the_sign_in_needs_the_forms_token_too(viewer: User, path: str) -> None:
    client = Client(enforce_csrf_checks=True)
    if path in PERSONAL:
        client.force_login(viewer)
    answer = client.post(path, PERSONAL.get(path, {"next": "/"}))
    assert answer.status_code == 403
    assert "Nothing was changed" in answer.content.decode()


@pytest.fixture
def _template() -> None:
    """Who may change a template depends on which it is."""
    Template.objects.create(pk="X", name="figures", title="Figures")


@pytest.mark.usefixtures("_template")
@pytest.mark.parametrize(("path", "values"), CHANGING)
def test_a_viewer_changes_nothing(
    viewer: User, relay: SmtpServer, test_row: ServerTest, message: Message, path: str, values: dict[str, str]
) -> None:
    client = Client()
    client.force_login(viewer)
    answer = client.post(path.format(server=relay.pk, test=test_row.pk, message=message.pk), values)
    assert answer.status_code == 403


@pytest.mark.usefixtures("_template")
@pytest.mark.parametrize(("path", "values"), CHANGING)
def test_an_operator_changes_messages_and_nothing_else(
    viewer: User, relay: SmtpServer, test_row: ServerTest, message: Message, path: str, values: dict[str, str]
) -> None:
    User.objects.filter(pk=viewer.pk).update(role=User.Role.OPERATOR)
    client = Client()
    client.force_login(User.objects.get(pk=viewer.pk))
    answer = client.post(path.format(server=relay.pk, test=test_row.pk, message=message.pk), values)
    assert (answer.status_code == 403) is (path not in OPERATORS)


@pytest.mark.parametrize(("role", "closed"), [
    ("viewer", (*READ_BY_OPERATORS, *READ_BY_ADMINISTRATORS)), ("operator", READ_BY_ADMINISTRATORS),
])
def test_who_may_not_read_a_page_is_refused(
    viewer: User, relay: SmtpServer, message: Message, role: str, closed: tuple[str, ...]
) -> None:
    User.objects.filter(pk=viewer.pk).update(role=role)
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.get(pk=viewer.pk))
    refused = [
        path for path in (*READ_BY_OPERATORS, *READ_BY_ADMINISTRATORS)
        if client.get(path.format(message=message.pk, server=relay.pk, user=viewer.pk)).status_code == 403
    ]
    assert refused == list(closed)


@pytest.mark.parametrize(("path", "values"), CHANGING)
def test_a_change_without_the_forms_token_is_refused(
    administrator: User, relay: SmtpServer, test_row: ServerTest, message: Message, path: str, values: dict[str, str]
) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(administrator)
    answer = client.post(path.format(server=relay.pk, test=test_row.pk, message=message.pk), values)
    assert answer.status_code == 403
    assert "Nothing was changed" in answer.content.decode()


def test_no_page_allows_inline_script_or_style_and_none_contains_any(
    page: Client, relay: SmtpServer, test_row: ServerTest, message: Message
) -> None:
    for path in (
        "/", "/messages", f"/messages/{message.pk}", "/activity", "/smtp-servers", "/smtp-servers/new",
        f"/smtp-servers/{relay.pk}", f"/smtp-tests/{test_row.pk}", "/sandbox", "/tokens", "/account", "/instance",
        "/dkim-keys",
    ):
        answer = page.get(path)
        assert answer.status_code == 200, path
        policy = answer["Content-Security-Policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        text = answer.content.decode()
        assert "<style" not in text
        assert not re.search(r"<script(?! src=)", text), path
        assert not re.search(r"<[a-z][^<>]*\s(?:on[a-z]+|style)\s*=", text), path


def test_markup_from_servers_recipients_and_subjects_is_shown_as_text(
    page: Client, test_row: ServerTest, message: Message
) -> None:
    for path in (
        f"/smtp-tests/{test_row.pk}", f"/smtp-tests/{test_row.pk}/progress", "/messages", f"/messages/{message.pk}",
        f"/smtp-servers/new?test={test_row.pk}", f"/smtp-servers/new?test={test_row.pk}&apply=1", "/smtp-servers",
    ):
        text = page.get(path).content.decode()
        assert "<script>alert" not in text, path
        assert "<img src=x" not in text, path
        assert "alert(1)" in text or path == "/smtp-servers", path


def test_the_downloaded_log_is_plain_text_and_never_rendered(page: Client, test_row: ServerTest) -> None:
    answer = page.get(f"/smtp-tests/{test_row.pk}/log")
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer["Content-Disposition"].startswith("attachment")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert MARKUP in answer.content.decode()


def test_an_unknown_address_says_so_in_the_frame_of_the_pages(page: Client) -> None:
    answer = page.get("/nothing-here")
    assert answer.status_code == 404
    assert "Not found" in answer.content.decode()
