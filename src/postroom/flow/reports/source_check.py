"""What may be entered for a report source: each kind's settings judged, and made complete."""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings as instance
from django.db.models import QuerySet

from postroom.policy.plain_secret import is_secret_field, secret_part
from postroom.policy.sql_query import QUERY_CHARACTERS, QueryProblem, SqlQuery
from postroom.smtp.redaction import HIDDEN
from postroom.store.models import ReportSource, SqlConnection
from postroom.terms.header import HeaderProblem, checked_media_type, file_label
from postroom.terms.problem import FieldError
from postroom.terms.report import SHEET_ROWS
from postroom.terms.wording import Wording, worded

from .source_settings import (
    FORMATS,
    MOST_ROWS,
    MOST_TIMEOUT_S,
    SECRET_HEADER,
    TIMEOUT_S,
    FileSettings,
    SqlSettings,
    UrlSettings,
)

NAME_CHARACTERS = 100
PATTERN_CHARACTERS = 500
URL_CHARACTERS = 2_000
HEADERS = 20
MOST_FRESH_S = 366 * 86_400
_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,76}")
# Fields that the connection itself writes.
_OWN_FIELDS = frozenset((
    "host", "connection", "content-length", "transfer-encoding", "accept-encoding", "te", "upgrade",
))


class RefusedValue(Exception):
    """One field can't be taken."""

    def __init__(self, code: str, text: Wording) -> None:
        super().__init__(str(text))
        self.code, self.text = code, text


def checked_name(value: Any, others: "QuerySet[Any]", problems: list[FieldError]) -> str:
    """A name that nobody else has, of one line."""
    name = str(value or "").strip()
    if not name:
        problems.append(FieldError("name", "required", worded("Enter a name.")))
    elif len(name) > NAME_CHARACTERS or not name.isprintable():
        text = worded("Enter at most {most} characters, without line breaks.", most=NAME_CHARACTERS)
        problems.append(FieldError("name", "invalid", text))
    elif others.filter(name__iexact=name).exists():
        problems.append(FieldError("name", "taken", worded("Another one has this name. Choose a different one.")))
    return name[:NAME_CHARACTERS]


def checked_settings(
    kind: str, given: Mapping[str, Any], connection: Any, problems: list[FieldError]
) -> tuple[dict[str, Any], SqlConnection | None]:
    """The settings as they are stored, and the connection of a query; adds to `problems` what can't be taken."""
    checks = {ReportSource.Kind.FILE.value: _file, ReportSource.Kind.URL.value: _url, ReportSource.Kind.SQL.value: _sql}
    check = checks.get(kind)
    stored = check(_Fields(given, problems)) if check else {}
    unknown = sorted(set(given) - set(stored)) if check else sorted(given)
    problems += [FieldError(f"settings.{name}", "unknown", worded("There is no such field here.")) for name in unknown]
    if kind != ReportSource.Kind.SQL:
        return stored, None
    row = SqlConnection.objects.filter(pk=str(connection or "")[:26]).first()
    if row is None:
        problems.append(FieldError("connection", "required", worded("Choose the connection to the database.")))
    return stored, row


class _Fields:
    """The settings as they were given, taken one by one; what can't be taken is noted."""

    def __init__(self, given: Mapping[str, Any], problems: list[FieldError]) -> None:
        self._given, self._problems = given, problems

    def take(self, name: str, check: Callable[[Any], Any], otherwise: Any = "") -> Any:
        """The checked value; `otherwise` where it is missing or refused."""
        try:
            return check(self._given.get(name, otherwise))
        except RefusedValue as refused:
            self._problems.append(FieldError(f"settings.{name}", refused.code, refused.text))
            return otherwise

    def number(self, name: str, least: int, most: int, otherwise: int) -> int:
        value = self._given.get(name)
        if value is None or value == "":
            return otherwise
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            text = worded("Enter a number from {least} to {most}.", least=least, most=most)
            self._problems.append(FieldError(f"settings.{name}", "range", text))
            return otherwise
        return value


def _file(given: _Fields) -> dict[str, Any]:
    return asdict(FileSettings(
        given.take("root", checked_root), given.take("pattern", _pattern),
        given.number("fresh_within_s", 0, MOST_FRESH_S, 0),
    ))


def _url(given: _Fields) -> dict[str, Any]:
    return asdict(UrlSettings(
        given.take("url", _address), given.take("headers", _headers, {}),
        given.number("timeout_s", 1, MOST_TIMEOUT_S, TIMEOUT_S),
        given.take("secret_header", _secret_header, SECRET_HEADER), given.take("expects", _expects),
        given.take("file_name", _file_name),
    ))


def _sql(given: _Fields) -> dict[str, Any]:
    return asdict(SqlSettings(
        given.take("query", _query), given.take("format", _format, FORMATS[0]),
        given.number("timeout_s", 1, MOST_TIMEOUT_S, TIMEOUT_S),
        given.number("most_rows", 1, SHEET_ROWS - 1, MOST_ROWS),
    ))


def checked_root(value: Any) -> str:
    """The name of a folder that the operator named."""
    name = str(value or "")
    if not instance.REPORT_ROOTS:
        text = worded("The operator of this machine has named no folder for reports yet (POSTROOM_REPORT_ROOTS).")
        raise RefusedValue("not-allowed", text)
    if instance.REPORT_ROOTS.folder(name) is None:
        names = ", ".join(instance.REPORT_ROOTS.names)
        raise RefusedValue("required", worded("Choose one of the folders: {names}.", names=names))
    return name


def _pattern(value: Any) -> str:
    text = str(value or "").strip()
    parts = text.split("/")
    if not text or text.startswith("/") or ".." in parts or not text.isprintable() or len(text) > PATTERN_CHARACTERS:
        raise RefusedValue("invalid", worded("Enter a file or a pattern below the folder, such as sales/*.csv."))
    return text


def _address(value: Any) -> str:
    text = str(value or "").strip()
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or len(text) > URL_CHARACTERS or not text.isascii() or not text.isprintable() or " " in text:
        raise RefusedValue("invalid", worded("Enter an address that begins with https:// or http://."))
    if "{" in parts.netloc:
        raise RefusedValue("invalid", worded("A value can stand in the path and the query, not in the host."))
    if "@" in parts.netloc:
        raise RefusedValue("secret", _NO_USER)
    if part := HIDDEN if HIDDEN in text else secret_part(parts):
        raise RefusedValue("secret", worded(
            "The address seems to hold a secret ({part}), and whoever sees this source can read it. Take it out; a "
            "secret belongs into the value of the secret header field, which is stored encrypted.", part=part[:100],
        ))
    return text


def _headers(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping) or len(value) > HEADERS:
        raise RefusedValue("invalid", worded("Enter at most {most} header fields.", most=HEADERS))
    for name, text in value.items():
        _header_name(name)
        if not isinstance(text, str) or len(text) > 1_000 or not (text.isprintable() or not text):
            raise RefusedValue("invalid", worded("Write each header field on one line, as Name: value."))
        if is_secret_field(str(name), text) or text.strip() == HIDDEN:
            raise RefusedValue("secret", worded(
                "{name} seems to carry a secret, and whoever sees this source can read these fields. Take it out, name "
                "it as the secret header field instead, and enter its value there: it is stored encrypted.", name=name,
            ))
    return {str(name): text.strip() for name, text in value.items()}


def _secret_header(value: Any) -> str:
    return _header_name(str(value or "").strip() or SECRET_HEADER)


def _header_name(name: Any) -> str:
    if not _FIELD_NAME.fullmatch(str(name)) or str(name).lower() in _OWN_FIELDS:
        raise RefusedValue("invalid", worded("{name} can't be set here.", name=str(name)[:100]))
    return str(name)


def _expects(value: Any) -> str:
    text = str(value or "").strip()
    if not text:
        return ""
    try:
        return checked_media_type(text).partition(";")[0]
    except HeaderProblem:
        raise RefusedValue("invalid", worded("Enter a media type such as application/pdf, or nothing.")) from None


def _file_name(value: Any) -> str:
    text = str(value or "").strip()
    return file_label(text[:300]) if text else ""


def _query(value: Any) -> str:
    text = str(value or "")
    try:
        SqlQuery.parse(text)
    except QueryProblem as problem:
        raise RefusedValue(problem.code, _QUERY_TEXTS[problem.code]) from None
    if "\0" in text:
        raise RefusedValue("invalid", _QUERY_TEXTS["not-reading"])
    return text.replace("\r\n", "\n").strip()


def _format(value: Any) -> str:
    if value not in FORMATS:
        raise RefusedValue("invalid", worded("Choose csv, xlsx or html."))
    return str(value)


_NO_USER = worded(
    "Leave user and password out of the address: whoever sees this source can read it. Name Authorization as the "
    "secret header field, and enter its value there."
)
_QUERY_TEXTS = {
    "empty": worded("Enter the query."),
    "long": worded("The query has more than {most} characters.", most=QUERY_CHARACTERS),
    "several": worded("Enter one statement. A semicolon ends it."),
    "not-reading": worded("Enter a statement that reads: SELECT, WITH, VALUES or TABLE."),
}
