"""The SMTP activity log as a page: days of the reader, filters, folding, what came since, files to take away."""

import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.http import QueryDict, StreamingHttpResponse
from django.test import Client
from django.utils import timezone
from tests.store.activity_days import TROUBLE, entry, write

from postroom.pages.queries.activity_filters import Asked, start_of
from postroom.pages.queries.activity_histogram import histogram_of
from postroom.store.activity_index import DayIndex
from postroom.store.activity_shape import Shape
from postroom.store.models import User

SLOW, UNKNOWN, REFUSED = TROUBLE
MARKUP = "<script>alert(1)</script>"


@pytest.fixture
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path
    return tmp_path / "logs"


def log_of(folder: Path, *entries: dict[str, Any]) -> None:
    for each in entries:
        write(folder, datetime.fromisoformat(each["at"]).date(), [each])


def at(hour: int, minute: int = 0, day: int = 12) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


def text_of(page: Client, address: str) -> str:
    answer = page.get(address)
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.content.decode())


def file_of(page: Client, address: str) -> bytes:
    answer = page.get(address)
    assert isinstance(answer, StreamingHttpResponse)
    with pytest.warns(Warning, match="asynchronous iterators"):
        return b"".join(answer)  # type: ignore[arg-type]


def test_a_day_is_the_readers_and_not_the_files(page: Client, folder: Path) -> None:
    log_of(folder, entry(1, at(22, 59)), entry(2, at(23, 1)), entry(3, at(8, day=13)))
    berlin = text_of(page, "/activity?day=2026-03-13")
    assert "2 entries" in berlin
    assert "00:01:00" in berlin
    assert "Invoice 1”" not in berlin
    User.objects.update(time_zone="UTC")
    assert "Invoice 2”" in text_of(page, "/activity?day=2026-03-12")


def test_the_calendar_says_which_days_had_trouble(page: Client, folder: Path) -> None:
    log_of(folder, entry(1, at(8, day=2)), entry(2, at(8, day=3), **SLOW), entry(3, at(8, day=4), **UNKNOWN))
    for day in (2, 3, 4):
        DayIndex(folder, at(8, day=day).date()).catch_up(10.0)
    text = text_of(page, "/activity?day=2026-03-12")
    assert "March 2026" in text
    days = dict(re.findall(r'<a href="\?day=2026-03-(\d\d)[^"]*"[^>]*>.*?<span class="pr-sr">, ([^<]*)</span>', text))
    assert days["02"] == "1 entry"
    assert days["03"] == "1 warning, 1 entry"
    assert days["04"] == "1 error, 1 entry"
    assert "05" not in days
    assert "month=2026-02" in text


def test_boxes_count_what_they_would_bring_and_narrow_what_is_shown(page: Client, folder: Path) -> None:
    log_of(folder, entry(1, at(8)), entry(2, at(9), **SLOW), entry(3, at(10), **UNKNOWN, server="Amazon SES"))
    text = text_of(page, "/activity?day=2026-03-12&severity=error&severity=warning")
    assert "2 of 3 entries" in text
    counts = re.findall(r'name="server" value="([^"]*)" >.*?pr-num pr-2">(\d+)<', text)
    assert counts == [("Relay", "1"), ("Amazon SES", "1")]
    assert len(re.findall(r'name="severity" value="(?:error|warning)" checked>', text)) == 2
    assert "Clear filters" in text
    assert "Invoice 1”" not in text
    assert "No entry fits these filters" in text_of(page, "/activity?day=2026-03-12&server=Nobody")


def test_text_finds_a_reply_a_code_a_message_id_and_a_recipient(page: Client, folder: Path) -> None:
    log_of(folder, entry(1, at(8)), entry(2, at(9), **UNKNOWN))
    for text in ("user unknown", "5.1.1", "<2@norrvik", "USER2@"):
        answer = page.get("/activity", {"day": "2026-03-12", "text": text}).content.decode()
        assert "1 of 2 entries" in answer, text
        assert "Invoice 2”" in answer
    assert "at least three characters" in text_of(page, "/activity?day=2026-03-12&text=55")


def test_repeated_trouble_is_one_row_that_leads_to_each(page: Client, folder: Path) -> None:
    log_of(folder, *(entry(n, at(12, n), **REFUSED) for n in range(20)), entry(99, at(13)))
    text = text_of(page, "/activity?day=2026-03-12")
    assert "20 times since 13:00" in text
    (link,) = re.findall(r'<a class="pr-link" href="(\?[^"]*)">Show each of them', text)
    each = text_of(page, "/activity" + link.replace("&amp;", "&"))
    assert each.count("Show cause and fix") == 20


def test_a_row_quotes_the_reply_and_leads_to_message_test_and_fix(page: Client, folder: Path) -> None:
    log_of(
        folder, entry(1, at(8), **UNKNOWN),
        {"at": at(9).isoformat(), "kind": "test", "outcome": "failed", "severity": "error", "server": "Relay",
         "test": "T" * 26, "stage": "greeting", "cause": "unknown", "title": "The reason is unknown"},
    )
    text = text_of(page, "/activity?day=2026-03-12")
    assert '<blockquote class="pr-quote pr-mono pr-tone-bad">550 5.1.1 user unknown</blockquote>' in text
    assert f'href="/messages/M{1:025d}"' in text
    assert f'href="/smtp-tests/{"T" * 26}/log"' in text
    assert "Test failed at the stage Greeting" in text
    assert "Check the spelling of the recipient address" in text


def test_what_others_wrote_into_the_log_is_shown_as_text(page: Client, folder: Path) -> None:
    values = dict.fromkeys(
        ("server", "subject", "recipient", "reply", "message_id", "message", "test", "title", "outcome"), MARKUP
    )
    log_of(folder, entry(1, at(8), **{**values, "severity": MARKUP, "cause": MARKUP, "kind": MARKUP}))
    log_of(folder, entry(2, at(8), **values))
    for query in ("", "&server=" + MARKUP, "&text=" + MARKUP, "&severity=x&before=" + MARKUP + "&month=" + MARKUP):
        assert MARKUP not in text_of(page, "/activity?day=2026-03-12" + query)


def test_the_page_says_how_many_entries_came_since(page: Client, folder: Path) -> None:
    now = timezone.now()
    log_of(folder, entry(1, now))
    text = text_of(page, "/activity")
    (address,) = re.findall(r'id="tail" role="status" hx-get="([^"]*)"', text)
    address = address.replace("&amp;", "&")
    assert "new entr" not in text_of(page, address)
    log_of(folder, entry(2, now), entry(3, now))
    assert "2 new entries" in text_of(page, address)
    assert 'id="tail"' not in text_of(page, "/activity?live=no")
    assert 'id="tail"' not in text_of(page, "/activity?day=2026-03-12")


def test_for_htmx_only_what_changes_is_sent(page: Client, folder: Path) -> None:
    log_of(folder, entry(1, at(8)))
    part = page.get("/activity?day=2026-03-12", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert 'id="log"' in part
    restored = page.get("/activity", headers={"HX-Request": "true", "HX-History-Restore-Request": "true"})
    assert "<html" in restored.content.decode()


def test_the_day_is_downloaded_octet_for_octet(page: Client, folder: Path) -> None:
    path = write(folder, at(8).date(), [entry(1, at(8)), entry(2, at(23, 30))])
    with path.open("ab") as file:
        file.write(b"torn {\n")
    User.objects.update(time_zone="UTC")
    assert file_of(page, "/activity/2026-03-12/download") == path.read_bytes()
    User.objects.update(time_zone="Europe/Berlin")
    assert json.loads(file_of(page, "/activity/2026-03-12/download"))["subject"] == "Invoice 1"
    assert page.get("/activity/2026-03-20/download").status_code == 404
    assert page.get("/activity/yesterday/download").status_code == 404


def test_w5_the_filtered_lines_are_csv_without_formulas(page: Client, folder: Path) -> None:
    formula = '=HYPERLINK("http://evil.example")'
    log_of(folder, entry(1, at(8)), *(entry(n, at(9), **UNKNOWN, subject=formula) for n in range(2, 1_202)))
    rows = list(csv.DictReader(io.StringIO(file_of(
        page, "/activity/2026-03-12/download?as=csv&severity=error"
    ).decode())))
    assert len(rows) == 1_200
    assert {row["subject"] for row in rows} == {"'" + formula}
    assert rows[0]["recipient"] == "user1201@norrvik.example"


@pytest.mark.parametrize(("day", "bars"), [("2026-03-29", 46), ("2026-10-25", 50), ("2026-03-12", 48)])
def test_bars_are_half_hours_on_every_day(day: str, bars: int) -> None:
    with timezone.override("Europe/Berlin"):
        asked = Asked.of(QueryDict(f"day={day}"))
        start, end = asked.bounds
        last_ms = round(end.timestamp() * 1_000) - 1
        drawn = histogram_of(asked.bounds, [(last_ms, Shape("error"), 3), (last_ms, Shape(), 997)])
    assert len(drawn.bars) == bars
    assert (drawn.bars[-1].entries, drawn.bars[-1].errors, drawn.most) == (1_000, 3, 1_000)
    assert drawn.bars[-1].errors_height >= 2
    assert drawn.bars[0].at == start
    assert drawn.bars[-1].until == end


def test_what_is_asked_is_said_again_in_links() -> None:
    with timezone.override("UTC"):
        query = "day=2026-03-12&severity=error&severity=warning&recipient=A@b.example&text=x+y&each=1&live=no"
        asked = Asked.of(QueryDict(query))
        assert Asked.of(QueryDict(asked.query())) == asked
        assert "severity=error" not in asked.without("severity", "error")
        assert Asked.of(QueryDict(asked.cleared)).is_filtered is False
        assert start_of(asked.day) == datetime(2026, 3, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "query", ["day=x", "day=9999-12-31", "day=0001-01-01", "month=2026-13", "before=1~x~2", "known=a:b"]
)
def test_what_can_t_be_understood_asks_nothing(page: Client, folder: Path, query: str) -> None:
    log_of(folder, entry(1, at(8)))
    assert page.get(f"/activity?{query}").status_code == 200
    assert page.get(f"/activity/tail?{query}").status_code == 200


def test_an_empty_day_says_what_would_be_there(page: Client, folder: Path) -> None:
    assert not folder.exists()
    text = text_of(page, "/activity?day=2026-03-12")
    assert "Nothing happened on this day" in text
    assert "Each connection, delivery, test" in text
    assert "Nothing happened today yet" in text_of(page, "/activity")


def test_a_log_that_is_not_read_to_its_end_says_so(
    page: Client, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("postroom.store.activity_index.BLOCK_BYTES", 4_096)
    monkeypatch.setattr("postroom.pages.queries.activity.WITHIN_S", 0.0)
    log_of(folder, *(entry(n, at(8) + timedelta(seconds=n)) for n in range(60)))
    assert "still being read" in text_of(page, "/activity?day=2026-03-12")
