"""Reading through the index gives what reading every line would give."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.store.activity_days import DAY, START, TROUBLE, entry, mixed, write

from postroom.store import activity_reader
from postroom.store.activity_index import DayIndex
from postroom.store.activity_log import ActivityLog
from postroom.store.activity_reader import ActivityReader, Spot
from postroom.store.activity_shape import Criteria

END = START + timedelta(days=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, DAY, mixed(800))
    return tmp_path


def reader(folder: Path) -> ActivityReader:
    return ActivityReader(folder, START, END, 30.0)


@pytest.mark.parametrize("wanted", [
    {}, {"outcome": "failed"}, {"cause": "auth-failed"}, {"server": "Amazon SES"},
    {"outcome": "deferred", "server": "Relay"}, {"outcome": "sent", "cause": "recipient-unknown"},
])
def test_what_fits_is_found_newest_first(folder: Path, wanted: dict[str, str]) -> None:
    expected = ActivityLog(folder).read_day(DAY, limit=10_000, **wanted)  # type: ignore[arg-type]
    criteria = Criteria(**{name: frozenset([value]) for name, value in wanted.items()})  # type: ignore[arg-type]
    with reader(folder) as log:
        assert [found.entry for found in log.newest(criteria, 10_000)] == expected
        fitting = sum(count for shape, count in log.totals().items() if criteria.takes(shape))
        assert fitting == len(expected)


@pytest.mark.parametrize("text", ["user7", "USER7@", "550 5.1.1", "Invoice 12", "<3@norrvik", "no such thing", "Relay"])
def test_a_search_finds_what_stands_anywhere(folder: Path, text: str) -> None:
    expected = ActivityLog(folder).read_day(DAY, limit=10_000, text=text)
    with reader(folder) as log:
        matches = log.search(Criteria(text=text))
    assert [found.entry for found in matches.found] == expected
    assert not matches.is_more


def test_a_search_within_shapes_and_recipients_finds_both(folder: Path) -> None:
    with reader(folder) as log:
        found = log.search(Criteria(text="5.1.1", server=frozenset(["Relay"]), cause=frozenset(["recipient-unknown"])))
        assert found.found
        assert all(one.entry["server"] == "Relay" and one.entry["code"] == 550 for one in found.found)
        one = log.search(Criteria(recipient=frozenset(["user17@norrvik.example"])))
        assert [each.entry["recipient"] for each in one.found] == ["user17@norrvik.example"]


def test_a_search_ends_at_its_bound_and_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity_reader, "SEARCHED", 100)
    with reader(folder) as log:
        matches = log.search(Criteria(text="norrvik"))
    assert len(matches.found) == 100
    assert matches.is_more
    assert matches.found[0].entry["recipient"] == "user799@norrvik.example"


def test_pages_show_every_entry_once(folder: Path) -> None:
    seen: list[Any] = []
    before = None
    while True:
        with reader(folder) as log:
            page = log.newest(Criteria(), 37, before)
        if not page:
            break
        seen += [one.entry["recipient"] for one in page]
        before = page[-1].spot
    assert seen == [f"user{number}@norrvik.example" for number in reversed(range(800))]


@pytest.mark.parametrize("at_ms", ["9" * 30, "-" + "9" * 30, "9" * 18])
def test_a_place_at_no_time_of_ours_is_none(at_ms: str) -> None:
    assert Spot.parse(f"{at_ms}~2026-11-21~0") is None
    assert Spot.parse(f"1795219200000~2026-11-21~{'9' * 30}") is None
    spot = Spot(1_795_219_200_000, "2026-11-21", 7)
    assert Spot.parse(str(spot)) == spot


def test_like_troubles_fold_and_say_how_often_since_when(tmp_path: Path) -> None:
    slow, unknown, refused = TROUBLE
    times = [START + timedelta(minutes=n) for n in range(10)]
    write(tmp_path, DAY, [
        entry(0, times[0], **refused), entry(1, times[1]), entry(2, times[2], **refused), entry(3, times[3], **unknown),
        entry(4, times[4], **unknown), entry(5, times[5], **slow), entry(6, times[6], **refused), entry(7, times[7]),
    ])
    with ActivityReader(tmp_path, START, END, 30.0) as log:
        rows = log.newest(Criteria(), 100, fold=True)
        assert [(row.entry["recipient"][:5], row.times) for row in rows] == [
            ("user7", 1), ("user6", 3), ("user5", 1), ("user4", 1), ("user3", 1), ("user1", 1),
        ]
        assert rows[1].since_ms == round(times[0].timestamp() * 1_000)
        older = log.newest(Criteria(), 100, rows[1].spot, fold=True)
        assert [row.entry["recipient"][:5] for row in older] == ["user5", "user4", "user3", "user1"]


def test_a_period_over_two_logs_is_read_in_order(tmp_path: Path) -> None:
    write(tmp_path, DAY, [entry(1, START), entry(2, END - timedelta(minutes=30))])
    later = [entry(3, END + timedelta(minutes=30)), entry(4, END + timedelta(hours=23))]
    write(tmp_path, DAY + timedelta(days=1), later)
    since = START + timedelta(hours=23)
    with ActivityReader(tmp_path, since, since + timedelta(days=1), 30.0) as log:
        assert [one.entry["subject"] for one in log.newest(Criteria(), 10)] == ["Invoice 3", "Invoice 2"]
        assert sum(log.totals().values()) == 2
        assert len(log.search(Criteria(text="Invoice")).found) == 2


def test_what_came_since_is_counted_by_the_filter(folder: Path) -> None:
    with reader(folder) as log:
        known = log.indexed()
        assert log.newer(Criteria(), known) == 0
    write(folder, DAY, [entry(1, END - timedelta(seconds=2)), entry(2, END - timedelta(seconds=1), **TROUBLE[1])])
    with reader(folder) as log:
        assert log.newer(Criteria(), known) == 2
        assert log.newer(Criteria(severity=frozenset(["error"])), known) == 1
        assert log.newer(Criteria(text="user2@"), known) == 1
        assert log.newer(Criteria(recipient=frozenset(["user1@norrvik.example"])), known) == 1


def test_recipients_of_the_newest_are_counted(tmp_path: Path) -> None:
    write(tmp_path, DAY, [entry(n % 3, START + timedelta(minutes=n)) for n in range(30)])
    DayIndex(tmp_path, DAY).catch_up(10.0)
    with reader(tmp_path) as log:
        assert log.recipients(Criteria(), 6) == {f"user{n}@norrvik.example": 2 for n in range(3)}


def test_a_place_is_read_back_or_refused() -> None:
    spot = Spot(1_700_000_000_123, "2026-11-21", 99)
    assert Spot.parse(str(spot)) == spot
    for text in ("", "1~2", "x~2026-11-21~3", "1~yesterday~3", "1~2026-11-21~-", "1~2026-11-21~3~4"):
        assert Spot.parse(text) is None
