"""Rows as an HTML table that mail programs show: styles inline, every value escaped (W3)."""

from collections.abc import Iterable, Sequence
from html import escape

_CELL = "border:1px solid #d0d6dd;padding:4px 8px;text-align:left;vertical-align:top"
_HEAD = f"{_CELL};background:#f4f6f8;font-weight:bold"
_TABLE = "border-collapse:collapse;font-family:Arial,Helvetica,sans-serif;font-size:13px"


def table_start(columns: Sequence[str]) -> str:
    """Up to the first row."""
    heads = "".join(f'<th scope="col" style="{_HEAD}">{escape(name)}</th>' for name in columns)
    return f'<table style="{_TABLE}"><thead><tr>{heads}</tr></thead><tbody>\n'


def table_row(values: Sequence[str]) -> str:
    """One row."""
    return "<tr>" + "".join(f'<td style="{_CELL}">{escape(value)}</td>' for value in values) + "</tr>\n"


def table_end() -> str:
    return "</tbody></table>\n"


def html_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The whole table."""
    return table_start(columns) + "".join(map(table_row, rows)) + table_end()


def page_start(title: str) -> str:
    """A document up to its table."""
    return (
        '<!DOCTYPE html>\n<html><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title></head><body>\n<h1>{escape(title)}</h1>\n"
    )


def page_end() -> str:
    return "</body></html>\n"
