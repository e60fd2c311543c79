"""The HTTP API of a running Postroom, as an application uses it."""

import time
from typing import Any

import httpx

from .installation import Run


class Api:
    """Requests with a token of `scope`; every answer is kept in `answers`, for those who look for secrets."""

    def __init__(self, run: Run, scope: str = "admin") -> None:
        done = run.installation.command("token", "create", f"tests {scope}", "--scope", scope)
        assert done.returncode == 0, done.stderr
        self.answers: list[httpx.Response] = []
        self._client = httpx.Client(
            base_url=f"{run.url}/api/v1/", headers={"Authorization": f"Bearer {done.stdout.strip()}"}, timeout=30
        )

    def ask(self, method: str, path: str, expected: int, body: Any = None, **headers: str) -> Any:
        """The decoded JSON of an answer, whose status must be `expected`."""
        answer = self._client.request(method, path, json=body, headers=headers)
        self.answers.append(answer)
        assert answer.status_code == expected, answer.text
        return answer.json() if answer.content else None

    def text(self, path: str) -> str:
        """The text of an answer of status 200."""
        answer = self._client.get(path)
        self.answers.append(answer)
        assert answer.status_code == 200, answer.text
        return answer.text

    def ended_test(self, path: str, body: Any = None, within_s: float = 40.0) -> Any:
        """Start a test by POST to `path`; what became of it once it is over."""
        started = self.ask("POST", path, 202, body)
        deadline = time.monotonic() + within_s
        while True:
            test = self.ask("GET", f"tests/{started['id']}", 200)
            if test["status"] in ("passed", "failed", "stopped"):
                return test
            assert time.monotonic() < deadline, test
            time.sleep(0.1)

    def settled_message(self, message_id: str, within_s: float = 40.0) -> Any:
        """The message once none of its deliveries waits or is on its way."""
        deadline = time.monotonic() + within_s
        while True:
            message = self.ask("GET", f"messages/{message_id}", 200)
            if not {delivery["state"] for delivery in message["deliveries"]} & {"queued", "sending"}:
                return message
            assert time.monotonic() < deadline, message
            time.sleep(0.1)
