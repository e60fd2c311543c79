"""B11: a server that answers with a megabyte each time fills no log, no transcript and no database."""

import asyncio
import json
from pathlib import Path

import pytest
from django.utils import timezone
from tests.outbox import rows

from postroom.flow.delivery.settle import REPLY_CHARACTERS
from postroom.flow.servers.configure import start_test
from postroom.store.models import ServerTest
from postroom.terms.server import Security, ServerSettings

from .conftest import Outbox
from .peer import Peer, Visit
from .running import Running

MEGABYTE = 1_048_576
LINE = "550-5.7.1 " + "all work and no play " * 40
MESSAGES = 20
# What one attempt may leave in the activity log, and in the database, with its finding.
LINE_BYTES, ROW_BYTES = 8_192, 16_384
TRANSCRIPT_BYTES = 65_536


def of_one_megabyte(last: str) -> str:
    """A reply of many lines, the last one `last`."""
    return "\r\n".join([LINE] * (MEGABYTE // len(LINE))) + f"\r\n{last}"


ANSWERS = {
    "greeting": ("greeting", of_one_megabyte("550 5.7.1 go away")),
    "greeting-line": ("greeting", "220 " + "x" * MEGABYTE),
    "ehlo": ("EHLO", of_one_megabyte("250 SIZE 1000")),
    "sender": ("MAIL", of_one_megabyte("550 5.7.1 no")),
    "recipient": ("RCPT", of_one_megabyte("550 5.7.1 no")),
    "final-dot": ("dot", of_one_megabyte("451 4.7.1 not now")),
    "final-dot-line": ("dot", "451 4.7.1 " + "x" * MEGABYTE),
}


def answering(stage: str) -> Peer:
    verb, reply = ANSWERS[stage]
    return Peer(lambda _visit, line: reply if line.split(" ")[0] == verb else None)


def bytes_below(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("stage", ANSWERS)
async def test_b11_attempts_leave_little_however_much_is_answered(
    outbox: Outbox, stage: str, capfd: pytest.CaptureFixture[str]
) -> None:
    async with answering(stage) as peer:
        server_id = await outbox.server(peer.port)
        for number in range(MESSAGES):
            await outbox.submit(server_id, f"reader{number}@example.org")
        lane = await outbox.open_lane(server_id)
        lane.nudge()
        # A fault of the whole server leaves it alone, and the others wait.
        is_whole = stage in ("greeting", "greeting-line", "ehlo")
        await outbox.until("deferred", *(("queued",) if is_whole else ("failed", "uncertain")), within_s=15)
        await outbox.until("deferred", "queued", "failed", "uncertain", one="deferred" if is_whole else None)
        await lane.stop(5)
    outbox.lane = None
    assert peer.visits > 0
    attempts = await asyncio.to_thread(rows, outbox.database, "SELECT reply, finding FROM store_attempt")
    for reply, finding in attempts:
        assert len(reply) <= REPLY_CHARACTERS
        assert len(finding or "") < ROW_BYTES
    events = max(1, len(attempts)) + peer.visits
    assert bytes_below(outbox.data / "logs") < events * LINE_BYTES
    said = capfd.readouterr()
    assert len(said.out) + len(said.err) < events * LINE_BYTES


@pytest.mark.parametrize("stage", ANSWERS)
async def test_b11_a_test_of_such_a_server_has_a_transcript_that_a_page_can_show(
    outbox: Outbox, running: Running, stage: str
) -> None:
    async with answering(stage) as peer:
        chosen = ServerSettings(
            name="Peer", host="127.0.0.1", port=peer.port, security=Security.NONE, from_address="r@example.com",
            test_recipient="ann@example.org",
        )
        await running.start()
        test = await asyncio.to_thread(
            start_test, chosen, password=None, based_on=None, server=None, send=True, actor="test"
        )
        began_at = timezone.now()
        while not (row := await ServerTest.objects.aget(pk=test.pk)).is_over:
            assert (timezone.now() - began_at).total_seconds() < 20, row.status
            await asyncio.sleep(0.05)
    stored = json.dumps([row.transcript, row.stages, row.finding, row.facts])
    assert len(stored) < TRANSCRIPT_BYTES + ROW_BYTES
    assert bytes_below(outbox.data / "logs") < TRANSCRIPT_BYTES + ROW_BYTES


async def test_b11_a_server_that_talks_on_after_its_reply_is_left(outbox: Outbox) -> None:
    """What nobody asked for is read no further than a reply may be long."""

    def answer(_visit: Visit, line: str) -> str | None:
        return of_one_megabyte("250 ok") + "\r\n" + of_one_megabyte("250 ok") if line.startswith("MAIL") else None

    async with Peer(answer) as peer:
        server_id = await outbox.server(peer.port)
        await outbox.submit(server_id, "ann@example.org")
        lane = await outbox.open_lane(server_id)
        lane.nudge()
        await outbox.until("deferred", "failed", "uncertain", "held", within_s=10)
    assert peer.taken == []
    assert bytes_below(outbox.data / "logs") < 4 * LINE_BYTES
