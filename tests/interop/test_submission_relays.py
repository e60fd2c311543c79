"""Mail servers of an intranet hand on to the submission door what their programs gave them (P12)."""

import contextlib
import shutil
import smtplib
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from tests.rig.exim import running_exim_relay
from tests.rig.listeners import Listeners
from tests.rig.opensmtpd import running_opensmtpd_relay
from tests.rig.postfix import running_postfix_relay
from tests.rig.submission import Submission, serving

pytestmark = [pytest.mark.interop, pytest.mark.django_db]
SENDER = "app@host.example"
Relay = Callable[[Path, int, str], AbstractContextManager[Listeners]]
RELAYS: dict[str, Relay] = {
    "postfix": running_postfix_relay, "exim": running_exim_relay, "opensmtpd": running_opensmtpd_relay,
}


@contextlib.contextmanager
def relaying(name: str) -> Iterator[tuple[Submission, int, Path]]:
    """The door, the port of a relay before it, and the relay's log."""
    folder = Path(tempfile.mkdtemp(prefix="postroom-relay-"))
    folder.chmod(0o755)
    trust = {"POSTROOM_SUBMISSION_TRUST": "127.0.0.0/8"} if name == "opensmtpd" else {}
    try:
        (folder / name).mkdir(mode=0o755)
        with (
            serving(folder / "data", **trust) as door,
            RELAYS[name](folder / name, door.port, door.token) as listeners,
        ):
            yield door, listeners.ports["none", False], listeners.log
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module", params=RELAYS)
def relay(request: pytest.FixtureRequest, django_db_setup: None) -> Iterator[tuple[Submission, int, Path]]:  # noqa: ARG001
    with relaying(request.param) as found:
        yield found


def arrived(door: Submission, subject: str, log: Path) -> None:
    """Returns once a message of that subject is in the queue."""
    deadline = time.monotonic() + 60
    while door.messages("subject")[-1:] != [(subject,)]:
        assert time.monotonic() < deadline, log.read_text(errors="replace")[-3000:]
        time.sleep(0.1)


def test_p12_a_relay_hands_on_plain_and_utf_8_octet_for_octet(relay: tuple[Submission, int, Path]) -> None:
    door, port, log = relay
    body = "Zoë: größer als 2 €\r\n.punkt\r\n..\r\n\r\nEnde\r\n".encode()
    header = "From: App <app@host.example>\r\nTo: ann@example.org\r\nSubject: Relayed\r\nMIME-Version: 1.0\r\n"
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
        octets = header.encode() + b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + body
        client.sendmail(SENDER, ["ann@example.org"], octets, ["BODY=8BITMIME"])
    arrived(door, "Relayed", log)
    assert door.last_content().partition(b"\r\n\r\n")[2] == body
    assert door.last_content().count(b"Received: ") == 2


def test_p12_a_relay_hands_on_ten_megabytes_to_a_hundred(relay: tuple[Submission, int, Path]) -> None:
    door, port, log = relay
    recipients = [f"reader{number}@example.org" for number in range(100)]
    body = b"".join(b"%08d.%s\r\n" % (number, b"x" * 60) for number in range(145_000))
    before = len(door.recipients())
    with smtplib.SMTP("127.0.0.1", port, timeout=120) as client:
        client.sendmail(SENDER, recipients, b"Subject: Large\r\nFrom: a@b.example\r\n\r\n" + body)
    arrived(door, "Large", log)
    assert door.last_content().partition(b"\r\n\r\n")[2] == body
    deadline = time.monotonic() + 60
    while len(door.recipients()) < before + 100 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert sorted(door.recipients()[before:]) == sorted(recipients)


def test_a_message_that_the_door_refuses_is_bounced_by_the_relay_and_not_tried_for_ever(
    relay: tuple[Submission, int, Path],
) -> None:
    door, port, log = relay
    before = len(door.messages())
    with smtplib.SMTP("127.0.0.1", port, timeout=60) as client:
        client.sendmail(SENDER, ["ann@example.org"], b"From: a@b.example\r\nX-Postroom-Purpose: spam\r\n\r\nbody\r\n")
    deadline = time.monotonic() + 60
    while "X-Postroom-Purpose" not in log.read_text(errors="replace") and time.monotonic() < deadline:
        time.sleep(0.1)
    assert "554 5.6.0" in log.read_text(errors="replace")
    assert all(subject != "" for _, subject in door.messages()[before:])
