"""What if it ends right here? Every effect on the disk, one after the other, as a moment to die, fail, or lose power.

A small library (effects.c) stands between the program and the C library. Processes are forked ones that run the queue,
the contents and the settling of the product.
"""

import os
import random
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.outbox import add_server, copy_schema, rows
from tests.peers import needed_program

from postroom.store.blobs import Blobs
from postroom.store.content import Contents, content_of_row, one_file

from .audit import audited, sink_arrivals, stored_deliveries

pytestmark = pytest.mark.crash
MOST = 2_000
SYNCS = 30
# Without ROUNDS some of the moments, spread over all, are tried; with ROUNDS of 200 or more every one.
EVERY = int(os.environ.get("ROUNDS", "0")) >= 200
SOME = 25
ROOT = Path(__file__).parents[2]
_MAIN = (
    "import os, django; os.environ['DJANGO_SETTINGS_MODULE'] = 'postroom.settings'; django.setup();"
    " from tests.crash.lives import main; main()"
)


@pytest.fixture(scope="session")
def effects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("effects") / "effects.so"
    source = Path(__file__).with_name("effects.c")
    subprocess.run([needed_program("cc"), "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library


@dataclass(frozen=True)
class Lives:
    """Where lives are lived, and how."""

    folder: Path
    template: Path
    effects: Path

    def live(self, kind: str, numbers: Iterable[int]) -> list[tuple[int, int]]:
        """(number, effects) of each life that came to its end by itself."""
        process = subprocess.run(
            [sys.executable, "-c", _MAIN, self.folder, self.template, kind, *map(str, numbers)], cwd=ROOT,
            env={**os.environ, "LD_PRELOAD": str(self.effects), "POSTROOM_DATA": str(self.folder)},
            capture_output=True, text=True,
        )
        assert process.returncode == 0, process.stderr[-3_000:]
        said = (line.removeprefix("life ").split() for line in process.stdout.splitlines() if line.startswith("life "))
        return [(int(number), int(counted)) for number, counted in said]


@pytest.fixture
def lives(tmp_path: Path, db: None, effects: Path) -> Lives:  # noqa: ARG001  it makes the schema
    template = copy_schema(tmp_path / "template.sqlite3")
    folder = tmp_path / "lives"
    folder.mkdir()
    (folder / "server").write_text(add_server(template))
    return Lives(folder, template, effects)


def accepted_in(folder: Path) -> dict[str, list[str]]:
    lines = [line.split() for line in (folder / "accepted").read_text().splitlines()]
    return {id_: recipients for _, id_, *recipients in lines}


def show_nothing_lost(folder: Path, *, certain: bool = False) -> None:
    """The five numbers of one life, and that its database is whole."""
    database = folder / "data" / "postroom.sqlite3"
    audit = audited(accepted_in(folder), stored_deliveries(database), sink_arrivals(folder / "arrived"))
    said = f"life {folder.name}: {audit}"
    assert audit.lost == (), said
    assert audit.delivered_twice <= audit.uncertain, said
    assert set(audit.states) <= ({"sent"} if certain else {"sent", "held"}), said
    assert len(accepted_in(folder)) == 6, said
    assert rows(database, "PRAGMA integrity_check") == [("ok",)]
    assert rows(database, "SELECT count(*) FROM store_message") == [(6,)], said
    if certain:
        assert audit.delivered_twice == 0 == audit.uncertain, said


def test_d3_no_instant_between_two_effects_loses_mail(lives: Lives) -> None:
    ((_, all_of_them),) = lives.live("kill", [MOST])
    assert all_of_them > 100
    numbers = range(1, all_of_them + 1)
    chosen = numbers if EVERY else sorted(random.sample(numbers, SOME))
    lives.live("kill", chosen)
    for number in chosen:
        show_nothing_lost(lives.folder / str(number))


def test_d4_after_a_sync_that_failed_the_client_repeats_and_the_server_counts_one(lives: Lives) -> None:
    hit = lives.live("break-sync", range(1, SYNCS + 1))
    assert [number for number, _ in hit] == list(range(1, SYNCS + 1))
    for number, syncs in hit:
        assert syncs > number
        show_nothing_lost(lives.folder / str(number), certain=True)


@dataclass
class _File:
    """`kept` is what a power loss leaves, `lost` what was written since."""

    kept: bytearray = field(default_factory=bytearray)
    now: bytearray = field(default_factory=bytearray)
    lost: list[tuple[int, bytes]] = field(default_factory=list)


class Disk:
    """Files as effects make them, and as they are after a power loss: what was synced, and names of synced folders."""

    def __init__(self, name: str, octets: bytes) -> None:
        first = _File(bytearray(octets), bytearray(octets))
        self.now, self.kept = {name: first}, {name: first}

    def do(self, kind: str, path: str, more: str, offset: int, data: bytes) -> None:
        match kind:
            case "w":
                file = self.now.setdefault(path, _File())
                file.now.extend(bytes(max(0, offset - len(file.now))))
                file.now[offset:offset + len(data)] = data
                file.lost.append((offset, data))
            case "t":
                file = self.now.setdefault(path, _File())
                del file.now[offset:]
            case "r":
                self.now[more] = self.now.pop(path)
            case "u":
                self.now.pop(path, None)
            case "s" if path in self.now:
                file = self.now[path]
                file.kept, file.lost = bytearray(file.now), []
            case "s":
                self._keep_names(path)

    def _keep_names(self, folder: str) -> None:
        def below(files: dict[str, _File]) -> dict[str, _File]:
            return {path: file for path, file in files.items() if os.path.dirname(path) == folder}

        for gone in below(self.kept).keys() - below(self.now).keys():
            del self.kept[gone]
        self.kept |= below(self.now)

    def after_power_loss(self, chance: random.Random | None) -> Iterator[tuple[str, bytes]]:
        """Each file that is left. With `chance` some of what was not synced is there, too, in any order."""
        for path, file in self.kept.items():
            octets = bytearray(file.kept)
            written = [] if chance is None else [write for write in file.lost if chance.random() < 0.5]
            for offset, data in written:
                octets.extend(bytes(max(0, offset - len(octets))))
                octets[offset:offset + len(data)] = data
            yield path, bytes(octets)


def recorded(path: Path) -> Iterator[tuple[str, str, str, int, bytes]]:
    octets, place = path.read_bytes(), 0
    while place < len(octets):
        kind = chr(octets[place])
        name, more, offset, size = struct.unpack_from("=qqqq", octets, place + 1)
        place += 33
        texts = octets[place:place + name + more].decode()
        place += name + more
        yield kind, texts[:name], texts[name:], offset, octets[place:place + size]
        place += size


@pytest.mark.parametrize("luck", ["nothing unsynced is left", "some of it is left"])
def test_d11_power_loss_loses_nothing_that_was_promised(lives: Lives, tmp_path: Path, luck: str) -> None:
    """Writes of a whole life, kept as far as they were synced, at each moment at which a promise or a sync was made."""
    lives.live("record", [1])
    own = lives.folder / "1"
    record = list(recorded(own / "record"))
    moments = [n for n, (kind, *_) in enumerate(record) if kind in "ns"]
    assert len(moments) > 50
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    if not EVERY:
        moments = sorted(chance.sample(moments, 2 * SOME))
    disk = Disk(str(own / "data" / "postroom.sqlite3"), lives.template.read_bytes())
    promised: list[str] = []
    looked_at = 0
    for number, effect in enumerate(record):
        kind, text, *_ = effect
        if kind == "n":
            promised.append(text)
        else:
            disk.do(*effect)
        if number in moments:
            looked_at += 1
            lucky = chance if luck.startswith("some") else None
            after = restored(disk, own / "data", tmp_path / f"after {number}", lucky)
            show_promises_kept(after, promised, f"moment {number}, seed {seed}")
            shutil.rmtree(after)
    assert looked_at == len(moments)
    assert sum(text.startswith("settled") for text in promised) == 9


def restored(disk: Disk, data: Path, after: Path, chance: random.Random | None) -> Path:
    for path, octets in disk.after_power_loss(chance):
        target = after / Path(path).relative_to(data)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(octets)
    return after


def show_promises_kept(data: Path, promised: list[str], said: str) -> None:
    database, contents = data / "postroom.sqlite3", Contents(Blobs(data / "blobs"))
    assert rows(database, "PRAGMA integrity_check") == [("ok",)], said
    stored = {
        id_: (digest, size, one_file(digest, size) if octets is None else content_of_row(octets, layout))
        for id_, digest, size, octets, layout in rows(
            database, "SELECT m.id, m.content_digest, m.content_size, c.octets, c.layout FROM store_message m"
            " LEFT JOIN store_content c ON c.id = m.content_id"
        )
    }
    ended = {id_ for (id_,) in rows(database, "SELECT id FROM store_delivery WHERE state IN ('sent', 'held')")}
    for promise in promised:
        what, *words = promise.split()
        if what == "accepted":
            digest, size, content = stored[words[1]]
            whole = b"".join(contents.open(content, digest, size).chunks())
            assert len(whole) == size, said
        elif what == "settled":
            assert words[0] in ended, said
