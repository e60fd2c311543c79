"""`postroom serve ROLE`: one process of an installation. `postroom run` starts and watches all of them."""

import argparse
import functools
import resource
import sys
from collections.abc import Callable

from .instance import add_data_argument, open_instance
from .lifeline import say_ready, tie_to
from .logs import log_json_lines

Ready = Callable[[], None]

# More than the connections of any door; where there is no hard limit, as on macOS, no system grants an endless one.
_DESCRIPTORS = 65_536


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("role", choices=sorted(_ROLES))
    add_data_argument(parser)
    parser.add_argument("--host", default="127.0.0.1", help="web: address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8025, help="web: port to listen on (default: %(default)s)")
    parser.add_argument("--submission-fds", help=argparse.SUPPRESS)
    for name in ("--listen-fd", "--lifeline-fd", "--ready-fd"):
        parser.add_argument(name, type=int, help=argparse.SUPPRESS)


def run(args: argparse.Namespace) -> int:
    log_json_lines(args.role)
    if args.lifeline_fd is not None:
        tie_to(args.lifeline_fd)
    if not open_instance(args.data):
        return 1
    return _ROLES[args.role](args, functools.partial(_tell, args.ready_fd))


def _tell(ready_fd: int | None) -> None:
    if ready_fd is not None:
        say_ready(ready_fd)


def _raise_descriptors() -> None:
    """For doors: each connection takes one; systems begin with 1,024."""
    granted, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if most == resource.RLIM_INFINITY else min(most, _DESCRIPTORS)
    if granted < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def _serve_web(args: argparse.Namespace, ready: Ready) -> int:
    import uvicorn

    from .listener import Listener, ListenRefused, inherited_socket, listening_socket
    from .web_connection import WebConnection

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[Listener] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                ready()

    try:
        inherited = args.listen_fd is not None
        listener = inherited_socket(args.listen_fd) if inherited else listening_socket(args.host, args.port)
    except ListenRefused as error:
        print(f"{error.reason}. {error.hint}", file=sys.stderr)
        return 1
    config = uvicorn.Config(
        "postroom.asgi:application",
        log_config=None,
        access_log=False,
        lifespan="on",
        http=WebConnection,
        ws="none",
        server_header=False,
        # W7: a client's own X-Forwarded-For must not speak for it.
        proxy_headers=False,
        timeout_graceful_shutdown=15,
    )
    _raise_descriptors()
    server = Server(config)
    server.run(sockets=[listener])
    return 0 if server.started else 1


def _serve_engine(_: argparse.Namespace, ready: Ready) -> int:
    from postroom.engine.main import serve

    serve(ready)
    return 0


def _serve_sandbox(_: argparse.Namespace, ready: Ready) -> int:
    from postroom.sandbox.server import serve

    serve(ready)
    return 0


def _serve_submission(args: argparse.Namespace, ready: Ready) -> int:
    import os

    from postroom.net.listening import Listened
    from postroom.submission.door import door_over
    from postroom.submission.main import serve

    from . import submission
    from .listener import ListenRefused

    try:
        if args.submission_fds:
            sockets = submission.inherited(args.submission_fds)
        else:
            opened = submission.opened_sockets(os.environ)
            sockets = [Listened(o.listener, o.endpoint.is_encrypted) for o in opened]
        if not sockets:
            print(f"Set {submission.ADDRESSES}, such as {submission.ADDRESSES}=127.0.0.1:2525.", file=sys.stderr)
            return 1
        door = door_over(sockets)
    except ListenRefused as error:
        print(f"{error.reason}. Choose another address in {submission.ADDRESSES}.", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"The certificate of the submission door can't be used: {error}", file=sys.stderr)
        return 1
    _raise_descriptors()
    serve(door, ready)
    return 0


_ROLES: dict[str, Callable[[argparse.Namespace, Ready], int]] = {
    "web": _serve_web,
    "engine": _serve_engine,
    "sandbox": _serve_sandbox,
    "submission": _serve_submission,
}
