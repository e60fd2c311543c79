"""W3: names, reasons, replies, records and paths that somebody else chose are text on every page, in both languages."""

from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from tests.diagnosis.dns import Zone, read
from tests.store.activity_days import entry, write

from postroom.flow.users.tokens import create_token
from postroom.store import audit
from postroom.store.models import Attempt, Delivery, DomainCheck, InstanceValue, Message, ServerTest, SmtpServer, User

MARKUP = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7|add:7 }}%(n)s"
PAGES = (
    "/", "/?period=week", "/messages?period=all", "/messages?period=all&q=alert&state=deferred&open={message}",
    "/messages/{message}", "/messages/{message}/panel?back=/messages%22%3E%3Cscript%3Ealert(1)", "/activity",
    "/activity?each=1&text=alert", "/activity?server={markup}&cause={markup}&recipient={markup}&text={markup}",
    "/audit", "/audit?actor={markup}&action={markup}", "/storage", "/instance", "/users", "/users/{user}", "/tokens",
    "/smtp-servers", "/smtp-servers?order=yes", "/smtp-servers?state={markup}", "/smtp-servers/{server}",
    "/smtp-servers/{server}/test-mode", "/test-mode",
    "/smtp-servers/{server}/pause", "/smtp-servers/{server}/delete", "/smtp-tests/{test}", "/account",
    "/messages/new?to={markup}&subject={markup}", "/messages?q={markup}&server={markup}&client={markup}&cause={markup}",
)


@pytest.fixture(params=["en", "fr"])
def language(request: pytest.FixtureRequest, administrator: User) -> str:
    User.objects.filter(pk=administrator.pk).update(language=request.param)
    return str(request.param)


@pytest.fixture
def ids(relay: SmtpServer, settings: Any, tmp_path: Path, viewer: User) -> dict[str, str]:
    """Everything that others name is named with markup."""
    settings.DATA_DIR = tmp_path
    now = timezone.now()
    User.objects.filter(pk=viewer.pk).update(name=MARKUP, time_zone=MARKUP[:60])
    InstanceValue.objects.update_or_create(name="site", defaults={"value": {"name": MARKUP}})
    create_token(MARKUP[:90], "send", MARKUP)
    finding = {
        "cause": MARKUP, "title": MARKUP, "explanation": MARKUP, "fix": [MARKUP], "evidence": [MARKUP], "stage": "auth",
        "confidence": "likely", "field": "host", "retry": "permanent", "proposal": {"host": MARKUP}, "alternatives": [],
    }
    SmtpServer.objects.filter(pk=relay.pk).update(
        name=MARKUP, settings={**relay.settings, "name": MARKUP, "host": MARKUP, "username": MARKUP}, paused_at=now,
        paused_by=MARKUP, pause_reason=MARKUP, failing_since=now, failing_finding=finding, changed_at=now,
        changed_by=MARKUP, changed_fields=["host"],
    )
    failed = ServerTest.objects.create(
        server=relay, settings={**relay.settings, "name": MARKUP, "host": MARKUP}, status="failed", created_by=MARKUP,
        finished_at=now, finding=finding, stages=[{"name": "greeting", "status": "failed", "ms": 3, "detail": MARKUP}],
        transcript=[MARKUP], facts={"tls": {"version": MARKUP, "not_after": MARKUP, "issuer": MARKUP}},
    )
    message = Message.objects.create(
        message_id=f"<{MARKUP}>", from_header=MARKUP, subject=MARKUP, content_digest="0" * 64, content_size=10,
        server=relay, created_at=now, expires_at=now + timedelta(days=1), client_name=MARKUP[:90], tags=[MARKUP],
        metadata={MARKUP: MARKUP}, attachments=[{"filename": MARKUP, "size_bytes": 1}],
    )
    delivery = Delivery.objects.create(
        message=message, recipient=MARKUP, state="deferred", due_at=now, updated_at=now, server=relay, finding=finding,
        cause=MARKUP[:60], last_reply=MARKUP,
    )
    Attempt.objects.create(
        delivery=delivery, number=1, server=relay, server_name=MARKUP, started_at=now, ended_at=now, outcome="deferred",
        reply=MARKUP, cause=MARKUP[:60], finding=finding,
    )
    audit.record(MARKUP, "server.pause", MARKUP, {MARKUP: [MARKUP, {MARKUP: MARKUP}]})
    names = ("server", "cause", "title", "recipient", "subject", "reply", "message_id", "client")
    trouble = dict.fromkeys(names, MARKUP)
    write(tmp_path / "logs", datetime.now(UTC).date(), [
        entry(1, now, **trouble, severity="error", outcome="failed"),
        entry(2, now, kind=MARKUP, outcome=MARKUP, severity=MARKUP, message=MARKUP, code=MARKUP, stage=MARKUP),
    ])
    return {"server": relay.pk, "message": message.pk, "test": failed.pk, "user": viewer.pk, "markup": "%22'><script>"}


class Foreign(HTMLParser):
    """What a page has that none of ours would: `found`."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in ("script", "img") and not given.get("src", "").startswith("/static/"):
            self.found.append(tag)
        self.found += [name for name in given if name.startswith(("on", "style", "hx-on")) or '"' in name]
        links = (given.get(name, "") for name in ("href", "src", "action", "hx-get", "hx-post"))
        self.found += [link for link in links if link and not link.startswith(("/", "#", "?", "https://", "mailto:"))]


def foreign(text: str) -> list[str]:
    page = Foreign()
    page.feed(text)
    return page.found


@pytest.mark.usefixtures("language")
def test_w3_whatever_others_named_is_text_on_every_page(page: Client, ids: dict[str, str]) -> None:
    for path in (path.format(**ids) for path in PAGES):
        answer = page.get(path)
        assert (answer.status_code, foreign(answer.content.decode())) == (200, []), path


@pytest.mark.usefixtures("language")
@pytest.mark.parametrize("record", [
    f"v=spf1 {MARKUP} -all", f"v=spf1 include:{MARKUP}", f"v=DMARC1; p={MARKUP}", f"v=DMARC1; p=none; rua={MARKUP}",
])
def test_w3_what_the_dns_says_is_text(page: Client, record: str) -> None:
    here, host = "norrvik.example", "smtp.office365.com"
    zone: Zone = {
        f"TXT {here}": (record, "v=spf1 -all") if "spf" in record else (), f"TXT _dmarc.{here}": (record,),
        f"MX {here}": (f"0 {MARKUP}",), f"TXT selector1._domainkey.{here}": (f"v=DKIM1; p={MARKUP}",),
    }
    now = timezone.now()
    for server in (host, ""):
        DomainCheck.objects.create(
            domain=here, server_host=server, created_at=now, started_at=now, finished_at=now,
            result=read(zone, here, server)[0].as_json(),
        )
    asked = {"from_address": f"a@{here}", "host": host, "field": "to", "to": f"b@{here}", "detect": f"c@{here}"}
    for part in ("from-domain", "inbox-outlook", "recipient", "detect"):
        answer = page.post(f"/domain-checks/{part}", asked)
        assert (answer.status_code, foreign(answer.content.decode())) == (200, []), part


def test_foreign_text_would_be_found() -> None:
    assert foreign(f'<a href="{MARKUP}">') == ["script", "img", "onerror", "x"]
    assert foreign('<a href="javascript:alert(1)"><p style="x">') == ["javascript:alert(1)", "style"]
