"""Content comes back whole or not at all."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from postroom.store import blobs as module
from postroom.store.blobs import Blobs, DamagedBlob, StoredContent


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "blobs")


def path_of(tmp_path: Path, digest: str) -> Path:
    return tmp_path / "blobs" / digest[:2] / digest


def test_content_comes_back_as_it_was_put(blobs: Blobs) -> None:
    pieces = [b"Subject: x\r\n\r\n", b"y" * 700_000, b"", b"\r\n"]
    blob = blobs.put(iter(pieces))
    content = blobs.open(blob.digest, blob.size_bytes)
    assert b"".join(content.chunks()) == b"".join(pieces)
    assert content.size_bytes == blob.size_bytes == 700_016


def test_equal_content_is_stored_once(blobs: Blobs, tmp_path: Path) -> None:
    assert blobs.put([b"ab"]) == blobs.put([b"a", b"b"])
    assert len([p for p in (tmp_path / "blobs").rglob("*") if p.is_file()]) == 1


def test_file_folder_and_new_folders_are_synced_before_put_returns(
    blobs: Blobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    monkeypatch.setattr(module.os, "fsync", fsync)
    blob = blobs.put([b"hello"])
    folder = tmp_path / "blobs"
    assert str(folder) in synced
    assert [Path(p).parent.name for p in synced].index("arriving") < synced.index(str(folder / blob.digest[:2]))
    assert synced[-1] == str(folder / blob.digest[:2])


@pytest.mark.parametrize("damage", [b"hell", b"hello!", b"hullo", b""])
def test_torn_or_changed_content_is_refused(blobs: Blobs, tmp_path: Path, damage: bytes) -> None:
    blob = blobs.put([b"hello"])
    path_of(tmp_path, blob.digest).write_bytes(damage)
    with pytest.raises(DamagedBlob):
        blobs.open(blob.digest, blob.size_bytes)


def test_missing_content_is_refused(blobs: Blobs) -> None:
    with pytest.raises(DamagedBlob):
        blobs.open("ab" * 32, 5)


def test_content_changed_after_opening_never_reaches_its_end(tmp_path: Path, blobs: Blobs) -> None:
    octets = b"x" * 600_000
    blob = blobs.put([octets])
    content: StoredContent = blobs.open(blob.digest, blob.size_bytes)
    path_of(tmp_path, blob.digest).write_bytes(octets[:-1] + b"y")
    seen: list[bytes] = []
    with pytest.raises(DamagedBlob):
        seen.extend(content.chunks())
    assert len(b"".join(seen)) < len(octets)


def test_a_refusing_disk_leaves_nothing_behind(blobs: Blobs, tmp_path: Path) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"a"
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        blobs.put(pieces())
    assert [p for p in (tmp_path / "blobs").rglob("*") if p.is_file()] == []


def test_files_of_a_killed_process_are_discarded_once_they_are_old(blobs: Blobs, tmp_path: Path) -> None:
    blobs.put([b"kept"])
    torn = tmp_path / "blobs" / "arriving" / "0123"
    torn.write_bytes(b"to")
    now = torn.stat().st_mtime
    assert blobs.discard_unfinished(now - 1) == 0
    assert blobs.discard_unfinished(now + 1) == 1
    assert not torn.exists()
