"""What the actions of `postroom source` do, once the instance is open."""

import argparse
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.utils import timezone

from postroom.flow.reports import report_sources as kept
from postroom.flow.reports import sql_connections
from postroom.flow.reports.fetch_report import fetched
from postroom.flow.reports.push_report import ArrivingReport, pushed_json
from postroom.flow.reports.stored_report import as_json, report_blobs
from postroom.store.models import ReportSource, SqlConnection
from postroom.terms.problem import Problem
from postroom.terms.source_fault import SourceFault

from .refused import Usage

ACTOR = "command line"
_POSTGRESQL = re.compile(r"([^@]+)@(\[[^\]]+\]|[^:/@]+)(?::([0-9]{1,5}))?/(.+)")
_PIECE_BYTES = 256 * 1024


def listed(args: argparse.Namespace) -> int:
    """Print all sources and connections."""
    sources, connections = kept.sources(), sql_connections.connections()
    if args.json:
        document = {
            "report_sources": [{"id": row.pk, **kept.source_json(row)} for row in sources],
            "sql_connections": [{"id": row.pk, **sql_connections.connection_json(row)} for row in connections],
        }
        print(json.dumps(document, ensure_ascii=False))
        return 0
    for row in sources:
        newest = kept.newest_report(row)
        at = f"{newest.made_at:%Y-%m-%d %H:%M}Z  {newest.size_bytes} bytes" if newest else "no report yet"
        print(f"{row.kind:7} {row.name:32} {at}")
    for connection in connections:
        print(f"{connection.kind:7} {connection.name:32} connection")
    return 0


def added(args: argparse.Namespace) -> int:
    """Add a source."""
    values: dict[str, Any] = {"name": args.name, "kind": "pushed", "settings": {}}
    if args.file:
        root, colon, pattern = args.file.partition(":")
        if not colon:
            raise Usage("Write the folder's name, a colon and the pattern, such as reports:sales/*.csv.")
        fresh_s = round(args.fresh_hours * 3_600)
        values |= {"kind": "file", "settings": {"root": root, "pattern": pattern, "fresh_within_s": fresh_s}}
    elif args.url:
        values |= {"kind": "url", "settings": {"url": args.url}}
    elif args.query:
        query = sys.stdin.read() if args.query == "-" else Path(args.query).read_text(encoding="utf-8")
        connection = SqlConnection.objects.filter(name=args.connection).first()
        values |= {"kind": "sql", "settings": {"query": query, "format": args.format}, "connection": _pk(connection)}
    if args.secret_stdin:
        values["secret"] = sys.stdin.readline().rstrip("\r\n")
    row = kept.add_source(values, ACTOR)
    print(row.pk)
    return 0


def removed(args: argparse.Namespace) -> int:
    kept.remove_source(_source(args.name).pk, ACTOR)
    return 0


def tried(args: argparse.Namespace) -> int:
    """Fetch a report and print what it is."""
    values = dict(_pair(text) for text in args.value)
    try:
        report = fetched(_source(args.name), values, timezone.localtime())
    except SourceFault as fault:
        print(f"{fault.kind}: {fault.text}", file=sys.stderr)
        if fault.evidence:
            print(fault.evidence, file=sys.stderr)
        return 1
    print(json.dumps(as_json(report), ensure_ascii=False, default=str, indent=2))
    return 0


def pushed(args: argparse.Namespace) -> int:
    """Hand over a report from a file."""
    file = Path(args.file)
    try:
        with file.open("rb") as octets, ArrivingReport(report_blobs(), _source(args.name).pk, "") as arriving:
            while piece := octets.read(_PIECE_BYTES):
                arriving.feed(piece)
            report, runs = arriving.finish(args.file_name or file.name, ACTOR, None, timezone.now())
    except OSError as error:
        raise Usage(f"{args.file}: {error.strerror}") from error
    except Problem as problem:
        print(problem, file=sys.stderr)
        return 1
    print(json.dumps(pushed_json(report, runs), ensure_ascii=False))
    return 0


def connected(args: argparse.Namespace) -> int:
    """Add a connection to a database."""
    if args.sqlite:
        root, _colon, path = args.sqlite.partition(":")
        values: dict[str, Any] = {"kind": "sqlite", "settings": {"root": root, "path": path}}
    else:
        match = _POSTGRESQL.fullmatch(args.postgresql)
        if match is None:
            raise Usage("Write the database as user@host:port/database.")
        settings = {"username": match[1], "host": match[2], "port": int(match[3] or 5432), "database": match[4]}
        values = {"kind": "postgresql", "settings": settings | {"tls": args.tls}}
    if args.password_stdin:
        values["password"] = sys.stdin.readline().rstrip("\r\n")
    print(sql_connections.add_connection({"name": args.name, **values}, ACTOR).pk)
    return 0


def _source(name: str) -> ReportSource:
    rows = ReportSource.objects.select_related("connection")
    row = rows.filter(name=name).first() or rows.filter(pk=name[:26]).first()
    if row is None:
        raise Usage(f"There is no report source {name!r}. See: postroom source list")
    return row


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise Usage("Write a value as name=text.")
    return name, value


def _pk(row: SqlConnection | None) -> str:
    return row.pk if row else ""


ACTIONS: dict[str, Callable[[argparse.Namespace], int]] = {
    "list": listed, "add": added, "remove": removed, "try": tried, "push": pushed, "connect": connected,
}
