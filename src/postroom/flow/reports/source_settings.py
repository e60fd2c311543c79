"""What a source of reports is set to, by kind, as typed values; and the secrets that go with it.

A secret is sealed to where it goes (T4): a changed host, port, user or header asks for it again.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote, urlsplit

from django.conf import settings

from postroom.policy.plain_secret import is_secret_field, secret_part
from postroom.smtp.redaction import HIDDEN
from postroom.smtp.text import printable
from postroom.store.models import ReportSource, SqlConnection
from postroom.store.vault import Vault
from postroom.terms.source_fault import SourceFault, SourceFaultKind
from postroom.terms.wording import worded

TIMEOUT_S = 60
MOST_TIMEOUT_S = 900
MOST_ROWS = 100_000
FORMATS = ("csv", "xlsx", "html")
TLS = ("verified", "encrypted", "off")
SECRET_HEADER = "Authorization"
_POSTGRESQL_PORT = 5432


@dataclass(frozen=True, slots=True)
class FileSettings:
    """A file below one of the operator's folders."""

    root: str
    pattern: str
    fresh_within_s: int = 0

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(str(stored["root"]), str(stored["pattern"]), int(stored.get("fresh_within_s") or 0))

    def folder(self) -> Path:
        """Raises SourceFault where the operator names no such folder any more."""
        return root_folder(self.root)


@dataclass(frozen=True, slots=True)
class UrlSettings:
    """A web address. `expects` is the media type that must come, "" for any."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_s: int = TIMEOUT_S
    secret_header: str = SECRET_HEADER
    expects: str = ""
    file_name: str = ""

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(
            str(stored["url"]), {str(k): str(v) for k, v in (stored.get("headers") or {}).items()},
            int(stored.get("timeout_s") or TIMEOUT_S), str(stored.get("secret_header") or SECRET_HEADER),
            str(stored.get("expects") or ""), str(stored.get("file_name") or ""),
        )

    def url_with(self, values: Mapping[str, str]) -> str:
        """The address with each {name} replaced; a value never changes which part of the address it is in."""
        text = self.url
        for name, value in values.items():
            text = text.replace("{" + name + "}", quote(value, safe=""))
        return text

    def refuse_other_type(self, media_type: str) -> None:
        """Raises SourceFault where another type came than is expected, such as the page of a sign-in."""
        came = media_type.partition(";")[0].strip().lower()
        if self.expects and came != self.expects:
            text = worded(
                "The server sent {came} where {expected} is expected; it may be a page to sign in.",
                came=printable(came, 100) or "-", expected=self.expects,
            )
            raise SourceFault(SourceFaultKind.WRONG_TYPE, text)

    @property
    def destination(self) -> str:
        """Where the secret goes, in one line."""
        parts = urlsplit(self.url)
        values = {"url": f"{parts.scheme}://{parts.netloc.lower()}", "header": self.secret_header.lower()}
        return json.dumps(values, sort_keys=True)


@dataclass(frozen=True, slots=True)
class SqlSettings:
    """A query and what becomes of its rows."""

    query: str
    format: str = "csv"
    timeout_s: int = TIMEOUT_S
    most_rows: int = MOST_ROWS

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(
            str(stored["query"]), str(stored.get("format") or "csv"), int(stored.get("timeout_s") or TIMEOUT_S),
            int(stored.get("most_rows") or MOST_ROWS),
        )


@dataclass(frozen=True, slots=True)
class SqliteSettings:
    """A database file below one of the operator's folders."""

    root: str
    path: str

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(str(stored["root"]), str(stored["path"]))

    def folder(self) -> Path:
        """Raises SourceFault where the operator names no such folder any more."""
        return root_folder(self.root)


@dataclass(frozen=True, slots=True)
class PostgresqlSettings:
    """A PostgreSQL database and its user; `tls` is one of TLS."""

    host: str
    database: str
    username: str
    port: int = _POSTGRESQL_PORT
    tls: str = TLS[0]

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        return cls(
            str(stored["host"]), str(stored["database"]), str(stored["username"]),
            int(stored.get("port") or _POSTGRESQL_PORT), str(stored.get("tls") or TLS[0]),
        )

    @property
    def destination(self) -> str:
        """Where the password goes, in one line."""
        values = {"host": self.host.lower(), "port": self.port, "username": self.username, "tls": self.tls}
        return json.dumps({"postgresql": values}, sort_keys=True)


def told_settings(source: ReportSource) -> dict[str, Any]:
    """The settings as they are shown, without what looks like a secret: earlier versions took some in the open."""
    told = dict(source.settings or {})
    if told.get("headers"):
        told["headers"] = {
            name: HIDDEN if is_secret_field(name, value) else value for name, value in told["headers"].items()
        }
    if told.get("url"):
        told["url"] = told_address(str(told["url"]))
    return told


def told_address(text: str) -> str:
    """A web address without what looks like a secret; anything else stays what it is."""
    if not text.startswith(("https://", "http://")):
        return text
    try:
        parts = urlsplit(text)
        is_open = "@" not in parts.netloc and not secret_part(parts)
    except ValueError:
        return HIDDEN
    return text if is_open else f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/{HIDDEN}"


def root_folder(name: str) -> Path:
    """The operator's folder of that name. Raises SourceFault where there is none, and where Postroom's own files lie
    in it or around it: neither keys nor passwords leave as a report."""
    folder = settings.REPORT_ROOTS.folder(name)
    if folder is None:
        text = worded("The folder {name} is not among those that the operator named.", name=printable(name, 100))
        raise SourceFault(SourceFaultKind.SETTINGS, text)
    root, own = Path(folder).resolve(), Path(settings.DATA_DIR).resolve()
    if root == own or root in own.parents or own in root.parents:
        text = worded("The folder {name} holds Postroom's own files. Ask the operator for another one.", name=name)
        raise SourceFault(SourceFaultKind.NOT_ALLOWED, text)
    return Path(folder)


def secret_of(source: ReportSource) -> str:
    """The secret header's value in clear, for the process that dials; "" where there is none. Raises VaultError."""
    if source.kind != ReportSource.Kind.URL or not source.sealed_secret:
        return ""
    return source_vault().unseal(source.sealed_secret, UrlSettings.from_json(source.settings).destination)


def password_of(connection: SqlConnection) -> str:
    """A connection's password in clear, for the process that dials; "" where there is none. Raises VaultError."""
    if connection.kind != SqlConnection.Kind.POSTGRESQL or not connection.sealed_password:
        return ""
    destination = PostgresqlSettings.from_json(connection.settings).destination
    return source_vault().unseal(connection.sealed_password, destination)


def source_vault() -> Vault:
    vault: Vault = settings.VAULT
    return vault
