"""Every part of the benchmark runs, with so few messages that its figures mean nothing."""

import importlib
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import date

import pytest
from bench.__main__ import PARTS
from bench.figures import Goal, Part, Series, Verdict
from bench.plan import Plan
from bench.postroom import Postroom
from bench.report import page

from bench import postroom

pytestmark = pytest.mark.interop
FEW = Plan(rounds=1, share=0.01)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postroom]:
    with postroom.running(FEW, tmp_path_factory.mktemp("bench"), submission=True) as ours:
        yield ours


@pytest.fixture
def shared(ours: Postroom, monkeypatch: pytest.MonkeyPatch) -> None:
    """One installation for all parts, for starting takes longer than measuring a few messages."""
    monkeypatch.setattr(postroom, "running", lambda *_args, **_kwargs: nullcontext(ours))


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize("letter", sorted(PARTS))
def test_a_part_measures_everything_that_its_goals_need(letter: str) -> None:
    part: Part = importlib.import_module(f"bench.parts.{PARTS[letter]}").run(FEW)
    print("\n".join(part.lines()))
    assert part.letter == letter
    assert part.goals
    assert [goal.name for goal in part.goals if goal.verdict is Verdict.NOT_MEASURED] == []
    assert not [name for name, series in part.rows.items() if len(series.values) != 1 or series.values[0] < 0]


def test_the_page_tells_what_was_reached_and_missed() -> None:
    part = Part("x", "Messages")
    for ours, theirs in ((700.0, 100.0), (500.0, 100.0), (900.0, 300.0)):
        part.add("ours", ours, " msg/s")
        part.add("theirs", theirs, " msg/s")
    ratio = part.ratio("ours : theirs", "ours", "theirs")
    part.goals = [Goal("faster", 4, ratio), Goal("much faster", 6, ratio), Goal("not asked", 1, Series("×"))]
    assert [goal.verdict for goal in part.goals] == [Verdict.MET, Verdict.MISSED, Verdict.NOT_MEASURED]
    text = page([part], Plan(), date(2026, 11, 22))
    assert "| x | faster | ≥ 4× | 5.00× (3.00 to 7.00) | met |" in text
    assert "| ours | 700 msg/s (500 to 900) |" in text
