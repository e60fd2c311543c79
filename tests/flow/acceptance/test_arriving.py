"""Content on its way in, while the disk lags."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from postroom.flow.acceptance.arriving import Arriving
from postroom.store.blobs import Blobs
from postroom.store.content import INLINE_BYTES


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_a_client_that_was_held_is_read_from_again_once_its_content_is_dropped(tmp_path: Path) -> None:
    told: list[str] = []
    may_write = threading.Event()
    with ThreadPoolExecutor(1) as disk:
        disk.submit(may_write.wait)
        arriving = Arriving(
            Blobs(tmp_path), disk, lambda _: 0, lambda: told.append("hold"), lambda: told.append("go on")
        )
        arriving.take(b"x" * (INLINE_BYTES + 1))
        arriving.take(b"x" * 3 * 1024 * 1024)
        assert told == ["hold"]
        arriving.drop()
        may_write.set()
        await asyncio.wait_for(arriving._dropping, 10)
    assert told == ["hold", "go on"]
    assert files_in(tmp_path) == []
