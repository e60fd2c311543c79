"""What the API takes and gives of report sources and connections to databases."""

from datetime import datetime
from typing import Annotated, Any, Literal

from ninja import Schema
from pydantic import Field, StrictInt, StrictStr

from postroom.flow.messages.submitted import PlainName, PlainValue

from .schemas import Strict

Id = Annotated[str, Field(max_length=26)]
Kind = Literal["file", "url", "sql", "pushed"]
Name = Annotated[StrictStr, Field(max_length=100)]
Secret = Annotated[StrictStr | None, Field(max_length=4_000, description='Write-only; "" removes it.')]
_Seconds = Annotated[StrictInt, Field(ge=0, le=10**8)]


class SourceSettingsIn(Strict):
    """Settings by kind. file: root, pattern, fresh_within_s. url: url, headers, timeout_s, secret_header, expects,
    file_name. sql: query, format, timeout_s, most_rows. pushed: none."""

    root: Annotated[StrictStr, Field(max_length=50, description="Name of a folder of POSTROOM_REPORT_ROOTS.")] = ""
    pattern: Annotated[
        StrictStr, Field(max_length=500, description="Below it; the newest match counts, such as sales/*.csv.")
    ] = ""
    fresh_within_s: Annotated[_Seconds, Field(description="How old the file may be; 0 for any age.")] = 0
    url: Annotated[StrictStr, Field(max_length=2_000)] = ""
    headers: Annotated[dict[StrictStr, Annotated[StrictStr, Field(max_length=1_000)]], Field(max_length=20)] = Field(
        default_factory=dict
    )
    timeout_s: Annotated[StrictInt, Field(ge=1, le=900)] = 60
    secret_header: Annotated[StrictStr, Field(max_length=76)] = "Authorization"
    expects: Annotated[StrictStr, Field(max_length=200, description="Media type that has to come.")] = ""
    file_name: Annotated[StrictStr, Field(max_length=300)] = ""
    query: Annotated[
        StrictStr, Field(max_length=100_000, description="One statement that reads; :name is a parameter.")
    ] = ""
    format: Literal["csv", "xlsx", "html"] = "csv"
    most_rows: Annotated[StrictInt, Field(ge=1, le=1_048_575)] = 100_000


class SourceIn(Strict):
    """A report source, or changes to one: only the fields that are there change."""

    name: Name = ""
    description: Annotated[StrictStr, Field(max_length=300)] = ""
    kind: Kind = "file"
    connection: Annotated[StrictStr | None, Field(max_length=26, description="Of a query: id of its database.")] = None
    settings: SourceSettingsIn = Field(default_factory=SourceSettingsIn)
    secret: Secret = None


class ReportOut(Schema):
    """A stored report. `row_count` is null where there are no rows to count; `sample` has columns and first rows."""

    id: str
    file_name: str
    media_type: str
    size_bytes: int
    row_count: int | None
    origin: str
    made_at: datetime
    sample: dict[str, Any] | None


class SourceOut(Schema):
    """A report source. The secret is never told, only whether there is one."""

    id: str
    name: str
    description: str
    kind: Kind
    connection: str | None
    settings: dict[str, Any]
    has_secret: bool
    newest_report: ReportOut | None


class Sources(Schema):
    report_sources: list[SourceOut]


class TryIn(Strict):
    """What the query, the address or the pattern of the source takes by name."""

    parameters: Annotated[dict[PlainName, PlainValue], Field(max_length=50)] = Field(default_factory=dict)


class FaultOut(Schema):
    """Why there is no report; `kind` is stable for scripts."""

    kind: str
    text: str
    evidence: str


class TryOut(Schema):
    """A try; ask for it again while `state` is waiting or running."""

    id: str
    state: Literal["waiting", "running", "done", "failed"]
    report: ReportOut | None
    fault: FaultOut | None


class ConnectionSettingsIn(Strict):
    """Settings by kind. sqlite: root, path. postgresql: host, port, database, username, tls."""

    root: Annotated[StrictStr, Field(max_length=50, description="Name of a folder of POSTROOM_REPORT_ROOTS.")] = ""
    path: Annotated[StrictStr, Field(max_length=500)] = ""
    host: Annotated[StrictStr, Field(max_length=253)] = ""
    port: Annotated[StrictInt, Field(ge=1, le=65_535)] = 5432
    database: Annotated[StrictStr, Field(max_length=100)] = ""
    username: Annotated[StrictStr, Field(max_length=100)] = ""
    tls: Literal["verified", "encrypted", "off"] = "verified"


class ConnectionIn(Strict):
    """A connection to a database, or changes to one: only the fields that are there change."""

    name: Name = ""
    kind: Literal["sqlite", "postgresql"] = "sqlite"
    settings: ConnectionSettingsIn = Field(default_factory=ConnectionSettingsIn)
    password: Secret = None


class ConnectionOut(Schema):
    """A connection. The password is never told, only whether there is one."""

    id: str
    name: str
    kind: Literal["sqlite", "postgresql"]
    settings: dict[str, Any]
    has_password: bool


class Connections(Schema):
    sql_connections: list[ConnectionOut]
