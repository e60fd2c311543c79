"""What is over goes after its time; what a delivery still needs stays, whatever happens at the same moment."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from django.db import connection
from django.utils import timezone
from tests.outbox import new_message

from postroom.flow.acceptance.resend import Hand, resend
from postroom.flow.instance.content_sweep import GRACE, SWEEP_EVERY, sweep
from postroom.flow.instance.refusals import NotPossible
from postroom.flow.instance.retain import retain
from postroom.flow.instance.retention import Retention, RetentionRefused, change_retention, retention
from postroom.flow.instance.storage_use import storage_use, store_use
from postroom.flow.messages import outbox
from postroom.store.blobs import Blobs, DamagedBlob, MemoryContent, StoredContent
from postroom.store.content import FrozenContent
from postroom.store.database import conninfo, is_postgresql
from postroom.store.enqueue_postgres import enqueue
from postroom.store.models import (
    Attempt,
    AuditEntry,
    Content,
    Delivery,
    InstanceValue,
    Message,
    SandboxMessage,
    ServerTest,
    SmtpServer,
)
from postroom.store.queue import Enqueued
from postroom.terms.server import ServerSettings

pytestmark = pytest.mark.django_db

NOW = timezone.now()
SETTINGS = ServerSettings(name="Relay", host="relay.company.example")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def blobs(data: Path) -> Blobs:
    return Blobs(data / "blobs")


@pytest.fixture(autouse=True)
def sweep_is_due(db: None) -> None:  # noqa: ARG001  it makes the tables
    InstanceValue.objects.create(name="contents_swept_at", value=(NOW - SWEEP_EVERY).isoformat())


def stored(blobs: Blobs, data: Path, text: str, age: timedelta) -> tuple[str, int]:
    """A content that was put that long ago."""
    blob = blobs.put([text.encode()])
    at = (NOW - age).timestamp()
    os.utime(data / "blobs" / blob.digest[:2] / blob.digest, (at, at))
    return blob.digest, blob.size_bytes


def message(digest: str, size: int, ended: timedelta, *states: str) -> Message:
    """A message accepted and ended that long ago."""
    at = NOW - ended
    made = Message.objects.create(
        message_id="<1@x.example>", from_header="x", content_digest=digest, content_size=size, created_at=at,
        expires_at=at + timedelta(days=2),
    )
    for state in states or ("sent",):
        delivery = Delivery.objects.create(
            message=made, recipient="ann@example.org", state=state, due_at=at, updated_at=at
        )
        Attempt.objects.create(delivery=delivery, number=1, started_at=at)
    return made


def is_there(data: Path, digest: str) -> bool:
    return (data / "blobs" / digest[:2] / digest).exists()


def run(steps: Iterator[int]) -> int:
    return sum(steps)


def test_contents_go_30_days_after_the_last_delivery_ended(blobs: Blobs, data: Path) -> None:
    old, young = timedelta(days=31), timedelta(days=29)
    cases = {
        "ended long ago": (old, ("sent", "failed", "cancelled"), False), "ended lately": (young, ("sent",), True),
        **{state: (old, (state, "sent"), True) for state in ("queued", "sending", "deferred", "uncertain", "held")},
    }
    digests = {}
    for name, (age, states, _) in cases.items():
        digests[name], size = stored(blobs, data, name, age)
        message(digests[name], size, age, *states)
    run(retain(NOW, data))
    assert {name: is_there(data, digest) for name, digest in digests.items()} == {
        name: stays for name, (_, _, stays) in cases.items()
    }
    assert Message.objects.count() == len(cases)


def test_content_that_two_messages_share_stays_as_long_as_one_needs_it(blobs: Blobs, data: Path) -> None:
    digest, size = stored(blobs, data, "shared", timedelta(days=40))
    message(digest, size, timedelta(days=40))
    message(digest, size, timedelta(days=5))
    run(sweep(blobs, NOW - timedelta(days=30), NOW))
    assert is_there(data, digest)
    Delivery.objects.update(updated_at=NOW - timedelta(days=40))
    Message.objects.update(created_at=NOW - timedelta(days=40))
    run(sweep(blobs, NOW - timedelta(days=30), NOW))
    assert not is_there(data, digest)


def test_content_of_mail_in_the_sandbox_goes_with_it(blobs: Blobs, data: Path) -> None:
    digest, size = stored(blobs, data, "caught", timedelta(days=6))
    row = SandboxMessage.objects.create(
        received_at=NOW - timedelta(days=6), content_digest=digest, content_size=size
    )
    run(retain(NOW, data))
    assert is_there(data, digest)
    SandboxMessage.objects.filter(pk=row.pk).update(received_at=NOW - timedelta(days=8))
    run(retain(NOW + SWEEP_EVERY, data))
    assert not SandboxMessage.objects.exists()
    assert not is_there(data, digest)


def test_content_that_was_never_queued_goes_after_a_while(blobs: Blobs, data: Path) -> None:
    orphan, _ = stored(blobs, data, "refused", GRACE + timedelta(minutes=1))
    arriving, _ = stored(blobs, data, "being accepted", GRACE - timedelta(minutes=1))
    assert run(sweep(blobs, NOW - timedelta(days=30), NOW)) == 1
    assert (is_there(data, orphan), is_there(data, arriving)) == (False, True)


def test_an_empty_database_sweeps_nothing_before_a_backup_can_take_its_place(blobs: Blobs, data: Path) -> None:
    InstanceValue.objects.all().delete()
    digest, _ = stored(blobs, data, "from before", timedelta(days=40))
    run(retain(NOW, data))
    run(retain(NOW + SWEEP_EVERY - timedelta(minutes=1), data))
    assert is_there(data, digest)
    run(retain(NOW + SWEEP_EVERY, data))
    assert not is_there(data, digest)


def test_nothing_goes_where_everything_is_kept(blobs: Blobs, data: Path) -> None:
    change_retention(dict.fromkeys(("log_days", "content_days", "message_days", "sandbox_days"), "0"), "marta")
    age = timedelta(days=3_000)
    digest, size = stored(blobs, data, "old", age)
    message(digest, size, age)
    SandboxMessage.objects.create(received_at=NOW - age, content_digest=digest, content_size=size)
    (data / "logs" / "2010-01-01").mkdir(parents=True)
    run(retain(NOW, data))
    assert is_there(data, digest)
    assert (Message.objects.count(), SandboxMessage.objects.count()) == (1, 1)
    assert (data / "logs" / "2010-01-01").is_dir()


def test_a_message_accepted_again_while_the_sweeper_looks_keeps_its_content(blobs: Blobs, data: Path) -> None:
    digest, _ = stored(blobs, data, "the same again", timedelta(days=2))
    before_s = (NOW - GRACE).timestamp()
    (seen,) = list(blobs.older_than(before_s, 10))
    assert seen == [digest]
    blobs.put([b"the same again"])
    assert blobs.discard(seen, before_s) == 0
    assert is_there(data, digest)


def test_content_put_again_between_the_look_at_its_age_and_the_removal_is_not_lost(
    blobs: Blobs, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest, _ = stored(blobs, data, "contended", timedelta(days=2))
    again = threading.Thread(target=blobs.put, args=([b"contended"],))
    real_stat = Path.stat

    def stat_and_wait(path: Path, **options: bool) -> os.stat_result:
        found = real_stat(path, **options)
        if path.name == digest and threading.current_thread() is threading.main_thread() and not again.ident:
            again.start()
            again.join(0.5)
        return found

    monkeypatch.setattr(Path, "stat", stat_and_wait)
    assert blobs.discard([digest], (NOW - GRACE).timestamp()) == 1
    again.join()
    assert is_there(data, digest)


def test_what_is_retried_or_resent_while_the_sweep_reads_keeps_its_content(
    blobs: Blobs, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    age = timedelta(days=40)
    contents = [stored(blobs, data, text, age) for text in ("retried", "resent", "neither")]
    retried, resent, _neither = (message(digest, size, age, "failed") for digest, size in contents)
    steps = sweep(blobs, NOW - timedelta(days=30), NOW)
    for _ in range(2):
        next(steps)
    monkeypatch.setattr("postroom.flow.acceptance.resend._blobs", lambda: blobs)
    outbox.retry_now([retried.pk], "marta")
    resend(resent, Hand("marta", "Marta"))
    run(steps)
    assert [is_there(data, digest) for digest, _size in contents] == [True, True, False]


def test_resending_says_that_the_content_is_gone(
    blobs: Blobs, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    age = timedelta(days=40)
    digest, size = stored(blobs, data, "gone", age)
    old = message(digest, size, age)
    run(retain(NOW, data))
    monkeypatch.setattr("postroom.flow.acceptance.resend._blobs", lambda: blobs)
    with pytest.raises(NotPossible, match="can't be sent again"):
        resend(old, Hand("marta", "Marta"))


def test_messages_go_90_days_after_their_last_delivery_ended_with_all_that_is_theirs(data: Path) -> None:
    old, young = timedelta(days=91), timedelta(days=89)
    for state in ("queued", "sending", "deferred", "uncertain", "held"):
        message("0" * 64, 1, old, state, "sent")
    kept = message("0" * 64, 1, young, "sent", "failed")
    gone = message("0" * 64, 1, old, *["sent"] * 450)
    message("0" * 64, 1, old, "failed", "cancelled")
    again = message("0" * 64, 1, young, "sent")
    Message.objects.filter(pk=again.pk).update(resend_of=gone)
    run(retain(NOW, data))
    assert Message.objects.count() == 7
    assert Delivery.objects.filter(state__in=("sent", "failed")).count() == 8
    assert Attempt.objects.count() == Delivery.objects.count()
    assert Message.objects.filter(pk=kept.pk).exists()
    assert Message.objects.get(pk=again.pk).resend_of is None


def test_a_message_that_was_retried_between_the_look_and_the_removal_stays(data: Path) -> None:
    for _ in range(300):
        message("0" * 64, 1, timedelta(days=91), "sent")
    last = message("0" * 64, 1, timedelta(days=91), "failed")
    steps = retain(NOW, data)
    while Message.objects.count() == 301:
        next(steps)
    outbox.retry_now([last.pk], "marta")
    run(steps)
    assert [row.pk for row in Message.objects.all()] == [last.pk]


def test_old_days_of_logs_and_old_tests_go_but_the_last_test_of_a_server(data: Path) -> None:
    for day in ("2026-01-01", "2026-01-02"):
        (data / "logs" / day / "tests").mkdir(parents=True)
        (data / "logs" / day / "smtp-activity.jsonl").write_text("{}\n")
    (data / "logs" / "elsewhere").mkdir()
    now = datetime(2026, 4, 2, 12, tzinfo=UTC)
    server = SmtpServer.objects.create(name="Relay", settings=SETTINGS.as_json())
    rows = [
        ServerTest.objects.create(server=server, settings={}, status=status, created_by="marta")
        for status in ("passed", "failed", "queued", "passed")
    ]
    ServerTest.objects.update(created_at=now - timedelta(days=91))
    run(retain(now, data))
    assert sorted(path.name for path in (data / "logs").iterdir()) == ["2026-01-02", "elsewhere"]
    assert set(ServerTest.objects.values_list("pk", flat=True)) == {rows[2].pk, rows[3].pk}


def test_no_batch_is_large(blobs: Blobs, data: Path) -> None:
    age = timedelta(days=91)
    for number in range(500):
        digest, size = stored(blobs, data, f"m{number}", age)
        message(digest, size, age)
    assert max(retain(NOW, data)) <= 200


def test_numbers_are_stored_and_audited_and_wrong_ones_refused() -> None:
    assert retention() == Retention(90, 30, 90, 7)
    typed = {"log_days": "10", "content_days": "30", "message_days": " 0 ", "sandbox_days": "7"}
    assert change_retention(typed, "marta@norrvik.example") == retention() == Retention(10, 30, 0, 7)
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.changes) == ("marta@norrvik.example", {"log_days": [90, 10], "message_days": [90, 0]})
    change_retention(typed, "marta@norrvik.example")
    assert AuditEntry.objects.count() == 1
    for wrong in ("", "-1", "1.5", "3651", "a", "٣"):
        with pytest.raises(RetentionRefused) as refusal:
            change_retention({**typed, "content_days": wrong}, "marta")
        assert [problem.field for problem in refusal.value.problems] == ["content_days"]


def test_what_takes_room_is_measured(blobs: Blobs, data: Path) -> None:
    assert storage_use().measured_at is None
    blobs.put([b"x" * 1_000])
    (data / "logs" / "2026-01-01" / "tests").mkdir(parents=True)
    (data / "logs" / "2026-01-01" / "smtp-activity.jsonl").write_bytes(b"z" * 50)
    (data / "logs" / "2026-01-01" / "tests" / "a.log").write_bytes(b"t" * 20)
    run(store_use(data))
    use = storage_use()
    assert (use.content_bytes, use.contents) == (1_000, 1)
    assert use.database_bytes > 0
    assert (use.log_bytes, use.log_days, use.test_log_bytes, use.test_logs) == (50, 1, 20, 1)
    assert use.free_bytes > 0
    assert use.measured_at is not None


def test_a_folder_that_cannot_be_removed_stops_nothing_else(blobs: Blobs, data: Path) -> None:
    (data / "logs").mkdir()
    (data / "elsewhere").mkdir()
    (data / "logs" / "2020-01-01").symlink_to(data / "elsewhere")
    (data / "logs" / "2020-01-02").mkdir()
    digest, _size = stored(blobs, data, "nobody's", timedelta(days=2))
    run(retain(NOW, data))
    assert not (data / "logs" / "2020-01-02").exists()
    assert not is_there(data, digest)
    assert storage_use().measured_at is not None


def test_a_disk_too_full_for_a_sweep_is_no_reason_to_stop(
    blobs: Blobs, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> sqlite3.Connection:
        small = sqlite3.Connection("")
        small.execute("PRAGMA max_page_count = 1")
        return small

    digest, _size = stored(blobs, data, "nobody's", timedelta(days=2))
    monkeypatch.setattr(sqlite3, "connect", full)
    run(retain(NOW, data))
    monkeypatch.undo()
    assert is_there(data, digest)
    assert storage_use().measured_at is not None
    run(retain(NOW, data))
    assert not is_there(data, digest)


def test_a_clock_that_was_years_ahead_does_not_put_off_the_next_sweep(blobs: Blobs, data: Path) -> None:
    digest, _size = stored(blobs, data, "nobody's", timedelta(days=2))
    InstanceValue.objects.filter(name="contents_swept_at").update(value=(NOW + timedelta(days=3_650)).isoformat())
    run(retain(NOW, data))
    assert not is_there(data, digest)


def test_content_swept_while_somebody_resends_it_is_not_resent_without_it(
    blobs: Blobs, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    age = timedelta(days=40)
    digest, size = stored(blobs, data, "resent", age)
    old = message(digest, size, age)

    class SweptAfterwards(Blobs):
        def open(self, digest: str, size_bytes: int) -> StoredContent | MemoryContent:
            found = super().open(digest, size_bytes)
            run(sweep(blobs, NOW - timedelta(days=30), NOW))
            return found

    monkeypatch.setattr("postroom.flow.acceptance.resend._blobs", lambda: SweptAfterwards(data / "blobs"))
    resend(old, Hand("marta", "Marta"))
    assert is_there(data, digest)


def with_row(text: str, ended: timedelta, layout: list[object] | None = None, **values: object) -> Message:
    """A message ended that long ago, whose octets lie in the database."""
    row = Content.objects.create(octets=text.encode(), layout=layout)
    made = message("0" * 64, len(text), ended)
    Message.objects.filter(pk=made.pk).update(content=row, **values)
    made.refresh_from_db()
    return made


def test_contents_in_the_database_go_as_files_do_and_take_the_files_between_them_along(
    blobs: Blobs, data: Path
) -> None:
    digest, size = stored(blobs, data, "attached", timedelta(days=40))
    kept_digest, kept_size = stored(blobs, data, "attached to both", timedelta(days=40))
    old = with_row("old", timedelta(days=40), [3, [digest, size], [kept_digest, kept_size]])
    young = with_row("young", timedelta(days=20), [5, [kept_digest, kept_size]])
    nobodys = Content.objects.create(octets=b"of a message that is gone")
    run(sweep(blobs, NOW - timedelta(days=30), NOW))
    assert set(Content.objects.values_list("pk", flat=True)) == {young.content_id}
    assert not Content.objects.filter(pk__in=[old.content_id, nobodys.pk]).exists()
    assert [is_there(data, each) for each in (digest, kept_digest)] == [False, True]
    old.refresh_from_db()
    with pytest.raises(DamagedBlob, match="gone"):
        _ = old.frozen_content


def test_a_row_that_is_resent_while_the_sweep_reads_stays(blobs: Blobs) -> None:
    old = with_row("resent", timedelta(days=40))
    frozen = old.frozen_content
    Message.objects.filter(pk=old.pk).update(content_digest=frozen.digest, content_size=frozen.size_bytes)
    old.refresh_from_db()
    steps = sweep(blobs, NOW - timedelta(days=30), NOW)
    for _ in range(2):
        next(steps)
    again = resend(old, Hand("marta", "Marta"))
    run(steps)
    assert again.content_id == old.content_id
    assert again.frozen_content.inline_octets == b"resent"


@pytest.mark.skipif(not is_postgresql(), reason="on SQLite one transaction follows the other")
@pytest.mark.django_db(transaction=True)
def test_d1_a_row_that_is_committed_below_a_newer_one_while_the_sweep_reads_stays(blobs: Blobs) -> None:
    steps = sweep(blobs, NOW - timedelta(days=30), NOW)

    def read() -> None:
        next(steps)
        connection.close()

    with psycopg.connect(conninfo()) as accepting:
        (accepted,) = enqueue(accepting, [new_message(None, now=NOW, content=FrozenContent((b"accepted",)))])
        nobodys = Content.objects.create(octets=b"of a message that is gone")
        sweeping = threading.Thread(target=read)
        sweeping.start()
        while sweeping.is_alive() and not _waits_for_lock():
            continue
        accepting.commit()
    sweeping.join()
    run(steps)
    assert not Content.objects.filter(pk=nobodys.pk).exists()
    assert isinstance(accepted, Enqueued)
    assert Message.objects.get(pk=accepted.id).frozen_content.inline_octets == b"accepted"


def _waits_for_lock() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'store_content'::regclass")
        return bool(cursor.fetchone()[0])
