"""Lines about what strangers do are few, and say how many were left out (B11)."""

from postroom.submission.few import Few


def test_b11_a_minute_has_so_many_lines_and_the_next_says_what_was_left_out() -> None:
    now_s = 0.0
    few = Few(2, lambda: now_s)
    assert [few.left_out() for _ in range(5)] == [0, 0, None, None, None]
    now_s = 60.0
    assert [few.left_out() for _ in range(3)] == [3, 0, None]
