"""`postroom send`: what becomes of options and standard input, and what a shell hears."""

import argparse
import base64
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from tests.outbox import octets_of

from postroom.cli import send
from postroom.cli.hand_over import handed_over
from postroom.cli.local_queue import IntoQueue
from postroom.cli.send import Usage, body_of
from postroom.flow.messages.submitted import SubmittedMessage
from postroom.flow.servers.configure import save_untested
from postroom.net.api_client import ApiFailed
from postroom.store.models import Delivery, Message
from postroom.terms.server import Security, ServerSettings

RAW = (
    b"From: Ann Lee <ann@company.example>\nTo: =?utf-8?q?B=C3=B6b?= <bob@company.example>, eve@company.example\n"
    b"Bcc: hidden@company.example\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\n an alle\nX-Report: 7\n"
    b"Message-ID: <mine@company.example>\nReceived: from x\nDate: Mon, 1 Jan 2001 00:00:00 +0000\n"
    b"MIME-Version: 1.0\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: 8bit\n\n"
    b"Sch\xf6n\n.\nrest\n"
)


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    send.add_arguments(parser)
    return parser.parse_args(words)


def body(*words: str, stdin: bytes = b"Hello\n") -> dict[str, Any]:
    made = body_of(parsed(*words), lambda: stdin)
    SubmittedMessage.model_validate(made)
    return made


def test_options_and_standard_input_become_a_message(tmp_path: Path) -> None:
    file = tmp_path / "a.log"
    file.write_bytes(b"\x00\x01")
    made = body(
        "--to", "ann@company.example", "--to", "bob@company.example", "--cc", "c@company.example",
        "--subject", "Backup", "--attach", str(file), "--server", "Relay", "-f", "cron@company.example",
    )  # fmt: skip
    assert made["to"] == ["ann@company.example", "bob@company.example"]
    assert (made["subject"], made["text"], made["server"]) == ("Backup", "Hello\n", "Relay")
    assert made["from"] == "cron@company.example"
    assert made["attachments"] == [{"filename": "a.log", "content_base64": base64.b64encode(b"\x00\x01").decode()}]


def test_html_comes_from_standard_input_or_a_file(tmp_path: Path) -> None:
    assert body("--to", "a@b.example", "--html", stdin=b"<p>x</p>")["html"] == "<p>x</p>"
    file = tmp_path / "page.html"
    file.write_text("<p>y</p>")
    made = body("--to", "a@b.example", "--html", str(file), stdin=b"as text")
    assert (made["html"], made["text"]) == ("<p>y</p>", "as text")


def test_a_template_takes_its_values_from_standard_input() -> None:
    made = body("--to", "a@b.example", "--template", "figures", stdin=b'{"rows": 3}')
    assert (made["template"], made["data"]) == ("figures", {"rows": 3})
    assert "text" not in made


def test_a_message_read_as_sendmail_does_keeps_what_a_person_wrote() -> None:
    made = body("-t", "-oi", "-oem", "-B8BITMIME", stdin=RAW)
    assert made["from"] == '"Ann Lee" <ann@company.example>'
    assert made["to"] == ['"Böb" <bob@company.example>', "eve@company.example"]
    assert made["bcc"] == ["hidden@company.example"]
    assert made["subject"] == "Grüße an alle"
    assert made["headers"] == {"X-Report": "7", "Message-ID": "<mine@company.example>"}
    assert made["text"].rstrip() == "Schön"


def test_an_encoded_word_that_is_none_stays_as_it_is() -> None:
    made = body("-t", stdin=b"To: a@b.example\nSubject: =?utf-8?b?a?= of today\n\nHello\n")
    assert made["subject"] == "=?utf-8?b?a?= of today"


def test_a_lone_dot_ends_the_message_unless_told_otherwise() -> None:
    assert body("-t", "-i", stdin=RAW)["text"].endswith("rest\n")
    assert "rest" not in body("-t", stdin=RAW)["text"]


def test_recipients_on_the_command_line_are_the_only_ones() -> None:
    made = body("bob@company.example", "zoe@company.example", stdin=RAW)
    assert made["to"] == ['"Böb" <bob@company.example>']
    assert made["bcc"] == ["zoe@company.example"]


def test_a_from_without_domain_is_left_to_the_server() -> None:
    raw = b"From: root (Cron Daemon)\nTo: a@b.example\nSubject: x\n\nbody\n"
    assert "from" not in body("-t", stdin=raw)
    assert body("-t", "-f", "x@b.example", "-F", "Cron", stdin=raw)["from"] == '"Cron" <x@b.example>'


def test_attachments_of_a_raw_message_arrive_as_octets() -> None:
    raw = (
        b"To: a@b.example\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=B\n\n--B\n"
        b"Content-Type: text/html\n\n<p>x</p>\n--B\nContent-Type: application/pdf\n"
        b"Content-Disposition: attachment; filename=\"../r.pdf\"\nContent-Transfer-Encoding: base64\n\nAAE=\n--B--\n"
    )
    made = body("-t", stdin=raw)
    assert made["html"].strip() == "<p>x</p>"
    assert made["attachments"] == [
        {"filename": "../r.pdf", "content_type": "application/pdf", "content_base64": "AAE="}
    ]


@pytest.mark.parametrize(
    ("words", "stdin"),
    [
        ((), b""),
        (("--to", "a@b.example", "c@b.example"), b""),
        (("--to", "a@b.example", "-t"), b""),
        (("--to", "a@b.example", "--attach", "/nowhere"), b""),
        (("--to", "a@b.example"), b"\xff\xfe"),
        (("--to", "a@b.example", "--template", "figures"), b"[1]"),
        (("--to", "a@b.example", "--template", "figures"), b"{"),
        (("--to", "a@b.example", "--template", "figures", "--html"), b"{}"),
        (("-t", "--template", "figures"), b"{}"),
    ],
)
def test_wrong_usage_says_why(words: tuple[str, ...], stdin: bytes) -> None:
    with pytest.raises(Usage) as problem:
        body_of(parsed(*words), lambda: stdin)
    assert str(problem.value).endswith(".")


def test_over_http_a_token_is_needed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("POSTROOM_TOKEN", raising=False)
    monkeypatch.setattr("sys.stdin", argparse.Namespace(buffer=argparse.Namespace(read=lambda: b"x")))
    assert send.run(parsed("--to", "a@b.example", "--url", "http://127.0.0.1:1")) == 2
    assert "POSTROOM_TOKEN" in capsys.readouterr().err


@pytest.mark.django_db(transaction=True)
def test_a_message_goes_into_the_queue_and_its_waiting_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    relay = ServerSettings(
        name="Relay", from_address="r@company.example", host="smtp.company.example", port=25, security=Security.NONE
    )
    save_untested(relay, password=None, based_on=None, server=None, reason="x", use_unverified=True, actor="test")
    made = body("--to", "ann@company.example")
    assert handed_over(IntoQueue(), made, key="k", wait_s=None, is_quiet=False) == 0
    message = Message.objects.get()
    output = capsys.readouterr()
    assert output.out == f"{message.pk}\n"
    assert "no engine is running" in output.err
    assert b"Hello" in octets_of(message, settings.DATA_DIR / "blobs")
    assert handed_over(IntoQueue(), made, key="k", wait_s=0.0, is_quiet=True) == 1
    assert capsys.readouterr().out == ""
    Delivery.objects.update(state="sent")
    assert handed_over(IntoQueue(), made, key="k", wait_s=5.0, is_quiet=True) == 0


@pytest.mark.django_db(transaction=True)
def test_a_refusal_names_the_field(capsys: pytest.CaptureFixture[str]) -> None:
    relay = ServerSettings(
        name="Relay", from_address="r@company.example", host="smtp.company.example", port=25, security=Security.NONE
    )
    save_untested(relay, password=None, based_on=None, server=None, reason="x", use_unverified=True, actor="test")
    assert handed_over(IntoQueue(), body("--to", "nobody"), key=None, wait_s=None, is_quiet=False) == 1
    assert "to: “nobody” has no @." in capsys.readouterr().err


class FailedElsewhere:
    """A Postroom elsewhere whose delivery failed."""

    finding = {"title": "Mailbox unknown", "explanation": "There is no such mailbox.", "fix": ["Check the address."]}  # noqa: RUF012

    def accept(self, body: dict[str, Any], key: str | None) -> str:
        if key == "refused":
            raise ApiFailed("A valid token is needed")
        return f"M{len(body)}"

    def deliveries(self, message_id: str) -> list[dict[str, Any]]:
        return [{"recipient": f"{message_id}@b.example", "state": "failed", "finding": self.finding}]

    def engine_runs(self) -> bool:
        return True


def test_a_failed_delivery_is_explained_and_exits_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert handed_over(FailedElsewhere(), {}, key=None, wait_s=1.0, is_quiet=True) == 1
    error = capsys.readouterr().err
    assert error == "M0@b.example: failed\n  Mailbox unknown: There is no such mailbox.\n  - Check the address.\n"
    assert handed_over(FailedElsewhere(), {}, key="refused", wait_s=None, is_quiet=True) == 1
    assert "A valid token is needed" in capsys.readouterr().err
