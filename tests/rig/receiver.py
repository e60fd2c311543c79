"""A receiver of webhooks that answers as it is told, and keeps what came."""

import json
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, slots=True)
class Taken:
    """One request: its path, its header fields by lower-case name, its octets."""

    path: str
    header: dict[str, str]
    body: bytes

    @property
    def events(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.body)["events"]
        return found


@dataclass(slots=True)
class Receiver:
    """Listens on loopback. `answers` are the next statuses, 204 when there are no more; `said` is their body and
    `header` further fields of each answer, before which it waits `pause_s`."""

    answers: list[int] = field(default_factory=list)
    said: bytes = b""
    header: dict[str, str] = field(default_factory=dict)
    pause_s: float = 0.0
    taken: list[Taken] = field(default_factory=list)
    _server: ThreadingHTTPServer | None = None

    def start(self) -> None:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                header = {name.lower(): value for name, value in self.headers.items()}
                receiver.taken.append(Taken(self.path, header, body))
                time.sleep(receiver.pause_s)
                self.send_response(receiver.answers.pop(0) if receiver.answers else 204)
                for name, value in receiver.header.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(receiver.said)))
                self.end_headers()
                with suppress(OSError):  # whoever asked has gone
                    self.wfile.write(receiver.said)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_port}/mail-events"

    @property
    def events(self) -> list[dict[str, Any]]:
        """Of all requests, in their order."""
        return [event for taken in self.taken for event in taken.events]

    def stop(self) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()
