"""Folders from which reports may be taken, as the operator names them: a page chooses one of them by its name."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Self

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,49}")


@dataclass(frozen=True, slots=True)
class ReportRoots:
    """Absolute folders by name, in the operator's order."""

    folders: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """From "/srv/reports, exports=/mnt/exports": a folder without a name has that of its last part. Raises
        ValueError with what is wrong."""
        folders = [_named(part) for part in (piece.strip() for piece in text.split(",")) if part]
        names = [name for name, _ in folders]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"two folders are named {twice!r}; write one of them as other=/its/path")
        return cls(tuple(folders))

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.folders]

    def folder(self, name: str) -> str | None:
        """The folder of that name; None where the operator has named none so."""
        return dict(self.folders).get(name)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.folders)

    def __bool__(self) -> bool:
        return bool(self.folders)

    def __str__(self) -> str:
        return ", ".join(f"{name}={folder}" for name, folder in self.folders)


def _named(text: str) -> tuple[str, str]:
    name, equals, folder = text.partition("=")
    if not equals or name.startswith("/"):
        name, folder = PurePosixPath(text).name, text
    name, path = name.strip(), PurePosixPath(folder.strip())
    if not path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{text!r} is not an absolute path")
    if len(path.parts) < 2:
        raise ValueError("the whole file system is no folder of reports")
    if not _NAME.fullmatch(name):
        raise ValueError(f"{text!r} needs a name of letters, digits, dots and hyphens, such as reports={path}")
    return name, str(path)
