"""`postroom diagnose`: test one SMTP server from here, without any database, and explain what is wrong."""

import argparse
import asyncio
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

from postroom.diagnosis.also_tried import told
from postroom.diagnosis.session_warnings import warnings_in
from postroom.flow.probes.probe import ProbeReport, probe
from postroom.net.own_name import own_name
from postroom.terms.outcome import TestStatus
from postroom.terms.server import Auth, Security, ServerSettings

from .stage_table import told_test

_FINDING_FIELDS = (
    "cause", "confidence", "title", "explanation", "fix", "field", "retry", "evidence", "proposal", "consequence",
    "alternatives",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", required=True, help="the server's name or address")
    parser.add_argument("--port", required=True, type=_port)
    modes = [str(security) for security in Security]
    parser.add_argument("--security", choices=modes, default="starttls", help="default: %(default)s")
    parser.add_argument("--username", default="")
    parser.add_argument("--password-stdin", action="store_true", help="read the password's line from standard input")
    parser.add_argument("--from", dest="from_address", required=True, metavar="ADDRESS")
    parser.add_argument("--to", dest="recipient", required=True, metavar="ADDRESS")
    parser.add_argument("--ehlo-name", default="", help="default: this machine's name")
    parser.add_argument("--ca-file", type=Path, help="PEM file of further authorities to trust for this server")
    parser.add_argument("--no-send", action="store_true", help="stop after signing in: no mail is sent")
    parser.add_argument("--allow-plain-auth", action="store_true", help="send the password without TLS if need be")
    parser.add_argument("--timeout-s", type=_seconds, default=30.0, help="default: %(default)s")
    parser.add_argument("--language", choices=("en", "fr"), default="en", help="default: %(default)s")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """0 when the test passed, 1 with a finding, 2 when an argument is of no use."""
    if args.username and not args.password_stdin:
        print("postroom diagnose: --username needs --password-stdin", file=sys.stderr)
        return 2
    try:
        settings = _settings(args)
    except (OSError, UnicodeDecodeError) as error:
        print(f"postroom diagnose: --ca-file cannot be read: {error}", file=sys.stderr)
        return 2
    password = _password() if args.password_stdin else None
    return asyncio.run(_tested(args, settings, password if args.username else None))


async def _tested(args: argparse.Namespace, settings: ServerSettings, password: str | None) -> int:
    report = await probe(
        settings, password, send=not args.no_send, timeout_s=args.timeout_s, default_ehlo_name=own_name(),
        language=args.language,
    )
    tried = told(report.facts.pop("also_tried", ()), args.language)
    warnings = warnings_in(report.facts, args.language)
    answer = _as_json(report, tried, warnings) if args.json else told_test(
        report.stages, report.finding.as_json() if report.finding else None, seconds=report.seconds, tried=tried,
        warnings=warnings, language=args.language,
    )
    print(answer, flush=True)
    status = 0 if report.status is TestStatus.PASSED else 1
    if any(thread.name.startswith("asyncio_") for thread in threading.enumerate()) and _resolver_hangs(report):
        # A look-up that the system's resolver is still busy with cannot be called off; its thread would hold us up.
        os._exit(status)
    return status


def _resolver_hangs(report: ProbeReport) -> bool:
    return report.finding is not None and report.finding.cause.startswith("dns-")


def _port(text: str) -> int:
    port = int(text)
    if not 1 <= port <= 65_535:
        raise argparse.ArgumentTypeError("a port is a number from 1 to 65535")
    return port


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 2 <= seconds <= 600:
        raise argparse.ArgumentTypeError("from 2 to 600 seconds")
    return seconds


def _password() -> str:
    """The first line of standard input without its line end; every other blank belongs to the password."""
    return sys.stdin.buffer.readline().decode("utf-8", "surrogateescape").rstrip("\r\n")


def _settings(args: argparse.Namespace) -> ServerSettings:
    return ServerSettings(
        name=args.host,
        from_address=args.from_address,
        host=args.host,
        port=args.port,
        security=Security(args.security),
        auth=Auth.PASSWORD if args.username else Auth.NONE,
        username=args.username,
        test_recipient=args.recipient,
        ehlo_name=args.ehlo_name,
        ca_pem=args.ca_file.read_text(encoding="ascii") if args.ca_file else "",
        allow_plain_auth=args.allow_plain_auth,
    )


def _as_json(report: ProbeReport, tried: list[dict[str, Any]], warnings: list[dict[str, str]]) -> str:
    finding = report.finding.as_json() if report.finding else {}
    answer = {
        "verdict": "success" if report.status is TestStatus.PASSED else "failure",
        **{name: finding.get(name) for name in _FINDING_FIELDS},
        "stages": report.stages,
        "server": report.facts,
        "transcript": report.transcript,
        "seconds": report.seconds,
        "also_tried": tried,
        "warnings": warnings,
    }
    return json.dumps(answer, ensure_ascii=False)
