"""A message's octets: where they lie, and that nothing leaves but what was accepted (D10)."""

import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.outbox import NOW, add_server, new_message, rows

from postroom.store.blobs import Blobs, DamagedBlob
from postroom.store.content import INLINE_BYTES, BlobPart, Contents, FrozenContent, content_from
from postroom.store.queue import Queue
from postroom.store.queue_sqlite import SqliteQueue
from postroom.store.writer_sqlite import GroupWriter, connect


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


def opened(contents: Contents, content: FrozenContent) -> bytes:
    return b"".join(contents.open(content, content.digest, content.size_bytes).chunks())


def test_few_octets_need_no_file_and_more_get_one(blobs: Blobs, tmp_path: Path) -> None:
    contents = Contents(blobs)
    small = FrozenContent((b"x" * INLINE_BYTES,))
    assert contents.kept(small) is small
    assert not (tmp_path / "blobs").exists()
    large = contents.kept(FrozenContent((b"x" * (INLINE_BYTES + 1),)))
    assert large.is_one_file
    assert opened(contents, large) == b"x" * (INLINE_BYTES + 1)


@given(st.lists(st.binary(max_size=5_000), max_size=6))
def test_the_digest_of_inline_octets_is_that_of_the_octets_however_they_were_cut(pieces: list[bytes]) -> None:
    octets = b"".join(pieces)
    content = FrozenContent(tuple(pieces))
    assert (content.digest, content.size_bytes) == (hashlib.sha256(octets).hexdigest(), len(octets))


def test_contents_of_pieces_and_files_come_back_in_order_and_keep_apart(blobs: Blobs) -> None:
    file = blobs.put([b"attached"])
    part = BlobPart(file.digest, file.size_bytes)
    content = FrozenContent((b"before\r\n", part, b"between", part, b"\r\n"))
    assert opened(Contents(blobs), content) == b"before\r\nattachedbetweenattached\r\n"
    again = content_from(content.inline_octets, content.layout)
    assert again == content
    others = [FrozenContent((b"before\r\nattached", part)), FrozenContent((part, b"before\r\n"))]
    assert len({content.digest, *(other.digest for other in others)}) == 3


@pytest.mark.parametrize("damage", ["octets", "file", "shorter"])
def test_d10_a_part_that_is_not_what_was_accepted_never_leaves(blobs: Blobs, tmp_path: Path, damage: str) -> None:
    file = blobs.put([b"attached"])
    content = FrozenContent((b"before", BlobPart(file.digest, file.size_bytes)))
    digest, size_bytes = content.digest, content.size_bytes
    if damage == "octets":
        content = content_from(b"befort", content.layout)
    elif damage == "shorter":
        with pytest.raises(DamagedBlob):
            content_from(b"befor", content.layout)
        return
    else:
        path = tmp_path / "blobs" / file.digest[:2] / file.digest
        path.write_bytes(b"attackED")
    with pytest.raises(DamagedBlob):
        b"".join(Contents(blobs).open(content, digest, size_bytes).chunks())


async def test_any_octets_come_back_with_a_claim_each_message_its_own(queue: Queue, server_id: str) -> None:
    contents = [b"", bytes(range(256)), b"\0" * 100, os.urandom(60_000), "été\r\n".encode(), b"\xff\xfe\0"]
    for octets in contents:
        await queue.enqueue(new_message(server_id, content=FrozenContent((octets,))))
    claims = await queue.claim(server_id, now=NOW, lease_until=NOW, limit=10)
    found = [claimed.message.content for claimed in claims.claimed]
    assert [content.inline_octets for content in found if content is not None] == contents


async def test_d9_rows_of_any_damage_are_set_apart_and_the_others_leave(
    writer: GroupWriter, sqlite_database: Path
) -> None:
    """Five of a hundred: a value of another type, octets that are no text, content that is gone, or torn."""
    queue, server_id = SqliteQueue(writer), add_server(sqlite_database)
    ids = [(await queue.enqueue(new_message(server_id, content=FrozenContent((b"x%d" % n,))))).id for n in range(100)]
    connection = connect(sqlite_database)
    for statement, id_ in (
        ("UPDATE store_message SET subject = x'ff00fe' WHERE id = ?", ids[3]),
        ("UPDATE store_message SET from_header = CAST(x'ff00fe' AS TEXT) WHERE id = ?", ids[20]),
        ("UPDATE store_message SET content_id = 999999 WHERE id = ?", ids[40]),
        ("UPDATE store_content SET octets = x'00' WHERE id = (SELECT content_id FROM store_message WHERE id = ?)",
         ids[60]),
        ("UPDATE store_content SET layout = '[3, [4]]'"
         " WHERE id = (SELECT content_id FROM store_message WHERE id = ?)", ids[99]),
    ):
        connection.execute(statement, (id_,))
    connection.close()
    claims = await queue.claim(server_id, now=NOW, lease_until=NOW, limit=100)
    assert len(claims.claimed) + len(claims.damaged) == 100
    unreadable = {ids[3], ids[20]}
    assert {claimed.message.id for claimed in claims.claimed} == set(ids) - unreadable
    contents = Contents(Blobs(sqlite_database.parent / "blobs"))
    torn = set()
    for claimed in claims.claimed:
        message = claimed.message
        try:
            assert message.content is not None
            contents.open(message.content, message.content_digest, message.content_size)
        except (DamagedBlob, AssertionError):
            torn.add(message.id)
    assert torn == {ids[40], ids[60], ids[99]}
    assert rows(sqlite_database, "SELECT count(*) FROM store_attempt WHERE ended_at IS NULL") == [(100,)]
