"""The form of a report is chosen by what will really leave, before anything is composed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.message.encoding import base64_lines, base64_size
from postroom.policy.report_form import (
    AROUND_BYTES,
    EMBEDDED_BYTES,
    USUAL_ROOM_BYTES,
    NoForm,
    ReportForm,
    ReportSizes,
    chosen_form,
    room_bytes,
)

MB = 1024 * 1024


def test_base64_counts_before_the_size_is_compared() -> None:
    room = 10 * MB
    fits = ReportSizes(file_bytes=7 * MB, body_bytes=0)
    assert chosen_form(ReportForm.ATTACH, fits, room, link_when_large=True).form is ReportForm.ATTACH
    grown = ReportSizes(file_bytes=8 * MB, body_bytes=0)
    chosen = chosen_form(ReportForm.ATTACH, grown, room, link_when_large=True)
    assert (chosen.form, str(room) in chosen.because) == (ReportForm.LINK, True)


def test_what_is_too_large_and_may_not_be_linked_is_refused() -> None:
    with pytest.raises(NoForm, match="get through"):
        chosen_form(ReportForm.ATTACH, ReportSizes(30 * MB, 100), 20 * MB, link_when_large=False)


def test_a_zip_is_judged_by_the_size_of_the_zip() -> None:
    sizes = ReportSizes(file_bytes=100 * MB, body_bytes=100, zipped_bytes=MB)
    assert chosen_form(ReportForm.ZIP, sizes, 20 * MB, link_when_large=True).form is ReportForm.ZIP
    assert chosen_form(ReportForm.ATTACH, sizes, 20 * MB, link_when_large=True).form is ReportForm.LINK


def test_a_table_too_long_for_the_body_is_attached_and_said() -> None:
    sizes = ReportSizes(file_bytes=1000, body_bytes=100, embedded_bytes=EMBEDDED_BYTES + 1)
    chosen = chosen_form(ReportForm.EMBED, sizes, 20 * MB, link_when_large=True)
    assert (chosen.form, "too long" in chosen.because) == (ReportForm.ATTACH, True)
    none = ReportSizes(file_bytes=1000, body_bytes=100)
    assert chosen_form(ReportForm.EMBED, none, 20 * MB, link_when_large=True).form is ReportForm.ATTACH
    short = ReportSizes(file_bytes=1000, body_bytes=100, embedded_bytes=5000)
    assert chosen_form(ReportForm.EMBED, short, 20 * MB, link_when_large=True).form is ReportForm.EMBED


def test_a_link_always_fits() -> None:
    assert chosen_form(ReportForm.LINK, ReportSizes(500 * MB, 100), MB, link_when_large=False).form is ReportForm.LINK


def test_the_smallest_known_limit_is_the_room() -> None:
    assert room_bytes(None, 5 * MB, 0, 3 * MB) == 3 * MB
    assert room_bytes(None) == USUAL_ROOM_BYTES


@given(st.integers(0, 3 * MB), st.integers(0, 100_000), st.integers(0, 5 * MB))
def test_what_is_attached_never_exceeds_the_room(file_bytes: int, body_bytes: int, room: int) -> None:
    chosen = chosen_form(ReportForm.ATTACH, ReportSizes(file_bytes, body_bytes), room, link_when_large=True)
    if chosen.form is ReportForm.ATTACH:
        assert base64_size(file_bytes) + body_bytes + AROUND_BYTES <= chosen.message_bytes <= room
    else:
        assert chosen.form is ReportForm.LINK


@given(st.binary(max_size=5_000))
def test_the_size_that_is_reckoned_is_the_size_that_leaves(octets: bytes) -> None:
    assert base64_size(len(octets)) == sum(map(len, base64_lines(octets)))
