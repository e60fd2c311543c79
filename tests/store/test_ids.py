"""Ids sort in the order in which they were made, and say when."""

import re
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from postroom.store import ids
from postroom.store.ids import id_at, new_id

MOMENT_NS = 1_800_000_000_123_456_789


def test_ids_of_one_process_rise_however_many_a_millisecond_holds() -> None:
    made = [new_id() for _ in range(5_000)]
    assert made == sorted(set(made))
    assert all(re.fullmatch(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", id_) for id_ in made)


def test_ids_rise_while_the_clock_stands_still_or_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    later = time.time_ns() + 60 * 10**9
    monkeypatch.setattr(ids.time, "time_ns", lambda: later)
    made = [new_id() for _ in range(1_000)]
    monkeypatch.setattr(ids.time, "time_ns", lambda: later - 10**9)
    made += [new_id() for _ in range(1_000)]
    assert made == sorted(set(made))


def test_an_id_lies_within_the_bounds_of_its_millisecond(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids, "_last_ms", 0)
    monkeypatch.setattr(ids.time, "time_ns", lambda: MOMENT_NS)
    at = datetime.fromtimestamp(MOMENT_NS // 1_000_000 / 1_000, UTC)
    assert id_at(at) <= new_id() < id_at(at + timedelta(milliseconds=1))
    assert new_id()[:10] == id_at(at)[:10]


def test_ids_of_several_threads_differ() -> None:
    made: list[list[str]] = [[] for _ in range(4)]
    threads = [threading.Thread(target=lambda own=own: own.extend(new_id() for _ in range(2_000))) for own in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id_ for own in made for id_ in own}) == 8_000


def test_ids_that_follow_each_other_do_not_tell_the_next() -> None:
    """Their last forty bits are random, in every place."""
    for place in range(18, 26):
        assert len({new_id()[place] for _ in range(2_000)}) == 32
