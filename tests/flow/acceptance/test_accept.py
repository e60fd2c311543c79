"""Accepting: composed once, stored before it is queued, and a storage error is never a yes (D1, D4, D5)."""

import asyncio
import errno
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from tests.outbox import octets_of

from postroom.flow.acceptance.accept import Accepted, Acceptor
from postroom.flow.acceptance.queue_room import QueueLimits, QueueRoom
from postroom.flow.domains.recipient_domains import allow_only
from postroom.flow.messages.request import request_digest
from postroom.flow.servers.configure import save_untested
from postroom.store.blobs import Blobs
from postroom.store.content import INLINE_BYTES, Contents
from postroom.store.models import Message, SmtpServer
from postroom.store.outbox import open_outbox
from postroom.store.queue import Enqueued, IdempotencyConflict, NewMessage
from postroom.store.writer import StorageBusy, StorageUnknown
from postroom.terms.problem import Problem
from postroom.terms.server import FromPolicy, Security, ServerSettings

pytestmark = pytest.mark.django_db(transaction=True)
HELLO = {"to": "ann@example.com", "subject": "Sales", "text": "Hello"}
# More than lies in the database.
LARGE = {**HELLO, "text": "Hello\n" * 20_000}
RELAY = ServerSettings(
    name="Relay",
    from_name="Reports",
    from_address="reports@company.example",
    host="smtp.company.example",
    port=25,
    security=Security.NONE,
)


class RefusingQueue:
    """A queue whose database fails; only `enqueue_all` is asked."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def enqueue_all(self, _: Sequence[NewMessage]) -> list[Enqueued]:
        raise self._error


def saved(settings: ServerSettings = RELAY, **changes: Any) -> SmtpServer:
    server = save_untested(
        settings, password=None, based_on=None, server=None, reason="test", use_unverified=True, actor="test"
    )
    SmtpServer.objects.filter(pk=server.pk).update(**changes)
    return server


@pytest.fixture
def acceptor(tmp_path: Path) -> Iterator[Acceptor]:
    outbox = open_outbox()
    yield Acceptor(outbox.queue, Blobs(tmp_path / "blobs"))
    outbox.close()


def accepted(acceptor: Acceptor, body: Any, key: str | None = None) -> Accepted:
    result: Accepted = async_to_sync(acceptor.accept)(body, None, key)
    return result


def refused(acceptor: Acceptor, body: Any = HELLO) -> Problem:
    with pytest.raises(Problem) as problem:
        accepted(acceptor, body)
    return problem.value


@pytest.mark.parametrize(
    ("error", "status", "slug"),
    [
        (StorageUnknown("the database did not confirm the commit: disk I/O error"), 503, "storage-unknown"),
        (StorageUnknown("the database did not confirm the commit: database or disk is full"), 507, "storage-full"),
        (StorageBusy("locked"), 503, "storage-busy"),
    ],
)
def test_a_commit_that_was_not_confirmed_is_not_a_yes(tmp_path: Path, error: Exception, status: int, slug: str) -> None:
    saved()
    problem = refused(Acceptor(RefusingQueue(error), Blobs(tmp_path)))  # type: ignore[arg-type]
    assert (problem.status, problem.slug) == (status, slug)
    assert problem.retry_after_s is not None


def test_d6_a_batch_that_broke_off_after_a_part_of_it_is_not_told_that_nothing_was_stored(
    acceptor: Acceptor, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved()
    monkeypatch.setattr("postroom.flow.acceptance.accept.COMMITTED_AT_ONCE", 2)
    real = acceptor._queue.enqueue_all

    async def busy_after_two(messages: Sequence[NewMessage]) -> list[Enqueued | IdempotencyConflict]:
        if await Message.objects.aexists():
            raise StorageBusy("locked")
        return await real(messages)

    with monkeypatch.context() as patched:
        patched.setattr(acceptor._queue, "enqueue_all", busy_after_two)
        with pytest.raises(Problem) as problem:
            async_to_sync(acceptor.accept_batch)({"messages": [HELLO] * 3}, None, "k")
    assert Message.objects.count() == 2
    assert (problem.value.status, problem.value.slug) == (503, "storage-unknown")
    again = async_to_sync(acceptor.accept_batch)({"messages": [HELLO] * 3}, None, "k")
    assert {one.enqueued.id for one in again} == set(Message.objects.values_list("pk", flat=True))
    assert len(again) == 3


@pytest.mark.parametrize(
    ("number", "status", "slug"),
    [(errno.ENOSPC, 507, "storage-full"), (errno.EDQUOT, 507, "storage-full"), (errno.EIO, 503, "storage-unknown")],
)
def test_a_file_that_was_not_synced_is_not_a_yes(
    acceptor: Acceptor, monkeypatch: pytest.MonkeyPatch, number: int, status: int, slug: str
) -> None:
    saved()

    def failing(_: int) -> None:
        raise OSError(number, "test")

    monkeypatch.setattr("postroom.store.blobs.os.fsync", failing)
    problem = refused(acceptor, LARGE)
    assert (problem.status, problem.slug) == (status, slug)
    assert not Message.objects.exists()


def test_the_file_is_synced_before_the_message_is_queued(tmp_path: Path) -> None:
    saved()
    seen: list[int] = []

    class LookingQueue:
        async def enqueue_all(self, messages: Sequence[NewMessage]) -> list[Enqueued]:
            (new,) = messages
            opened = Contents(Blobs(tmp_path)).open(new.content, new.content.digest, new.content.size_bytes)
            assert new.content.is_one_file
            seen.append(sum(map(len, opened.chunks())))
            return [Enqueued(new.id, (("d", "ann@example.com"),))]

    accepted(Acceptor(LookingQueue(), Blobs(tmp_path)), LARGE)  # type: ignore[arg-type]
    assert seen[0] > INLINE_BYTES


def test_b8_a_small_message_on_its_way_counts_also_where_the_queue_is_counted_before_it_arrives(tmp_path: Path) -> None:
    saved()
    now_s = [1_000.0]
    room = QueueRoom(QueueLimits(10, 1), count=dict, now_s=lambda: now_s[0])

    async def slow_then_next() -> None:
        outbox = open_outbox()
        with closing(outbox):
            acceptor = Acceptor(outbox.queue, Blobs(tmp_path), room=room)
            with pytest.raises(Problem):  # reads the servers, and counts the queue
                await acceptor.accept_small({**HELLO, "cc": "bob@example.com"}, None)
            with waiting_queue(acceptor) as on_its_way:
                assert acceptor.accepted_at_once(HELLO, None) is on_its_way
                now_s[0] += 60
                with pytest.raises(Problem) as problem:
                    await acceptor.accept(HELLO, None)
            assert problem.value.slug == "queue-full"
            on_its_way.set_exception(StorageBusy("locked"))
            await asyncio.sleep(0)
            assert (await acceptor.accept(HELLO, None)).enqueued.id

    async_to_sync(slow_then_next)()


def test_b4_the_text_of_a_long_page_is_made_beside_the_loop(tmp_path: Path) -> None:
    saved()
    page = {"to": "ann@example.com", "html": "<p>Hello</p>" * 1_000}

    async def small_ones() -> None:
        outbox = open_outbox()
        with closing(outbox):
            acceptor = Acceptor(outbox.queue, Blobs(tmp_path))
            assert (await acceptor.accept_small(page, None)).enqueued.id
            with waiting_queue(acceptor) as on_its_way:
                assert acceptor.accepted_at_once(page, None) is None
                assert acceptor.accepted_at_once({**page, "text": "Hello"}, None) is on_its_way
                assert acceptor.accepted_at_once({**page, "html": "<p>Hello</p>"}, None) is on_its_way
                on_its_way.set_exception(StorageBusy("locked"))
                await asyncio.sleep(0)

    async_to_sync(small_ones)()


@contextmanager
def waiting_queue(acceptor: Acceptor) -> "Iterator[asyncio.Future[Enqueued]]":
    """What is queued meanwhile, alone, waits for that future."""
    future: asyncio.Future[Enqueued] = asyncio.get_running_loop().create_future()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(acceptor._queue, "enqueue", lambda _: future)
        yield future


def test_the_command_line_has_keys_of_its_own(acceptor: Acceptor) -> None:
    saved()
    first = accepted(acceptor, HELLO, "nightly")
    assert accepted(acceptor, HELLO, "nightly").as_json() == first.as_json()
    message = Message.objects.get()
    assert (message.client, message.client_name) == (None, "command line")


def test_a_repeated_request_is_answered_even_when_it_could_not_be_taken_now(acceptor: Acceptor) -> None:
    saved()
    first = accepted(acceptor, HELLO, "k")
    SmtpServer.objects.update(enabled=False)
    assert accepted(acceptor, HELLO, "k").as_json() == first.as_json()
    assert refused(acceptor).slug == "no-smtp-server"


def test_the_sandbox_does_not_swallow_mail_while_the_real_server_is_switched_off(acceptor: Acceptor) -> None:
    real = saved(is_default=True)
    saved(RELAY.changed(name="Sandbox"), is_sandbox=True)
    SmtpServer.objects.filter(pk=real.pk).update(enabled=False)
    assert refused(acceptor).slug == "no-smtp-server"
    assert refused(acceptor, {**HELLO, "server": real.name}).errors[0].field == "server"


def test_the_default_server_is_chosen_and_a_waiting_one_when_there_is_no_other(acceptor: Acceptor) -> None:
    first, second = saved(), saved(RELAY.changed(name="Second"), is_default=True)
    assert Message.objects.get(pk=accepted(acceptor, HELLO).enqueued.id).server_id == second.pk
    SmtpServer.objects.filter(pk=second.pk).update(use_unverified=False)
    assert Message.objects.get(pk=accepted(acceptor, HELLO).enqueued.id).server_id == first.pk
    named = Message.objects.get(pk=accepted(acceptor, {**HELLO, "server": first.name}).enqueued.id)
    assert (named.server_id, named.pinned) == (first.pk, True)
    SmtpServer.objects.filter(pk=first.pk).update(use_unverified=False)
    assert Message.objects.get(pk=accepted(acceptor, HELLO).enqueued.id).server_id == second.pk
    assert Message.objects.filter(pinned=False).count() == 3
    assert refused(acceptor, {**HELLO, "server": "Relay"}).errors[0].field == "server"


@pytest.mark.parametrize(
    ("policy", "given", "expected"),
    [
        (FromPolicy.SERVER, None, ("Reports <reports@company.example>", None)),
        (FromPolicy.SERVER, "ann@company.example", ("Reports <reports@company.example>", "ann@company.example")),
        (FromPolicy.SERVER, "Reports <reports@company.example>", ("Reports <reports@company.example>", None)),
        (FromPolicy.CLIENT, "ann@company.example", ("ann@company.example", None)),
        (FromPolicy.CLIENT, None, ("Reports <reports@company.example>", None)),
    ],
)
def test_from_follows_the_server_s_policy(
    acceptor: Acceptor, tmp_path: Path, policy: FromPolicy, given: str | None, expected: tuple[str, str | None]
) -> None:
    saved(RELAY.changed(from_policy=policy))
    accepted(acceptor, {**HELLO, **({"from": given} if given else {})})
    message = Message.objects.get()
    content = octets_of(message, tmp_path / "blobs").decode()
    fields = dict(line.split(": ", 1) for line in content.split("\r\n\r\n")[0].split("\r\n"))
    assert (fields["From"], fields.get("Reply-To")) == expected
    assert message.from_header == expected[0]


def test_a_reply_to_given_by_the_client_is_kept(acceptor: Acceptor, tmp_path: Path) -> None:
    saved()
    accepted(acceptor, {**HELLO, "from": "boss@company.example", "reply_to": "desk@company.example"})
    message = Message.objects.get()
    content = octets_of(message, tmp_path / "blobs")
    assert b"Reply-To: desk@company.example\r\n" in content
    assert b"boss@" not in content


def test_a_message_larger_than_its_server_takes_is_refused(acceptor: Acceptor) -> None:
    server = saved()
    server.settings["limits"]["size_bytes"] = 200
    server.save()
    assert (refused(acceptor).status, refused(acceptor).slug) == (413, "too-large")


def test_the_digest_of_a_request_knows_no_order_and_no_white_space() -> None:
    assert request_digest({"a": 1, "b": [1, 2]}) == request_digest({"b": [1, 2], "a": 1})
    assert request_digest({"a": 1}) != request_digest({"a": "1"})
    assert request_digest({"a": [1, 2]}) != request_digest({"a": [2, 1]})


def test_mail_to_a_domain_that_is_not_allowed_is_refused_naming_the_field_and_the_domain(acceptor: Acceptor) -> None:
    saved()
    allow_only(["example.com", "*.partner.example"], "test")
    body = {**HELLO, "cc": ["bob@eu.partner.example"], "bcc": ["eve@other.example", "carl@example.com"]}
    for accept in (acceptor.accept, acceptor.accept_small):
        with pytest.raises(Problem) as refused:
            async_to_sync(accept)(body, None)
        assert [(error.field, error.code) for error in refused.value.errors] == [("bcc", "domain-not-allowed")]
        assert "other.example" in refused.value.errors[0].text
    assert not Message.objects.exists()
    allow_only([], "test")
    async_to_sync(acceptor.accept)(body, None)
    assert Message.objects.count() == 1
