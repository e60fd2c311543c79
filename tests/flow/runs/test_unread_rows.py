"""A least number of rows, where the rows of a report can't be read."""

import pytest
from tests.flow.runs.test_run import NOW, STATE, carried_out, clock, runner, source
from tests.subscribed import asked, pushed, subscribed

from postroom.flow.runs.run import Runner
from postroom.store.models import Message, ReportSource

__all__ = ["clock", "runner", "source"]
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("octets", "name"), [("Région\r\nÎle\r\n".encode("latin-1"), "sales.csv"), (b"PK\x03\x04 torn", "sales.xlsx")]
)
def test_s7_a_table_that_can_not_be_read_is_no_report_of_enough_rows(
    runner: Runner, source: ReportSource, octets: bytes, name: str
) -> None:
    pushed(source, NOW, octets, name)
    run = carried_out(runner, asked(subscribed(source, conditions={"least_rows": 1}), NOW))
    assert (run.state, run.problem["slug"]) == (STATE.ERROR, "source-unreadable")  # type: ignore[index]
    assert not Message.objects.exists()


@pytest.mark.parametrize(("name", "least"), [("report.pdf", 1), ("sales.csv", 0), ("sales.csv", None)])
def test_a_report_without_rows_to_count_is_sent_and_one_whose_number_nobody_asks_for(
    runner: Runner, source: ReportSource, name: str, least: int | None
) -> None:
    pushed(source, NOW, b"\xff%PDF-1.7", name)
    run = carried_out(runner, asked(subscribed(source, conditions={"least_rows": least}), NOW))
    assert run.state == STATE.SUCCESS
