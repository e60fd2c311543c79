"""A folder that a server takes for the whole machine, for Debian's server packages exclude each other when installed.

`.ci/packages` unpacks their programs below `.peers`; a jail holds copies with the libraries they need and users of its
own, and chroot(2) does the rest.
"""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.peers import needed_peer, needed_root

_LIBRARY = re.compile(r"(/\S+) \(0x")


@dataclass(frozen=True, slots=True)
class Jail:
    """`folder` is the machine's root as the server sees it; `users` get numbers from 60001, groups of the same name."""

    folder: Path
    users: dict[str, int]

    def path(self, inside: str) -> Path:
        """Where `inside`, absolute in the jail, lies outside."""
        return self.folder / inside.lstrip("/")

    def made(self, inside: str, *, owner: str | None = None, mode: int = 0o755) -> Path:
        """A folder of the jail, made with its parents."""
        path = self.path(inside)
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
        if owner is not None:
            os.chown(path, self.users[owner], self.users[owner])
        return path

    def written(self, inside: str, content: str, *, mode: int = 0o644) -> None:
        """A file of root's with this content."""
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
        path.chmod(mode)

    def command(self, *words: str) -> list[str]:
        """What starts a program of the jail in the jail."""
        return ["chroot", str(self.folder), *words]


def jail_for(folder: Path, peer: str, *programs: str, users: tuple[str, ...]) -> Jail:
    """A jail in `folder` with `programs` of the unpacked package `peer` (or of this machine), at their own paths."""
    needed_root(f"{peer} runs in a chroot")
    root = needed_peer(peer)
    jail = Jail(folder, {name: 60_001 + number for number, name in enumerate(users)})
    for program in programs:
        unpacked = root / program.lstrip("/")
        _copied(jail, unpacked if unpacked.exists() else Path(program), program)
    people = {"root": 0, **jail.users}
    jail.written("/etc/passwd", "".join(f"{name}:x:{n}:{n}::/:/bin/sh\n" for name, n in people.items()))
    jail.written("/etc/group", "".join(f"{name}:x:{n}:\n" for name, n in people.items()))
    jail.written("/etc/hosts", "127.0.0.1 localhost\n")
    jail.written("/dev/null", "", mode=0o666)
    jail.made("/tmp", mode=0o1777)
    jail.made("/run")
    jail.path("/var").mkdir(exist_ok=True)
    jail.path("/var/run").symlink_to("../run")
    return jail


def _copied(jail: Jail, source: Path, inside: str) -> None:
    done = subprocess.run(["ldd", str(source)], capture_output=True, text=True, check=True)
    assert "not found" not in done.stdout, f"{inside} lacks a library: {done.stdout}"
    for path, target in [(source, inside), *((Path(lib), lib) for lib in _LIBRARY.findall(done.stdout))]:
        jail.path(target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, jail.path(target))
