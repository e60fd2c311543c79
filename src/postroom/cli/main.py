"""The command `postroom`. Each subcommand lives in a module of its own, loaded only when it is the one that runs.

Exit status of every subcommand: 0 ok, 1 failed, 2 wrong usage.
"""

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import NamedTuple

import postroom


class Command(NamedTuple):
    """A subcommand: the module below postroom.cli that has `add_arguments(parser)` and `run(args) -> int`."""

    module: str
    summary: str


COMMANDS = {
    "run": Command("run", "run everything on this machine"),
    "diagnose": Command("diagnose", "test one SMTP server and explain what is wrong"),
    "explain": Command("explain", "explain an error text read from standard input"),
    "server": Command("server", "configure, test, pause and remove SMTP servers"),
    "queue": Command("queue", "say what waits and what holds it; hold, release, try again, cancel"),
    "domain": Command("domain", "read what the DNS says of a mail domain"),
    "dkim": Command("dkim", "make, publish and switch on DKIM keys"),
    "send": Command("send", "hand over a message"),
    "bounce": Command("bounce", "take a bounce or complaint from standard input"),
    "suppression": Command("suppression", "list, add and remove recipients that get no mail"),
    "recipient": Command("recipient", "list, add, remove and import who gets mail"),
    "group": Command("group", "list, make and remove groups of recipients"),
    "subscription": Command("subscription", "subscribe people to reports, run and pause"),
    "schedule": Command("schedule", "say what words or a cron expression mean, and when"),
    "load-plan": Command("load_plan", "say when the reports of a day will really have left"),
    "calendar": Command("calendar", "list, add and remove holiday calendars"),
    "webhook": Command("webhook", "say who hears of events, test it, tell it again"),
    "announce": Command("announce", "write the same to many people, each in a message of their own"),
    "test-mode": Command("test_mode", "send everything to one address for a while"),
    "route": Command("route", "explain what would happen to a message, and when"),
    "rule": Command("rule", "list the delivery rules"),
    "source": Command("source", "list, add, try and push to report sources"),
    "template": Command("template", "list, show, change and preview templates"),
    "alert": Command("alert", "list and acknowledge alerts, and change their rules"),
    "doctor": Command("doctor", "say what is wrong; exit status 1 where something is"),
    "notify": Command("notify", "tell people how a job ended"),
    "token": Command("token", "create and revoke tokens of API clients"),
    "user": Command("user", "create and invite users, reset passwords"),
    "migrate": Command("migrate", "make or change the tables of the database, as `run` does at its start"),
    "serve": Command("serve", "run one role: web, engine, sandbox or submission (`run` starts them)"),
}


def parser_for(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The parser with all subcommands, of which only the one that `arguments` name has been imported."""
    parser = argparse.ArgumentParser(prog="postroom", description="The mail room of a report server.")
    parser.add_argument("--version", action="version", version=f"postroom {postroom.__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    wanted = next((word for word in arguments if not word.startswith("-")), None)
    for name, command in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=command.summary, description=command.summary)
        if name == wanted:
            module = importlib.import_module(f"postroom.cli.{command.module}")
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the subcommand that `arguments` (default: those of the process) name; returns its exit status."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    args = parser_for(words).parse_args(words)
    try:
        return int(args.run(args))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone (`postroom … | head`): not a failure worth a traceback.
        sys.stderr.close()
        return 1
