"""Calls to a Postroom elsewhere: the token travels encrypted or stays on this machine."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from postroom.net.api_client import ApiClient, ApiFailed

CANARY = "pr_Canary-token"
ERRORS = [{"field": "to", "text": "Empty."}]
PROBLEM = {"title": "Some fields can't be taken", "detail": "Correct: to.", "errors": ERRORS}


class Elsewhere(BaseHTTPRequestHandler):
    """Answers by path."""

    def do_GET(self) -> None:
        self._answer(200, b"<html>" if self.path.endswith("/page") else b'{"status": "ready"}')

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if body == {}:
            self._answer(422, json.dumps(PROBLEM).encode())
            return
        seen = [self.path, self.headers["Authorization"], self.headers["Idempotency-Key"], body]
        self._answer(202, json.dumps(seen).encode())

    def _answer(self, status: int, octets: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(octets)))
        self.end_headers()
        self.wfile.write(octets)

    def log_message(self, *_: object) -> None:
        """Nothing to say."""


@pytest.fixture
def address() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_document_is_posted_with_token_and_key(address: str) -> None:
    answer = ApiClient(f"{address}/mail/", CANARY).post("/api/v1/messages", {"to": "é"}, **{"Idempotency-Key": "k"})
    assert answer == ["/mail/api/v1/messages", f"Bearer {CANARY}", "k", {"to": "é"}]
    assert ApiClient(address, CANARY).get("/health/ready") == {"status": "ready"}


def test_a_refusal_is_told_with_its_fields(address: str) -> None:
    with pytest.raises(ApiFailed) as failure:
        ApiClient(address, CANARY).post("/api/v1/messages", {})
    assert str(failure.value) == "Some fields can't be taken: Correct: to.\nto: Empty."


def test_something_else_at_the_address_is_noticed(address: str) -> None:
    with pytest.raises(ApiFailed, match="isn't Postroom"):
        ApiClient(address, CANARY).get("/page")


def test_nobody_at_the_address_is_said() -> None:
    closed = HTTPServer(("127.0.0.1", 0), Elsewhere)
    closed.server_close()
    with pytest.raises(ApiFailed, match="can't be reached") as failure:
        ApiClient(f"http://127.0.0.1:{closed.server_port}", CANARY).get("/")
    assert CANARY not in str(failure.value)


@pytest.mark.parametrize(
    "url", ["http://postroom.example", "ftp://127.0.0.1", "127.0.0.1:8025", "https://", "http://user@127.0.0.1", ""]
)
def test_an_address_that_would_expose_the_token_is_refused(url: str) -> None:
    with pytest.raises(ApiFailed):
        ApiClient(url, CANARY)


@pytest.mark.parametrize("token", ["pr_a\r\nX: y", "pr é", "pr a"])
def test_a_token_that_could_end_the_line_is_refused(token: str) -> None:
    with pytest.raises(ApiFailed):
        ApiClient("http://127.0.0.1:1", token)
