"""What is refused at start (O6): settings that would only fail later, each with its id, reason and hint."""

import os
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from postroom.net.server_tls import server_context
from postroom.policy.fetch_networks import FetchNetworks
from postroom.policy.ports import Ports
from postroom.policy.report_roots import ReportRoots
from postroom.policy.submission import TrustedNetworks, endpoints
from postroom.store.vault import Vault, VaultError
from postroom.terms.name_servers import name_servers

from . import submission
from .database_check import database_problems
from .instance import DATABASE
from .start_problem import StartProblem

# Django 5.2 needs it.
SQLITE_NEEDED = (3, 31, 0)


def start_problems(environment: Mapping[str, str], data: Path) -> list[StartProblem]:
    """Everything wrong with the environment and the data directory, which is made where it is missing."""
    return [
        *_environment_problems(environment),
        *_root_problems(environment, data),
        *_sqlite_problems(sqlite3.sqlite_version_info),
        *_data_problems(data),
        *_key_problems(data),
        *database_problems(environment, data),
    ]


def _environment_problems(environment: Mapping[str, str]) -> Iterator[StartProblem]:
    yield from _submission_problems(environment)
    if "POSTROOM_SMTP_PORTS" in environment:
        try:
            Ports.parse(environment["POSTROOM_SMTP_PORTS"])
        except ValueError as error:
            yield StartProblem(
                "smtp-ports-invalid",
                f"POSTROOM_SMTP_PORTS: {error}",
                "Separate ports and ranges by commas, such as 25,465,587,2525 or 587,10000-10010.",
            )
    yield from _source_problems(environment)
    for name in ("POSTROOM_QUEUE_LIMIT", "POSTROOM_QUEUE_LIMIT_PER_CLIENT"):
        typed = environment.get(name, "1")
        if not (typed.isascii() and typed.isdigit() and 1 <= int(typed) <= 10**12):
            yield StartProblem(
                "queue-limit-invalid", f"{name} {typed!r} is not a number of deliveries",
                "Give a number of at least 1, or leave it out for the default.",
            )
    if environment.get("POSTROOM_METRICS", "token") not in ("token", "public"):
        yield StartProblem(
            "metrics-invalid", f"POSTROOM_METRICS is {environment['POSTROOM_METRICS']!r}",
            "Give token or public, or leave it out: /metrics then asks for a token of scope read.",
        )
    if "POSTROOM_DNS" in environment:
        try:
            name_servers(environment["POSTROOM_DNS"])
        except ValueError as error:
            yield StartProblem(
                "dns-invalid", f"POSTROOM_DNS: {error}",
                "Give addresses of DNS servers, separated by commas, such as 9.9.9.9,149.112.112.112.",
            )
    if "POSTROOM_URL" in environment and not _is_web_address(environment["POSTROOM_URL"]):
        yield StartProblem(
            "url-invalid",
            f"POSTROOM_URL {environment['POSTROOM_URL']!r} is not the address of a web site",
            "Give the address that people type, such as https://mail.example.org, without anything after the host.",
        )


def _source_problems(environment: Mapping[str, str]) -> Iterator[StartProblem]:
    try:
        ReportRoots.parse(environment.get("POSTROOM_REPORT_ROOTS", ""))
    except ValueError as error:
        yield StartProblem(
            "report-roots-invalid", f"POSTROOM_REPORT_ROOTS: {error}",
            "Give the folders that reports may be taken from, such as /srv/reports,exports=/mnt/exports.",
        )
    try:
        FetchNetworks.parse(environment.get("POSTROOM_FETCH_NETWORKS", ""))
    except ValueError as error:
        yield StartProblem(
            "fetch-networks-invalid", f"POSTROOM_FETCH_NETWORKS: {error}",
            "Give the internal networks that reports may be fetched from, such as 10.1.0.0/16.",
        )
    try:
        FetchNetworks.parse(environment.get("POSTROOM_WEBHOOK_NETWORKS", ""))
    except ValueError as error:
        yield StartProblem(
            "webhook-networks-invalid", f"POSTROOM_WEBHOOK_NETWORKS: {error}",
            "Give the internal networks that webhooks may be sent to, such as 10.1.0.0/16.",
        )


def _root_problems(environment: Mapping[str, str], data: Path) -> Iterator[StartProblem]:
    """A report must never be made of the keys or the database."""
    try:
        roots = ReportRoots.parse(environment.get("POSTROOM_REPORT_ROOTS", ""))
    except ValueError:
        return  # said already
    own = data.resolve()
    for name, folder in roots:
        root = Path(folder).resolve()
        if root == own or root in own.parents or own in root.parents:
            yield StartProblem(
                "report-roots-own-files",
                f"POSTROOM_REPORT_ROOTS: {name}={folder} and the data directory {data} lie in one another",
                "Name a folder that holds reports and nothing of Postroom's own.",
            )


def _submission_problems(environment: Mapping[str, str]) -> Iterator[StartProblem]:
    try:
        endpoints(environment.get(submission.ADDRESSES, ""))
    except ValueError as error:
        yield StartProblem(
            "submission-invalid", f"{submission.ADDRESSES}: {error}",
            "Give addresses and ports to listen on, such as 127.0.0.1:2525 or 0.0.0.0:587,0.0.0.0:465.",
        )
    try:
        TrustedNetworks.parse(environment.get(submission.TRUST, ""))
    except ValueError as error:
        yield StartProblem(
            "submission-trust-invalid", f"{submission.TRUST}: {error}",
            "Give the networks that may submit without a sign-in, such as 127.0.0.0/8,10.1.0.0/16.",
        )
    certificate, key = environment.get(submission.CERTIFICATE), environment.get(submission.KEY)
    try:
        if key and not certificate:
            raise OSError(f"{submission.KEY} is set without {submission.CERTIFICATE}")
        if certificate:
            server_context(Path(certificate), Path(key or certificate))
    except OSError as error:
        yield StartProblem(
            "submission-certificate-unusable", f"{submission.CERTIFICATE}: {error.strerror or error}",
            "Name PEM files that this user may read: the certificate with its chain, and the key that belongs to it.",
        )


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(host) and port != 0 and parts.path in ("", "/")


def _sqlite_problems(version: tuple[int, ...]) -> Iterator[StartProblem]:
    if version < SQLITE_NEEDED:
        have, need = (".".join(map(str, v)) for v in (version, SQLITE_NEEDED))
        yield StartProblem(
            "sqlite-too-old",
            f"Python here comes with SQLite {have}; Postroom needs {need}",
            "Use the Python of a newer system, such as Debian 12, Ubuntu 24.04 or RHEL 9.",
        )


def _data_problems(data: Path) -> Iterator[StartProblem]:
    """Try what the processes will do: make the directory, and a file in it."""
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=data) as file:
            os.fsync(file.fileno())
    except OSError as error:
        yield StartProblem(
            "data-not-writable",
            f"the data directory {data} can't be written: {error.strerror}",
            "Name a directory that this user owns with --data or POSTROOM_DATA.",
        )


def _key_problems(data: Path) -> Iterator[StartProblem]:
    """A database without its keys: new ones would look well and read no stored password (T6)."""
    if any((data / "keys").glob("*.key")):
        try:
            Vault(data / "keys").derive("start check")
        except (VaultError, OSError) as error:
            yield StartProblem("key-unusable", str(error).rstrip("."), "Its owner is this user, and its mode 0600.")
    elif (data / DATABASE).exists():
        yield StartProblem(
            "keys-missing",
            f"{data} holds a database, but its keys/ are missing, so no stored password can be read",
            "Restore the folder keys/ from its backup. To go on without: make a new data directory.",
        )
