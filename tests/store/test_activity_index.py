"""The index of a day follows its log and never decides anything that the log does not say."""

import multiprocessing
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tests.store.activity_days import DAY, START, entry, mixed, write

from postroom.store import activity_index
from postroom.store.activity_days import DayMark, day_marks
from postroom.store.activity_index import DayIndex, Progress
from postroom.store.activity_reader import ActivityReader
from postroom.store.activity_shape import Criteria, Shape
from postroom.store.write_lock import WriteLock


def counted(folder: Path) -> Counter[Shape]:
    with ActivityReader(folder, START, START + timedelta(days=1)) as log:
        return log.totals()


def test_counts_are_those_of_the_lines_however_often_it_caught_up(tmp_path: Path) -> None:
    entries = mixed(900)
    for part in range(0, 900, 90):
        write(tmp_path, DAY, entries[part:part + 90])
        DayIndex(tmp_path, DAY).catch_up(10.0)
    assert counted(tmp_path) == Counter(Shape.of(each) for each in entries)


def test_a_line_that_is_not_finished_waits_and_a_torn_one_is_passed_over(tmp_path: Path) -> None:
    path = write(tmp_path, DAY, [entry(1, START)])
    with path.open("ab") as file:
        file.write(b'{"at": "2026-11-21T01:00:00+00:00", "kind"')
    index = DayIndex(tmp_path, DAY)
    assert index.catch_up(10.0).behind_bytes > 0
    with path.open("ab") as file:
        file.write(b"\n[1]\n\xff\xfe\n")
    write(tmp_path, DAY, [entry(2, START)])
    progress = index.catch_up(10.0)
    assert (progress.behind_bytes, progress.unread) == (0, 3)
    assert sum(counted(tmp_path).values()) == 2


def test_values_of_any_kind_in_a_line_are_read_as_text(tmp_path: Path) -> None:
    odd = {"at": 7, "kind": ["x"], "outcome": {"a": 1}, "server": None, "recipient": 5, "reply": "\ud800"}
    write(tmp_path, DAY, [odd, {}, {"at": "2026-11-21T03:00:00", "severity": ""}])
    assert sum(counted(tmp_path).values()) == 3


def test_a_replaced_log_is_indexed_anew(tmp_path: Path) -> None:
    path = write(tmp_path, DAY, mixed(50))
    DayIndex(tmp_path, DAY).catch_up(10.0)
    path.rename(path.with_suffix(".old"))
    write(tmp_path, DAY, [entry(1, START)])
    assert sum(counted(tmp_path).values()) == 1


def test_a_damaged_index_is_made_anew(tmp_path: Path) -> None:
    write(tmp_path, DAY, mixed(50))
    index = DayIndex(tmp_path, DAY)
    index.catch_up(10.0)
    index.forget()
    index.path.write_bytes(b"not a database" * 500)
    index.catch_up(10.0)
    assert sum(counted(tmp_path).values()) == 50


def test_an_index_of_another_version_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, DAY, mixed(50))
    with monkeypatch.context() as older:
        older.setattr(activity_index, "_SCHEMA", activity_index._SCHEMA.replace("user_version = ", "user_version = 99"))
        DayIndex(tmp_path, DAY).catch_up(10.0)
    assert sum(counted(tmp_path).values()) == 50


def test_the_time_for_catching_up_is_bounded_and_the_rest_comes_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activity_index, "BLOCK_BYTES", 4_096)
    write(tmp_path, DAY, mixed(300))
    index = DayIndex(tmp_path, DAY)
    first = index.catch_up(0.0)
    assert 0 < first.indexed_bytes <= 4_096 < first.log_bytes
    while index.catch_up(0.0).behind_bytes:
        continue
    assert sum(counted(tmp_path).values()) == 300


def test_whoever_reads_while_another_process_indexes_waits_for_it_within_bounds(tmp_path: Path) -> None:
    write(tmp_path, DAY, mixed(20))
    index = DayIndex(tmp_path, DAY)
    with ThreadPoolExecutor(1) as others, WriteLock(index.path):
        assert others.submit(DayIndex(tmp_path, DAY).catch_up, 0.05).result().behind_bytes > 0
        waiting = others.submit(DayIndex(tmp_path, DAY).catch_up, 10.0)
    assert waiting.result().behind_bytes == 0


def _catch_up(folder: Path) -> None:
    index = DayIndex(folder, DAY)
    while index.catch_up(0.01).behind_bytes:
        continue


def test_several_processes_index_a_day_together_and_count_each_line_once(tmp_path: Path) -> None:
    entries = mixed(3_000)
    write(tmp_path, DAY, entries)
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_catch_up, args=(tmp_path,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert counted(tmp_path) == Counter(Shape.of(each) for each in entries)


def test_a_day_without_a_log_has_no_index(tmp_path: Path) -> None:
    assert DayIndex(tmp_path, DAY).catch_up(1.0) == Progress()
    assert list(tmp_path.iterdir()) == []
    with ActivityReader(tmp_path, START, START + timedelta(days=1)) as log:
        assert log.newest(Criteria(), 10) == []


def test_the_marks_of_days_follow_the_time_zone(tmp_path: Path) -> None:
    late = START + timedelta(hours=23, minutes=30)
    trouble = {"severity": "error", "cause": "auth-failed"}
    write(tmp_path, DAY, [entry(1, START), entry(2, late, **trouble)])
    next_day = DAY + timedelta(days=1)
    assert day_marks(tmp_path, DAY, next_day, ZoneInfo("UTC")) == {DAY: DayMark(None)}
    DayIndex(tmp_path, DAY).catch_up(10.0)
    assert day_marks(tmp_path, DAY, next_day, ZoneInfo("UTC")) == {DAY: DayMark(2, 0, 1)}
    assert day_marks(tmp_path, DAY, next_day, ZoneInfo("Europe/Berlin")) == {
        DAY: DayMark(1, 0, 0), next_day: DayMark(1, 0, 1),
    }
