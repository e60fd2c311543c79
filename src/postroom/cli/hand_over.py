"""Handing a message over, here or over HTTP, and following it until its fate is known."""

import sys
import time
import uuid
from typing import Any, Protocol

from postroom.net.api_client import ApiClient, ApiFailed
from postroom.terms.problem import Problem

_FINAL = ("sent", "failed", "uncertain", "held", "cancelled")
_POLL_S = 0.25


class Way(Protocol):
    """How a message reaches a queue. Every method may raise Problem or ApiFailed."""

    def accept(self, body: dict[str, Any], key: str | None) -> str:
        """The message's id, once it is stored."""

    def deliveries(self, message_id: str) -> list[dict[str, Any]]:
        """Recipient, state and finding of each delivery."""

    def engine_runs(self) -> bool:
        """Whether somebody delivers what is stored there."""


class OverHttp:
    """To the API of a Postroom elsewhere."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    def accept(self, body: dict[str, Any], key: str | None) -> str:
        # With a key of its own a repeated request, after a lost answer, is not sent twice (U4).
        header = {"Idempotency-Key": key or str(uuid.uuid4())}
        return str(self._client.post("/api/v1/messages", body, **header)["id"])

    def deliveries(self, message_id: str) -> list[dict[str, Any]]:
        return list(self._client.get(f"/api/v1/messages/{message_id}")["deliveries"])

    def engine_runs(self) -> bool:
        causes = self._client.get("/health/ready").get("causes", [])
        return all(cause["cause"] != "engine-stopped" for cause in causes)


def handed_over(way: Way, body: dict[str, Any], *, key: str | None, wait_s: float | None, is_quiet: bool) -> int:
    """Hand over, say where it is, wait if asked to; the exit status. `is_quiet` keeps standard output empty."""
    try:
        message_id = way.accept(body, key)
        if not is_quiet:
            print(message_id, flush=True)
        if not way.engine_runs():
            text = f"Stored as {message_id}. It waits: no engine is running there. Start one with: postroom run"
            print(text, file=sys.stderr)
        return 0 if wait_s is None else _fate(way, message_id, wait_s)
    except (Problem, ApiFailed) as problem:
        print(_sentences(problem), file=sys.stderr)
        return 1


def _fate(way: Way, message_id: str, wait_s: float) -> int:
    """Wait until every delivery is settled or the time is over; 0 when all are sent."""
    deadline = time.monotonic() + wait_s
    deliveries = way.deliveries(message_id)
    while any(d["state"] not in _FINAL for d in deliveries) and time.monotonic() < deadline:
        time.sleep(_POLL_S)
        deliveries = way.deliveries(message_id)
    for delivery in deliveries:
        print(f"{delivery['recipient']}: {delivery['state']}", file=sys.stderr)
        finding = delivery["finding"]
        if finding:
            print(f"  {finding['title']}: {finding['explanation']}", file=sys.stderr)
            print("".join(f"  - {step}\n" for step in finding["fix"]), end="", file=sys.stderr)
    return 0 if all(delivery["state"] == "sent" for delivery in deliveries) else 1


def _sentences(problem: Problem | ApiFailed) -> str:
    if isinstance(problem, Problem):
        return "\n".join([problem.detail, *(f"{error.field}: {error.text}" for error in problem.errors)])
    return str(problem)
