"""Bounces through the submission door: their signed recipient lets them in, and nothing else comes with them."""

import asyncio
import smtplib
from collections.abc import Callable
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from tests.bounced import SETTINGS, dsn, sent

from postroom.flow.delivery.bounce_intake import REPORT_BYTES
from postroom.flow.delivery.return_path import reverse_path_of
from postroom.store.models import Bounce, Delivery, Message, Suppression
from postroom.store.outbox import open_outbox

from .opening import opened_door

pytestmark = pytest.mark.django_db(transaction=True)
REPORT = dsn("ann@customer.example", message_id="")
Talk = Callable[[smtplib.SMTP, str], None]


def sizes_in(folder: Path) -> list[int]:
    return [file.stat().st_size for file in folder.rglob("*") if file.is_file()]


async def told(data: Path, talk: Talk, trust: str = "") -> Delivery:
    """The delivery to whose return path `talk` speaks, at a door that knows nobody unless it trusts them."""
    async with opened_door(open_outbox(), data, trust) as door:
        delivery: Delivery = await sync_to_async(sent)("ann@customer.example")
        path = reverse_path_of(SETTINGS, "reports@reports.example", delivery.pk)

        def session() -> None:
            with smtplib.SMTP("127.0.0.1", door.port, timeout=10) as client:
                talk(client, path)

        await asyncio.to_thread(session)
    return delivery


async def test_a_stranger_reports_to_a_signed_return_path_and_nothing_is_passed_on(tmp_path: Path) -> None:
    delivery = await told(tmp_path, lambda client, path: client.sendmail("", [path], REPORT) and None)
    assert (await Bounce.objects.aget()).delivery_id == delivery.pk
    assert (await Suppression.objects.aget()).address == "ann@customer.example"
    assert await Message.objects.acount() == 1


async def test_a_stranger_reaches_nobody_else_in_the_same_breath(tmp_path: Path) -> None:
    def talk(client: smtplib.SMTP, path: str) -> None:
        client.ehlo()
        assert client.mail("")[0] == 250
        assert client.rcpt(path)[0] == 250
        assert client.rcpt("ben@example.org")[0] == 530
        assert client.rcpt(path.replace("+", "+x", 1))[0] == 530
        assert client.data(REPORT)[0] == 250

    await told(tmp_path, talk)
    assert await Bounce.objects.acount() == 1
    assert await Message.objects.acount() == 1


async def test_a_report_is_read_once_however_often_a_stranger_names_its_return_path(tmp_path: Path) -> None:
    def talk(client: smtplib.SMTP, path: str) -> None:
        client.ehlo()
        for _ in range(2):
            client.mail("")
            assert [client.rcpt(p)[0] for p in (path, path, path.upper(), f"x{path}")] == [250, 452, 452, 452]
            client.rset()

    await told(tmp_path, talk)


async def test_b3_a_stranger_with_one_return_path_is_not_listened_to_for_ever(tmp_path: Path) -> None:
    def talk(client: smtplib.SMTP, path: str) -> None:
        client.ehlo()
        client.mail("")
        assert client.rcpt(path)[0] == 250
        name, wish = path.rpartition("@")[0], "NOTIFY=NEVER ORCPT=rfc822;" + "a" * 400
        client.send("".join(f"RCPT TO:<{name}@d{n}.example> {wish}\r\n" for n in range(3_000)))
        heard = [client.getreply()[0] for _ in range(1_021)]
        assert heard == [452] * 1_020 + [421]

    await told(tmp_path, talk)


async def test_of_what_a_stranger_sends_no_more_is_stored_than_is_read(tmp_path: Path) -> None:
    large = REPORT + b"x" * 70 + b"\r\n" + (b"x" * 70 + b"\r\n") * 60_000
    await told(tmp_path, lambda client, path: client.sendmail("", [path], large) and None)
    assert await Bounce.objects.acount() == 1
    assert max(sizes_in(tmp_path)) <= REPORT_BYTES


async def test_an_automatic_answer_or_any_other_mail_to_it_is_taken_and_kept_nowhere(tmp_path: Path) -> None:
    def talk(client: smtplib.SMTP, path: str) -> None:
        assert client.sendmail("ann@customer.example", [path], b"Subject: hello\r\n\r\nHello\r\n") == {}
        client.sendmail("ann@customer.example", [path], b"Auto-Submitted: auto-replied\r\n\r\nAway\r\n")

    await told(tmp_path, talk)
    assert not await Bounce.objects.aexists()
    assert await Message.objects.acount() == 1


async def test_whom_the_door_trusts_sends_to_both_and_the_report_goes_no_further(tmp_path: Path) -> None:
    delivery = await told(
        tmp_path, lambda client, path: client.sendmail("a@b.example", [path, "ben@example.org"], REPORT) and None,
        trust="127.0.0.0/8",
    )
    assert (await Bounce.objects.aget()).delivery_id == delivery.pk
    queued = [d.recipient async for d in Delivery.objects.filter(state="queued")]
    assert queued == ["ben@example.org"]
