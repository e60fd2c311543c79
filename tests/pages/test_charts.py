"""Charts are drawn from counts alone: round lines, stacked bars within the plot, gaps where nothing is known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.pages.charts import BASE, TOP, area, bars, labels, lines


@pytest.mark.parametrize(
    ("highest", "values"),
    [
        (0, [0, 1]), (1, [0, 1]), (3, [0, 1, 2, 3]), (65, [0, 20, 40, 60, 80]), (664, [0, 200, 400, 600, 800]),
        (290, [0, 100, 200, 300]),
    ],
)
def test_lines_are_at_round_values_up_to_the_highest(highest: int, values: list[int]) -> None:
    assert [line.value for line in lines(highest)] == values


@given(st.integers(0, 10**9))
def test_no_bar_leaves_the_plot_and_the_lines_are_few(highest: int) -> None:
    drawn = lines(highest)
    assert 2 <= len(drawn) <= 5
    assert drawn[-1].value >= highest
    (bar,) = bars([("sent", [highest])], drawn[-1].value, ["all"])
    assert all(part.y >= TOP - 0.01 and part.y + part.height <= BASE + 0.01 for part in bar.parts)


def test_parts_stand_on_each_other_and_those_of_nothing_are_left_out() -> None:
    first, second = bars([("sent", [2, 0]), ("deferred", [1, 0]), ("failed", [1, 3])], 4, ["a", "b"])
    assert [(part.kind, part.y, part.y + part.height) for part in first.parts] == [
        ("sent", 82, BASE), ("deferred", 45, 82), ("failed", TOP, 45),
    ]
    assert [part.kind for part in second.parts] == ["failed"]
    assert (first.slot_x, first.slot_width, second.x, second.width) == (0, 50, 55, 40)


def test_labels_at_the_edges_stay_within_the_plot() -> None:
    assert [(label.anchor, label.gives_way) for label in labels(["00:00", *[""] * 48, "24:00"])] == [
        ("start", False), ("end", True),
    ]


def test_an_area_has_a_gap_where_nobody_looked() -> None:
    outline, ground = area([0, 4, None, 4], 4)
    assert outline == f"M12.5 {BASE:.1f}L37.5 {TOP:.1f}M75.0 {TOP:.1f}L100.0 {TOP:.1f}"
    assert ground.count("Z") == 2
