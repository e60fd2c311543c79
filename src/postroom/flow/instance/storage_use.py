"""How much room everything takes: measured now and then by the engine, for whoever looks at the page."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from postroom.store.database import database_bytes
from postroom.store.models import InstanceValue

_NAME = "storage_use"
_FILES_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class StorageUse:
    """Octets and numbers. `free_bytes` are left on the disk; `measured_at` None before the first measuring."""

    database_bytes: int = 0
    content_bytes: int = 0
    contents: int = 0
    log_bytes: int = 0
    log_days: int = 0
    test_log_bytes: int = 0
    test_logs: int = 0
    free_bytes: int = 0
    measured_at: datetime | None = None


def storage_use() -> StorageUse:
    """As it was measured last (blocking)."""
    row = InstanceValue.objects.filter(name=_NAME).first()
    if row is None or not isinstance(row.value, dict):
        return StorageUse()
    stored: dict[str, Any] = dict(row.value)
    return StorageUse(**{**stored, "measured_at": datetime.fromisoformat(str(stored["measured_at"]))})


def store_use(data: Path) -> Iterator[int]:
    """Measure the data directory, some files at a time, and store what it came to (blocking)."""
    contents = _Sum()
    yield from contents.add_below(data / "blobs")
    logs, tests = _Sum(), _Sum()
    days = [path for path in _folders(data / "logs") if len(path.name) == 10]
    for day in days:
        yield from tests.add_below(day / "tests")
        yield from logs.add_files(day)
    use = StorageUse(
        database_bytes(), contents.octets, contents.files, logs.octets, len(days), tests.octets, tests.files,
        shutil.disk_usage(data).free, datetime.now(UTC),
    )
    value = {**asdict(use), "measured_at": datetime.now(UTC).isoformat()}
    InstanceValue.objects.update_or_create(name=_NAME, defaults={"value": value})
    yield 0


class _Sum:
    def __init__(self) -> None:
        self.octets = self.files = 0

    def add(self, octets: int) -> None:
        self.octets += octets
        self.files += 1

    def add_files(self, folder: Path) -> Iterator[int]:
        """The files in a folder, not those below its folders."""
        if not folder.is_dir():
            return
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    self.add(_size(entry))
                    if self.files % _FILES_AT_ONCE == 0:
                        yield 0

    def add_below(self, folder: Path) -> Iterator[int]:
        yield from self.add_files(folder)
        for each in _folders(folder):
            yield from self.add_files(each)


def _folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _size(entry: "os.DirEntry[str]") -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0
