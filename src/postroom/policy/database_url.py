"""POSTROOM_DATABASE_URL: which database holds everything but files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import parse_qsl, unquote, urlsplit

SCHEMES = ("postgresql", "postgres")
PORT = 5432
# What of libpq's parameters an address may set: how it is reached and secured. Those by which Postroom keeps its
# promises (commits that are synced, its time zone) stay its own.
OPTIONS = ("sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "connect_timeout", "gssencmode", "channel_binding")
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


class DatabaseUrlProblem(ValueError):
    """The address can't be used; the text never holds any of it but a scheme or the name of an option."""


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """An address of a PostgreSQL database. `host` is a directory where the server listens on a Unix socket; without a
    `password` libpq looks for one in its password file. Shown as text it has no password."""

    host: str
    port: int
    name: str
    user: str
    password: str = field(default="", repr=False)
    options: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"postgresql://{self.user}@{self.host}:{self.port}/{self.name}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises DatabaseUrlProblem."""
        scheme = text.partition(":")[0].lower()
        if scheme not in SCHEMES or "://" not in text:
            known = scheme if scheme.replace("+", "").isalnum() and len(scheme) <= 20 and "://" in text else ""
            raise DatabaseUrlProblem(f"it begins with {known}://, and only postgresql:// is known" if known else _FORM)
        try:
            parts = urlsplit(text)
            port, host = parts.port, unquote(parts.hostname or "")
        except ValueError:
            raise DatabaseUrlProblem(_FORM) from None
        name, options = unquote(parts.path.removeprefix("/")), _options(parts.query)
        host = options.pop("host", host)
        if not name or "/" in name or not parts.username or parts.fragment:
            raise DatabaseUrlProblem(_FORM)
        if not host:
            raise DatabaseUrlProblem("it names no host; for a Unix socket add ?host=/run/postgresql")
        return cls(host, port or PORT, name, unquote(parts.username), unquote(parts.password or ""), options)


_FORM = "it is not of the form postgresql://user:password@host:port/database"


def _options(query: str) -> dict[str, str]:
    found = dict(parse_qsl(query, keep_blank_values=True))
    for name in found.keys() - {*OPTIONS, "host"}:
        shown = name if name.replace("_", "").isalnum() and len(name) <= 30 else "that name"
        raise DatabaseUrlProblem(f"it has an option {shown}; known are {', '.join((*OPTIONS, 'host'))}")
    if found.get("sslmode", "prefer") not in SSL_MODES:
        raise DatabaseUrlProblem(f"its sslmode is none of {', '.join(SSL_MODES)}")
    if not found.get("connect_timeout", "1").isdecimal():
        raise DatabaseUrlProblem("its connect_timeout is no number of seconds")
    return found
