"""The story of the product, as an administrator lives it, in a real browser against real servers."""

import json
import re
import smtplib
import socket
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from threading import Thread

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect
from tests.rig.installation import Installation, Run, running_postroom
from tests.rig.mail_rig import MailRig

from .conftest import DESKTOP, Camera

pytestmark = [pytest.mark.browser, pytest.mark.interop]

EMAIL = "marta.keller@norrvik.example"
PASSWORD = "correct horse battery staple"
WRONG_PASSWORD = "wrong-password-canary-4711"
RECIPIENT = "marta@rig.example"
MARKUP = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
REMOTE = "<img src='http://192.0.2.1/pixel'><meta http-equiv=refresh content='0;url=http://192.0.2.1/'>"
SECONDS = 20_000


@dataclass
class Story:
    """What the chapters share: the running product, one browser window, what the console complained about."""

    run: Run
    context: BrowserContext
    page: Page
    complaints: list[str]
    token: str = ""

    def open(self, path: str) -> Page:
        self.page.goto(self.run.url + path)
        return self.page


@pytest.fixture(scope="module")
def story(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    data = tmp_path_factory.mktemp("story") / "data"
    installation = Installation(data, POSTROOM_SMTP_PORTS="1-65535")
    with running_postroom(installation) as run:
        context = browser.new_context(viewport=DESKTOP, timezone_id="Europe/Berlin", locale="en-GB")
        context.set_default_timeout(SECONDS)
        page = context.new_page()
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.extend(complaint_of(said)))
        yield Story(run, context, page, complaints)
        context.close()


def complaint_of(said: ConsoleMessage) -> list[str]:
    return [f"{said.text} {said.location['url']}"] if said.type == "error" else []


def fill_form(page: Page, rig: MailRig, password: str) -> None:
    page.get_by_label("Name", exact=True).fill("Norrvik relay")
    page.get_by_label("Description").fill("Report deliveries for all sites")
    page.get_by_label("From Name").fill("Norrvik Reports")
    page.get_by_label("From Address").fill("reports@rig.example")
    page.get_by_label("Subject Prefix").fill("[Norrvik]")
    page.get_by_label("Host Name").fill(rig.host)
    page.get_by_label("SMTP Port").fill(str(rig.starttls_port))
    page.get_by_label("Username", exact=True).fill(rig.username)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_label("Test Mail").fill(RECIPIENT)
    page.get_by_text("Advanced", exact=True).click()
    page.get_by_label("Own CA certificate (PEM)").fill(rig.ca_file.read_text())


def test_1_the_printed_link_makes_the_administrator(story: Story, camera: Camera) -> None:
    page = story.page
    page.goto(story.run.setup_url)
    expect(page.get_by_label("Set-up code")).to_have_value(re.compile(r"\w{4}-\w{4}-\w{4}"))
    expect(page.get_by_label("Time zone")).to_have_value("Europe/Berlin")
    code = page.get_by_label("Set-up code").input_value()
    page.get_by_label("Your name").fill("Marta Keller")
    page.get_by_label("E-mail address").fill(EMAIL)
    page.get_by_label("Set-up code").fill("7Q4M-K2XD-90PL")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Create administrator and continue").click()
    expect(page.get_by_text("This code does not match")).to_be_visible()
    expect(page.get_by_label("Set-up code")).to_be_focused()
    camera.take(page, "first-run")
    assert findings_of(page) == []
    page.get_by_label("Set-up code").fill(code)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Create administrator and continue").click()
    expect(page.get_by_role("heading", name="Welcome, Marta")).to_be_visible()
    camera.take(page, "checklist")


def test_2_the_sandbox_is_verified_before_any_real_server_is_known(story: Story) -> None:
    page = story.open("/smtp-servers")
    row = page.get_by_role("row").filter(has_text="Sandbox")
    for _ in range(40):
        if row.get_by_text("Verified").is_visible():
            break
        time.sleep(0.5)
        page.reload()
    expect(row.get_by_text("Verified")).to_be_visible()
    expect(row.get_by_text("Default").first).to_be_visible()


def test_3_a_host_name_typed_as_a_url_is_offered_corrected(story: Story, camera: Camera) -> None:
    page = story.open("/smtp-servers/new")
    page.get_by_label("Name", exact=True).fill("Norrvik relay")
    page.get_by_label("From Address").fill("reports")
    page.get_by_label("Host Name").fill("smtp://mail.example:587")
    page.get_by_label("Password", exact=True).fill(WRONG_PASSWORD)
    page.get_by_role("button", name="Run live test").click()
    summary = page.get_by_role("alert").filter(has_text="need a change")
    expect(summary).to_be_focused()
    expect(page.get_by_label("Password", exact=True)).to_have_value("")
    camera.take(page, "form-refused")
    summary.get_by_role("link", name="From Address").click()
    expect(page.get_by_label("From Address")).to_be_focused()
    page.get_by_role("button", name="Use mail.example and port 587").click()
    expect(page.get_by_label("Host Name")).to_have_value("mail.example")


def test_4_the_ssl_choice_sets_the_port_unless_it_was_typed(story: Story) -> None:
    page = story.open("/smtp-servers/new")
    page.get_by_role("radio", name="SSL/TLS").check()
    expect(page.get_by_label("SMTP Port")).to_have_value("465")
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("radio", name="STARTTLS")).to_be_checked()
    expect(page.get_by_label("SMTP Port")).to_have_value("587")
    page.get_by_label("SMTP Port").fill("465")
    expect(page.get_by_text("Port 465 usually goes with SSL/TLS.")).to_be_visible()
    page.get_by_role("radio", name="None", exact=False).first.check()
    expect(page.get_by_label("SMTP Port")).to_have_value("465")


def test_5_a_wrong_password_is_explained_with_a_link_to_its_log(
    story: Story, mail_rig: MailRig, camera: Camera
) -> None:
    page = story.open("/smtp-servers/new")
    fill_form(page, mail_rig, WRONG_PASSWORD)
    expect(page.locator("aside").get_by_text("[Norrvik] Postroom test message").first).to_be_visible()
    page.get_by_text("Advanced", exact=True).click()
    page.evaluate("window.scrollTo(0, 0)")
    camera.take(page, "configure-smtp-server")
    page.get_by_role("button", name="Run live test").click()
    heading = page.get_by_role("heading", name="Test failed at step 7 of 10: Authenticate")
    expect(heading).to_be_visible()
    expect(page.locator("#failed-stage")).to_be_focused()
    expect(page.locator("#alarm")).to_contain_text("Test failed")
    expect(page.locator(".pr-quote").first).to_contain_text("535")
    expect(page.get_by_role("heading", name="How to fix it")).to_be_visible()
    expect(page.get_by_role("button", name="Save", exact=True)).to_be_disabled()
    expect(page.get_by_text("Not reached").first).to_be_visible()
    camera.take(page, "test-failed")
    page.get_by_text("View the detailed log").first.click()
    lines = page.locator("#log-lines")
    expect(lines).to_contain_text("535")
    expect(lines.locator(".pr-chip").first).to_contain_text("hidden")
    assert WRONG_PASSWORD not in page.content()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download log").click()
    text = Path(download.value.path()).read_text()
    assert "535" in text
    assert WRONG_PASSWORD not in text


def test_6_it_is_repaired_and_the_test_mail_arrives(story: Story, mail_rig: MailRig, camera: Camera) -> None:
    page = story.page
    page.get_by_role("link", name="Edit settings").click()
    expect(page.get_by_text("never shown").first).to_be_visible()
    expect(page.get_by_label("Password", exact=True)).to_be_focused()
    page.get_by_label("Password", exact=True).fill(mail_rig.password)
    page.get_by_role("button", name="Run live test").click()
    expect(page.get_by_role("heading", name="Test passed: all 10 stages")).to_be_visible()
    camera.take(page, "test-passed")
    [mail] = mail_rig.arrived(b"Subject: [Norrvik] Postroom test message")
    assert b"From: Norrvik Reports <reports@rig.example>" in mail
    page.get_by_label("Make this the default server").check()
    page.get_by_role("button", name="Save", exact=True).click()
    row = page.get_by_role("row").filter(has_text="Norrvik relay")
    expect(row.get_by_text("Verified")).to_be_visible()
    expect(row.get_by_text("Default").first).to_be_visible()


def test_7_the_stages_are_said_one_by_one_while_a_test_runs(story: Story) -> None:
    page = story.open("/smtp-servers")
    row = page.get_by_role("row").filter(has_text="Norrvik relay")
    row.locator("summary").click()
    row.get_by_role("button", name="Check connection").click()
    expect(page.get_by_role("heading", name="Connection checked")).to_be_visible()
    expect(page.get_by_text("The connection works and nothing was sent.")).to_be_visible()


def test_8_an_application_sends_with_a_token_made_in_the_page(
    story: Story, mail_rig: MailRig, camera: Camera
) -> None:
    page = story.open("/tokens")
    page.get_by_label("Name", exact=True).fill("Report server")
    page.get_by_role("button", name="Create API token").click()
    expect(page.get_by_text("shown only now")).to_be_visible()
    story.token = page.locator("#token").inner_text()
    camera.take(page, "api-tokens")
    message_id = sent(story, "Delivery performance, week 10", "On-time rate: 96.4 %.")
    [mail] = mail_rig.arrived(b"On-time rate: 96.4")
    assert b"Subject: [Norrvik] Delivery performance, week 10" in mail
    page = story.open(f"/messages/{message_id}")
    wait_for(lambda: page.reload() and page.locator(".pr-badge", has_text="Sent").is_visible())
    expect(page.get_by_text("Try 1: accepted by the server")).to_be_visible()
    camera.take(page, "message")
    story.open("/messages")
    expect(page.get_by_role("link", name="Delivery performance, week 10")).to_be_visible()


def test_9_the_activity_log_shows_it_all(story: Story, camera: Camera) -> None:
    page = story.open("/activity")
    table = page.get_by_role("table")
    expect(table.get_by_text("Sent “").first).to_be_visible()
    refused = page.get_by_role("row").filter(has_text="535")
    refused.get_by_text("Show cause and fix").first.click()
    expect(table.locator(".pr-quote", has_text="535").first).to_be_visible()
    camera.take(page, "smtp-activity-log")
    page.get_by_role("checkbox", name="Information").check()
    expect(table.get_by_text("Sent “").first).to_be_visible()
    expect(refused).to_have_count(0)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download this day").click()
    assert all(json.loads(line) for line in Path(download.value.path()).read_text().splitlines())


def test_10_the_sandbox_shows_mail_without_running_any_of_it(story: Story, camera: Camera) -> None:
    page = story.open("/sandbox")
    page.locator("table a").last.click()
    expect(page.frame_locator("iframe").get_by_text("can send mail")).to_be_visible()
    camera.take(page, "sandbox-message")
    port = story.open("/smtp-servers").get_by_role("row").filter(has_text="Sandbox").inner_text()
    hostile = EmailMessage()
    hostile["Subject"], hostile["From"], hostile["To"] = MARKUP, "x@x.example", "y@x.example"
    hostile.set_content("text")
    hostile.add_alternative(f"{MARKUP}<p>shown</p>{REMOTE}", subtype="html")
    with smtplib.SMTP("127.0.0.1", int(re.findall(r"127\.0\.0\.1:(\d+)", port)[0])) as client:
        client.send_message(hostile)
    left: list[str] = []
    page.on("requestfinished", lambda request: left.append(request.url))
    page.on("requestfailed", lambda request: left.append(request.url) if request.failure != "csp" else None)
    story.open("/sandbox")
    page.locator("table a").first.click()
    expect(page.frame_locator("iframe").get_by_text("shown")).to_be_visible()
    assert page.title() != "owned"
    assert [url for url in left if not url.startswith(story.run.url)] == []


def test_11_markup_in_a_subject_and_in_a_servers_reply_never_runs(story: Story) -> None:
    message_id = sent(story, f"Week 10 {MARKUP}", "hostile")
    for path in ("/messages", f"/messages/{message_id}", "/activity"):
        expect(story.open(path).get_by_text("onerror").first).to_be_visible()
        assert story.page.title() != "owned"
    with hostile_server(f"554 {MARKUP}") as port:
        page = story.open("/smtp-servers/new")
        page.get_by_label("Name", exact=True).fill(f"Hostile {MARKUP}")
        page.get_by_label("From Address").fill("reports@rig.example")
        page.get_by_label("Host Name").fill("127.0.0.1")
        page.get_by_label("SMTP Port").fill(str(port))
        page.get_by_role("radio", name="None the server trusts").check()
        page.get_by_role("button", name="Run live test").click()
        expect(page.get_by_role("heading", name="Test failed at step")).to_be_visible()
    expect(page.locator(".pr-quote").first).to_contain_text("onerror")
    page.get_by_text("View the detailed log").first.click()
    expect(page.locator("#log-lines")).to_contain_text("onerror")
    assert page.title() != "owned"


def test_12_no_page_has_an_accessibility_finding_in_light_or_dark(story: Story, camera: Camera) -> None:
    for theme in ("light", "dark"):
        story.context.add_cookies([{"name": "postroom_theme", "value": theme, "url": story.run.url}])
        for path in pages_of(story):
            page = story.open(path)
            assert findings_of(page) == [], f"{path} in {theme}"
            if theme == "light" and path in PICTURED:
                camera.take(page, PICTURED[path])
    story.open(failed_test_of(story))
    story.page.get_by_text("View the detailed log").first.click()
    story.page.mouse.wheel(0, 420)
    camera.take(story.page, "test-failed-dark")
    story.context.add_cookies([{"name": "postroom_theme", "value": "light", "url": story.run.url}])


TOO_WIDE = """[...document.querySelectorAll("main *")].filter(e => e.getBoundingClientRect().right > 320)
  .map(e => e.tagName + "." + e.className + ": " + e.textContent.trim().slice(0, 40)).slice(0, 8)"""


def test_13_a_phone_of_320_pixels_shows_all_without_scrolling_sideways_or_findings(
    story: Story, camera: Camera
) -> None:
    story.page.set_viewport_size({"width": 320, "height": 640})
    for path in pages_of(story):
        page = story.open(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320, (path, page.evaluate(TOO_WIDE))
        assert findings_of(page) == [], path
    story.page.set_viewport_size({"width": 390, "height": 844})
    story.open(failed_test_of(story))
    camera.take(story.page, "phone-test-failed")
    story.open("/smtp-servers")
    story.page.get_by_role("button", name="Menu").click()
    expect(story.page.locator("#sidebar").get_by_role("link", name="Messages")).to_be_visible()
    story.page.keyboard.press("Escape")
    expect(story.page.locator("#sidebar")).to_be_hidden()
    story.page.set_viewport_size(DESKTOP)


def test_the_sign_in_has_no_accessibility_finding_and_fits_a_phone(browser: Browser, story: Story) -> None:
    context = browser.new_context(viewport={"width": 320, "height": 640})
    page = context.new_page()
    page.goto(f"{story.run.url}/login")
    page.get_by_label("E-mail address").fill(EMAIL)
    page.get_by_label("Password", exact=True).fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_be_focused()
    assert findings_of(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    context.close()


def test_14_the_passwords_are_in_no_file_and_the_browser_complained_about_nothing(
    story: Story, mail_rig: MailRig
) -> None:
    for path in story.run.installation.data.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert WRONG_PASSWORD.encode() not in content, path
            assert mail_rig.password.encode() not in content, path
    assert WRONG_PASSWORD not in story.run.output
    expected = ("422", "/nothing-here", "/frame?key=", "http://192.0.2.1/")
    assert [said for said in story.complaints if not any(part in said for part in expected)] == []


def findings_of(page: Page, rules: Sequence[str] = ()) -> list[object]:
    """What axe objects to, by all its rules or by these: rule and places."""
    options = {"runOnly": list(rules)} if rules else None
    found = Axe().run(page, options=options).response["violations"]
    return [(each["id"], [node["target"] for node in each["nodes"]]) for each in found]


def sent(story: Story, subject: str, text: str) -> str:
    """The id of a message that an application hands in with the token made in the page."""
    request = urllib.request.Request(
        f"{story.run.url}/api/v1/messages",
        json.dumps({"to": [RECIPIENT], "subject": subject, "text": text}).encode(),
        {"Authorization": f"Bearer {story.token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.status == 202
        return str(json.load(answer)["id"])


@contextmanager
def hostile_server(greeting: str) -> Iterator[int]:
    """The port of a server that greets so and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    peer, _ = listener.accept()
                    with peer:
                        peer.sendall(f"{greeting}\r\n".encode())

        Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]


def wait_for(condition: Callable[[], object], within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.3)


def failed_test_of(story: Story) -> str:
    """The address of the failed test, which the activity log links to."""
    page = story.open("/activity?outcome=failed")
    link = page.get_by_role("row").filter(has_text="535").locator('a[href^="/smtp-tests/"]').first
    return str(link.get_attribute("href"))


PICTURED = {
    "/messages/new": "write-a-message", "/storage": "storage-and-retention", "/instance": "instance",
    "/users": "users", "/audit": "audit-trail", "/account": "account",
}


def pages_of(story: Story) -> list[str]:
    """Every kind of page, with real content."""
    page = story.open("/messages")
    message = str(page.locator("table a").first.get_attribute("href"))
    caught = str(story.open("/sandbox").locator("table a").first.get_attribute("href"))
    server = str(
        story.open("/smtp-servers").get_by_role("link", name="Norrvik relay", exact=True).first.get_attribute("href")
    )
    return [
        "/", "/?period=month", "/messages", message, "/messages/new", "/activity", "/smtp-servers", "/smtp-servers/new",
        server, f"{server}/delete", failed_test_of(story), "/sandbox", caught, "/storage", "/instance", "/users",
        "/tokens", "/audit", "/account", "/nothing-here",
    ]
