"""What one run of the benchmark does: how often, how much, on which database."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.rig.postgresql import session_cluster

LEAST = 20


@dataclass(frozen=True, slots=True)
class Plan:
    """`share` of the full number of messages is sent; with `cpu_only` peers are left out, and only processor time is
    told, which a busy machine hardly changes. With `postgresql` Postroom keeps its queue there, else in SQLite; without
    `submission` it opens no SMTP door."""

    rounds: int = 3
    share: float = 1.0
    cpu_only: bool = False
    postgresql: bool = False
    submission: bool = True

    @property
    def with_peers(self) -> bool:
        """Whether peers that know nothing of Postroom's database are measured, too."""
        return not (self.cpu_only or self.postgresql)

    def of(self, messages: int, least: int = LEAST) -> int:
        """That many messages, or the share of them."""
        return max(min(least, messages), round(messages * self.share))

    def seconds(self, full_s: float) -> float:
        """That long, or the share of it."""
        return max(0.5, full_s * self.share)

    def fresh_database(self) -> str:
        """The URL of an empty database of PostgreSQL; "" where SQLite is to be used."""
        return session_cluster().url(session_cluster().create()) if self.postgresql else ""

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """A folder for one part, which servers under other users may enter; it is gone afterwards."""
        with TemporaryDirectory(prefix="postroom-bench-") as name:
            folder = Path(name)
            folder.chmod(0o755)
            yield folder
