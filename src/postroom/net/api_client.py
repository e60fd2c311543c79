"""Calls to the API of a Postroom elsewhere, for the command line."""

import http.client
import json
import ssl
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_S = 60.0
ANSWER_BYTES = 16 * 1024 * 1024
LOOPBACK = ("127.0.0.1", "::1", "localhost")


class ApiFailed(Exception):
    """The API could not be reached, or refused; the text says which and holds no token."""


class ApiClient:
    """The API at `url` (such as https://postroom.example) with a bearer token.

    A token never travels in clear over a network: http is taken for this machine only.
    """

    def __init__(self, url: str, token: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
            raise ApiFailed("The address of Postroom looks like https://postroom.example.")
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise ApiFailed("The token would travel unencrypted. Use https, or the machine's own 127.0.0.1.")
        if not (token.isascii() and token.isprintable()) or " " in token:
            raise ApiFailed("The token isn't one of Postroom's.")
        self._parts, self._token = parts, token

    def get(self, path: str) -> Any:
        """The JSON at `path`. Raises ApiFailed."""
        return self._call("GET", path, None, {})

    def post(self, path: str, document: Any, **header: str) -> Any:
        """The JSON that posting `document` is answered with. Raises ApiFailed."""
        return self._call("POST", path, json.dumps(document).encode(), header)

    def _call(self, method: str, path: str, body: bytes | None, header: dict[str, str]) -> Any:
        fields = {"Authorization": f"Bearer {self._token}", "Accept": "application/json", **header}
        if body is not None:
            fields["Content-Type"] = "application/json"
        connection = self._connection()
        try:
            connection.request(method, self._parts.path.rstrip("/") + path, body, fields)
            answer = connection.getresponse()
            status, octets = answer.status, answer.read(ANSWER_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise ApiFailed(f"Postroom at {self._parts.netloc} can't be reached: {error}.") from error
        finally:
            connection.close()
        try:
            document = json.loads(octets)
        except ValueError:
            raise ApiFailed(f"What answers at {self._parts.netloc} isn't Postroom (HTTP {status}).") from None
        if status >= 300:
            raise ApiFailed(_refusal(status, document))
        return document

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "http":
            return http.client.HTTPConnection(host, port, timeout=TIMEOUT_S)
        return http.client.HTTPSConnection(host, port, timeout=TIMEOUT_S, context=ssl.create_default_context())


def _refusal(status: int, document: Any) -> str:
    if not isinstance(document, dict):
        return f"Postroom refused with HTTP {status}."
    lines = [f"{document.get('title', 'Postroom refused')}: {document.get('detail', f'HTTP {status}')}"]
    errors = document.get("errors")
    lines += [f"{e.get('field')}: {e.get('text')}" for e in errors or [] if isinstance(e, dict)]
    return "\n".join(lines)
