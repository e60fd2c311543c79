"""A Postroom as people run it, with one server that leads to the sink."""

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.rig.api import Api
from tests.rig.installation import Installation, Run, running_postroom
from tests.rig.postgresql import session_cluster
from tests.rig.programs import free_port

from . import http_load, processes
from .plan import Plan

IDEMPOTENT = "Idempotency-Key"


class Postroom:
    """A running installation."""

    def __init__(self, run: Run, submission_port: int) -> None:
        self.run, self.submission_port = run, submission_port
        self.api = Api(run)
        done = run.installation.command("token", "create", "benchmark", "--scope", "send")
        self.token = done.stdout.strip()
        self.port = int(urlsplit(run.url).port or 0)
        self._server = ""

    @property
    def data(self) -> Path:
        return self.run.installation.data

    def add_server(self, port: int, **limits: int) -> None:
        """The default server, without encryption or sign-in, used without a test."""
        body = {
            "name": f"Sink {port}", "host": "127.0.0.1", "port": port, "security": "none", "auth": "none",
            "from_address": "reports@example.com", "use_unverified": True, "reason": "benchmark", "is_default": True,
            "limits": limits,
        }
        self._server = self.api.ask("POST", "smtp-servers", 201, body)["id"]
        time.sleep(1.0)  # doors may know the servers of a second ago

    def pause(self) -> None:
        """Deliver nothing from now on."""
        self.api.ask("POST", f"smtp-servers/{self._server}/pause", 200, {})
        time.sleep(1.5)  # the engine looks twice a second

    def resume(self) -> None:
        self.api.ask("POST", f"smtp-servers/{self._server}/resume", 200)

    def fill(self, bodies: Sequence[dict[str, Any]], *, batch: int = 100, connections: int = 2) -> http_load.Answers:
        """Hand over messages through the API, `batch` in one request."""
        groups = [bodies[start : start + batch] for start in range(0, len(bodies), batch)]
        requests = (self.request("messages/batch", {"messages": list(group)}) for group in groups)
        answers = http_load.load(self.port, requests, connections)
        if answers.refused:
            raise RuntimeError(f"a batch was answered {answers.refused[0]}")
        return answers

    def request(self, path: str, body: Any, key: str = "") -> bytes:
        """An HTTP request of the API, in octets."""
        octets = json.dumps(body).encode()
        keyed = f"{IDEMPOTENT}: {key}\r\n" if key else ""
        return (
            f"POST /api/v1/{path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nAuthorization: Bearer {self.token}\r\n"
            f"Content-Type: application/json\r\n{keyed}Content-Length: {len(octets)}\r\n\r\n"
        ).encode() + octets

    def cpu_s(self) -> dict[str, float]:
        """Seconds that each process has computed, by role."""
        roles = {role: processes.cpu_s(pid) for role, pid in self.run.children().items()}
        if "POSTROOM_DATABASE_URL" in self.run.installation.environment:
            roles["PostgreSQL"] = processes.cpu_s(session_cluster().process_id)
        return {**roles, "supervisor": processes.own_cpu_s(self.run.process.pid)}

    def memory_mib(self) -> dict[str, float]:
        """What each process holds, by role."""
        return {role: processes.memory_mib(pid) for role, pid in self.run.children().items()}

    def quiet(self) -> None:
        """Wait until nothing is owed any more."""
        processes.wait_until_quiet(*self.run.children().values())


def spent_us(before: dict[str, float], after: dict[str, float], messages: int) -> dict[str, float]:
    """Microseconds of processor time for each message, by role, those that did nothing left out, and in all."""
    spent = {role: (after[role] - before.get(role, 0.0)) * 1e6 / messages for role in sorted(after)}
    return {**{role: us for role, us in spent.items() if us >= 1.0}, "all": sum(spent.values())}


@contextmanager
def running(plan: Plan, folder: Path, *, submission: bool = False, **environment: str) -> Iterator[Postroom]:
    """`postroom run` on an empty data directory while the block runs; every port may be dialed."""
    environment = {"POSTROOM_SMTP_PORTS": "1-65535", **environment}
    port = free_port() if submission else 0
    if submission:
        environment |= {
            "POSTROOM_SUBMISSION": f"127.0.0.1:{port}", "POSTROOM_SUBMISSION_TRUST": "127.0.0.0/8",
        }
    if database := plan.fresh_database():
        environment["POSTROOM_DATABASE_URL"] = database
    with running_postroom(Installation(folder / "postroom", **environment)) as run:
        yield Postroom(run, port)
