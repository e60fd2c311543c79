"""When storage fails or is full, a client hears what to do and never a yes (D4, D5, D6, B8)."""

import asyncio
import errno
import smtplib
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.submission.opening import opened_door

from postroom.flow.acceptance.fresh import Fresh
from postroom.flow.acceptance.queue_room import QueueLimits, QueueRoom
from postroom.flow.users.tokens import client_of_digest
from postroom.store import storage_room
from postroom.store.ids import new_id
from postroom.store.models import ApiToken
from postroom.store.outbox import open_outbox
from postroom.store.queue import Enqueued, IdempotencyConflict, NewMessage
from postroom.store.writer import StorageBusy, StorageUnknown

pytestmark = pytest.mark.django_db(transaction=True)
MAIL = b"Subject: Sales\r\n\r\nUp by 3 %\r\n"
LARGE = MAIL + b"Up by 3 %\r\n" * 20_000


class Failing:
    """An outbox whose commits end like `error`, or well where that is None. It stands for the disk."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.taken: list[NewMessage] = []

    @property
    def queue(self) -> "Failing":
        return self

    async def enqueue(self, new: NewMessage) -> Enqueued:
        if self.error is not None:
            raise self.error
        self.taken.append(new)
        return Enqueued(new.id, ((new_id(), new.recipients[0]),))

    def note_use(self, token_id: str, at: datetime) -> None:
        del token_id, at
        raise StorageBusy("busy")

    def close(self) -> None:
        return


def answers(port: int, *mails: bytes, recipients: int = 1) -> list[tuple[str, int, str]]:
    """The command at which each message ended, and the reply's code and enhanced code; in one session."""
    found = []
    with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
        for mail in mails:
            client.ehlo_or_helo_if_needed()
            client.rset()
            code, text = client.mail("app@host.example", [f"SIZE={len(mail)}"])
            where = "MAIL"
            if code == 250:
                for n in range(recipients):
                    client.rcpt(f"ann{n or ''}@example.org")
                where, (code, text) = "DATA", client.data(mail)
            found.append((where, code, text.decode().partition(" ")[0]))
    return found


@pytest.mark.parametrize(("error", "code", "enhanced"), [
    (StorageBusy("locked"), 451, "4.3.0"), (StorageUnknown("I/O error"), 451, "4.3.0"),
    (OSError(errno.ENOSPC, "full"), 452, "4.3.1"), (StorageUnknown("database or disk is full"), 452, "4.3.1"),
    (IdempotencyConflict("other"), 554, "5.7.0"), (RuntimeError("a fault of ours"), 451, "4.3.0"),
])
async def test_d4_d6_a_failed_commit_is_never_answered_250(
    tmp_path: Path, error: Exception, code: int, enhanced: str
) -> None:
    outbox = Failing(error)
    async with opened_door(outbox, tmp_path) as door:  # type: ignore[arg-type]
        assert await asyncio.to_thread(answers, door.port, MAIL, LARGE) == [("DATA", code, enhanced)] * 2
        outbox.error = None
        assert await asyncio.to_thread(answers, door.port, MAIL) == [("DATA", 250, "2.0.0")]
        assert len(outbox.taken) == 1


async def test_d5_a_full_disk_is_told_before_data_and_taking_resumes_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = storage_room.RESERVE_BYTES + 1_000
    monkeypatch.setattr(storage_room.StorageRoom, "_look", lambda _: free)
    monkeypatch.setattr(storage_room, "_LOOKED_EVERY_S", 0.0)
    outbox = Failing()
    async with opened_door(outbox, tmp_path) as door:  # type: ignore[arg-type]
        told = await asyncio.to_thread(answers, door.port, MAIL, LARGE)
        assert told == [("DATA", 250, "2.0.0"), ("MAIL", 452, "4.3.1")]
        free = storage_room.RESERVE_BYTES - 1
        assert await asyncio.to_thread(answers, door.port, MAIL) == [("MAIL", 452, "4.3.1")]
        free = 10 * len(LARGE) + storage_room.RESERVE_BYTES
        assert await asyncio.to_thread(answers, door.port, LARGE) == [("DATA", 250, "2.0.0")]


async def test_d5_a_file_that_can_not_be_written_is_told_after_its_end_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "blobs").write_text("no folder")
    async with opened_door(open_outbox(), tmp_path) as door:
        assert await asyncio.to_thread(answers, door.port, LARGE, MAIL) == [
            ("DATA", 451, "4.3.0"), ("DATA", 250, "2.0.0")
        ]


async def test_a_token_in_the_place_of_the_user_name_is_not_logged(tmp_path: Path) -> None:
    token = "pr_" + "x" * 43

    def sign_in(port: int) -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as client, pytest.raises(smtplib.SMTPAuthenticationError):
            client.login(f"app {token}", "wrong")

    with capture_logs() as lines:
        async with opened_door(open_outbox(), tmp_path) as door:
            await asyncio.to_thread(sign_in, door.port)
    assert {line["username"] for line in lines if line["event"] == "sign-in refused"} == {"app pr_…"}


async def test_b8_a_full_queue_is_told_before_data(tmp_path: Path) -> None:
    outbox = Failing()
    async with opened_door(outbox, tmp_path) as door:  # type: ignore[arg-type]
        door.room.queued = QueueRoom(QueueLimits(2, 2), count=lambda: Counter(str(n.client_id) for n in outbox.taken))
        await asyncio.to_thread(answers, door.port, MAIL)
        told = await asyncio.to_thread(answers, door.port, MAIL, MAIL)
        assert told == [("DATA", 250, "2.0.0"), ("MAIL", 452, "4.3.1")]


@pytest.mark.parametrize("mail", [MAIL, LARGE], ids=["small", "large"])
async def test_b8_a_message_for_more_than_fit_is_told_after_its_end(tmp_path: Path, mail: bytes) -> None:
    """Whoever was not read within the last second, and how many recipients follow, is not known at MAIL."""
    outbox = Failing()
    async with opened_door(outbox, tmp_path) as door:  # type: ignore[arg-type]
        counted = {(await ApiToken.objects.aget()).pk: 8}
        door.room.queued = QueueRoom(QueueLimits(100, 10), count=lambda: counted)
        await door.room.queued.check("", 1)
        told = await asyncio.to_thread(answers, door.port, mail, mail, recipients=3)
        assert (told, outbox.taken) == ([("DATA", 452, "4.3.1")] * 2, [])
        assert await asyncio.to_thread(answers, door.port, mail, recipients=2) == [("DATA", 250, "2.0.0")]


async def test_b8_a_queue_that_has_left_is_counted_again(tmp_path: Path) -> None:
    outbox = Failing()
    async with opened_door(outbox, tmp_path) as door:  # type: ignore[arg-type]
        counted = {(await ApiToken.objects.aget()).pk: 10}
        now_s = 1_000.0
        door.room.queued = QueueRoom(QueueLimits(100, 10), count=lambda: dict(counted), now_s=lambda: now_s)
        await door.room.queued.check("", 1)
        assert await asyncio.to_thread(answers, door.port, MAIL) == [("DATA", 452, "4.3.1")]
        counted.clear()
        now_s += 10
        door.room.clients = Fresh(client_of_digest)
        assert await asyncio.to_thread(answers, door.port, MAIL) == [("DATA", 452, "4.3.1")]
        door.room.clients = Fresh(client_of_digest)
        assert await asyncio.to_thread(answers, door.port, MAIL) == [("DATA", 250, "2.0.0")]


async def test_without_a_server_mail_is_put_off_and_a_closed_door_comes_back(tmp_path: Path) -> None:
    from postroom.store.models import SmtpServer

    async with opened_door(Failing(), tmp_path) as door:  # type: ignore[arg-type]
        await asyncio.to_thread(SmtpServer.objects.all().delete)
        assert await asyncio.to_thread(answers, door.port, MAIL) == [("DATA", 451, "4.3.5")]


@pytest.mark.parametrize("reach", [MAIL, LARGE], ids=["small", "large"])
async def test_what_was_taken_is_in_the_queue_before_the_door_closes(tmp_path: Path, reach: bytes) -> None:
    outbox = Failing()
    async with opened_door(outbox, tmp_path) as door:  # type: ignore[arg-type]
        await asyncio.to_thread(answers, door.port, reach)
    assert [new.recipients for new in outbox.taken] == [("ann@example.org",)]
