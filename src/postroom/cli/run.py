"""`postroom run`: everything on one machine. A supervisor of the web, engine and sandbox processes."""

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from . import submission
from .children import Child, ChildNeverReady
from .data_lock import DataDirectoryTaken, locked_data_directory
from .instance import add_data_argument, data_directory, load_django
from .listener import Listener, ListenRefused, listening_socket, port_of
from .start_check import start_problems
from .start_problem import StartProblem

STOP_WITHIN_S = 25.0
# Addresses that stand for all of this machine's, and where it reaches itself then.
_EVERY_NETWORK = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_data_argument(parser)
    host_help = "address to listen on (default: %(default)s, this machine alone)"
    parser.add_argument("--host", default="127.0.0.1", help=host_help)
    port_help = "port of pages and API (default: %(default)s; 0: a free one)"
    parser.add_argument("--port", type=int, default=8025, help=port_help)


def run(args: argparse.Namespace) -> int:
    os.umask(0o077)
    data = data_directory(args.data)
    problems = start_problems(os.environ, data)
    if problems:
        return _refuse(*problems)
    try:
        lock = locked_data_directory(data)
    except DataDirectoryTaken as error:
        hint = "Stop it first, or name another directory with --data."
        return _refuse(StartProblem("already-running", str(error), hint))
    try:
        listener = listening_socket(args.host, args.port)
    except ListenRefused as error:
        return _refuse(StartProblem("address-not-available", error.reason, error.hint))
    try:
        opened = submission.opened_sockets(os.environ)
    except ListenRefused as error:
        hint = f"Choose another address or port in {submission.ADDRESSES}."
        return _refuse(StartProblem("submission-address-not-available", error.reason, hint))
    if opened:
        os.environ[submission.ADDRESSES] = submission.as_setting(opened)
    if "POSTROOM_URL" not in os.environ:
        os.environ["POSTROOM_URL"] = _local_url(args.host, port_of(listener))
        if args.host in _EVERY_NETWORK:
            _say("Only this machine is answered: set POSTROOM_URL to the address by which others reach it.")
    problem = _prepare(data)
    if problem is not None:
        return _refuse(problem)
    return asyncio.run(_supervise(listener, opened, lock))


def _refuse(*problems: StartProblem) -> int:
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1


def _local_url(host: str, port: int) -> str:
    shown = _EVERY_NETWORK.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}"


def _prepare(data: Path) -> StartProblem | None:
    """Keys, tables, and the set-up link while nobody can sign in; why the database can't be used, if so."""
    load_django(data)
    from django.db import DatabaseError, connection

    from postroom.flow.users.first_start import new_setup_code
    from postroom.store.database import shown_database
    from postroom.store.models import User
    from postroom.store.schema import bring_up_to_date

    _say(f"Postroom uses {data} ({shown_database()}).")
    try:
        bring_up_to_date()
        if not User.objects.exists():
            _say(f"Set up Postroom: {os.environ['POSTROOM_URL'].rstrip('/')}/setup?code={new_setup_code()}")
    except DatabaseError as error:
        hint = "Stop whatever else uses it. If it is damaged, restore it from its backup."
        return StartProblem("database-unusable", f"{shown_database()} can't be used: {error}", hint)
    finally:
        connection.close()
    return None


async def _supervise(listener: Listener, opened: Sequence[submission.Opened], lock: int) -> int:
    """Run the children until a signal asks for the end. Exit status 1 when they could not be started."""
    children = [
        Child("web", ["--listen-fd", str(listener.fileno())], [listener.fileno(), lock]),
        Child("engine", [], [lock]),
        Child("sandbox", [], [lock]),
    ]
    if opened:
        descriptors = [o.listener.fileno() for o in opened]
        children.append(Child("submission", ["--submission-fds", submission.as_argument(opened)], [*descriptors, lock]))
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, _asked_to_stop, stop, children)
    kept = [asyncio.create_task(child.keep_running()) for child in children]
    said = submission.announced(os.environ, opened) if opened else []
    ready = asyncio.create_task(_announce(children, said))
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait([stopped, *kept], return_when=asyncio.FIRST_COMPLETED)
    ready.cancel()
    _say("Postroom is stopping.")
    clean = await _stop_in_order(children)
    failures = [result for result in await asyncio.gather(*kept, return_exceptions=True) if result is not None]
    for failure in failures:
        if not isinstance(failure, ChildNeverReady):
            raise failure
        print(f"Postroom does not start: {failure}. What it said stands above.", file=sys.stderr)
    _say("Postroom has stopped.")
    return 0 if clean and not failures else 1


def _asked_to_stop(stop: asyncio.Event, children: list[Child]) -> None:
    """The first signal ends everything in order, a second one at once."""
    if stop.is_set():
        for child in children:
            child.kill()
    stop.set()


async def _announce(children: list[Child], said: Sequence[str]) -> None:
    await asyncio.gather(*(child.ready.wait() for child in children))
    for line in said:
        _say(line)
    _say(f"Postroom is ready at {os.environ['POSTROOM_URL']}")


async def _stop_in_order(children: list[Child]) -> bool:
    """Whatever takes or sends mail first, together; last the sandbox, to which the engine may still deliver."""
    deadline = time.monotonic() + STOP_WITHIN_S
    sandbox = [child for child in children if child.role == "sandbox"]
    others = [child for child in children if child not in sandbox]
    clean = await asyncio.gather(*(child.stop(STOP_WITHIN_S) for child in others))
    clean += await asyncio.gather(*(child.stop(max(deadline - time.monotonic(), 1.0)) for child in sandbox))
    return all(clean)


def _say(line: str) -> None:
    print(line, flush=True)
