"""A case made of the log of a test, as a user sends it: `python -m tests.faults.recording LOG` prints it.

The log (flow/probes/test_log) has no secret. What it says the server said is said again; what it says Postroom sent is
expected, with names and addresses left open. Where a handshake failed, a certificate at fault in the same way is shown.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

_PLACE = re.compile(r"^(?P<host>\S+) port \d+, (?P<security>none|starttls|tls), started ")
_NO_SIGN_IN = re.compile(r"^authenticate +not-needed")
_FINDING = re.compile(r"\((?P<cause>[a-z0-9-]+)\)$")
_LINE = re.compile(r"^ *\d+\.\d{3} (?P<who>C|S|--): ?(?P<text>.*)$")
_ADDRESS = re.compile(r"^(?:MAIL FROM|RCPT TO):<([^>]+)>")
# What OpenSSL says of a certificate, and the kind of certificates.py of which it says so.
_CERTIFICATES = (
    ("has expired", "expired"), ("not yet valid", "not-yet-valid"), ("mismatch", "other-name"),
    ("self-signed certificate in certificate chain", "private-chain"), ("self-signed", "self-signed"),
    ("key too", "weak-key"), ("purpose", "for-clients"), ("issuer", "without-intermediate"),
)
_INTERCEPTORS = ("fortinet", "avast", "zscaler", "sophos")
_ENDS = {"closed": "drop", "reset": "reset", "timeout": "silence"}


def recorded(log: str, name: str) -> str:
    """The case of a test's log. Raises ValueError for a text that is none, or in which no server was reached."""
    lines = log.splitlines()
    place = next((found for line in lines if (found := _PLACE.match(line))), None)
    said = [(found["who"], found["text"]) for line in lines if (found := _LINE.match(line))]
    if place is None or not any(who in "CS" or text.startswith("TLS ") for who, text in said):
        raise ValueError("this is no log of a test that reached a server")
    values = {"security": place["security"], "host": place["host"]}
    if not any(map(_NO_SIGN_IN.match, lines)):
        values["username"] = "reports@norrvik.example"
    cause = next((found["cause"] for line in lines if (found := _FINDING.search(line))), "")
    if cause:
        values["cause"] = cause
    for key, (_, text) in zip(("from", "to"), _commands(said), strict=False):
        if found := _ADDRESS.match(text):
            values[key] = found[1]
    values |= _certificate(said)
    acts = [f"= {key} {value}" for key, value in values.items()]
    return "\n".join([f"=== {name}", *acts, *_acts(said), ""])


def _commands(said: Iterable[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    yield from ((who, text) for who, text in said if who == "C" and _ADDRESS.match(text))


def _certificate(said: list[tuple[str, str]]) -> dict[str, str]:
    for who, text in said:
        if who == "--" and text.startswith("TLS failed (certificate)"):
            kind = next((kind for words, kind in _CERTIFICATES if words in text.lower()), "self-signed")
            if any(word in line.lower() for _, line in said for word in _INTERCEPTORS):
                kind = "intercepted"
            return {"certificate": kind, **({"trusts": "nobody"} if kind == "private-chain" else {})}
    return {}


def _acts(said: list[tuple[str, str]]) -> Iterator[str]:
    """The acts of the server, in the order of the log."""
    for index, (who, text) in enumerate(said):
        after = said[index + 1] if index + 1 < len(said) else ("", "")
        if who == "S":
            yield _said(text, after[1] if after[0] == "--" else "")
        elif who == "C":
            yield from _expected(text)
        elif text.startswith(("TLS 1", "TLS failed (certificate)")):
            yield "tls"
        elif text.startswith("TLS failed ("):
            yield from _failed_handshake(text, after[1])
        elif end := _ENDS.get(text.partition(":")[0]):
            yield end
            return
    yield from ("C: *", "S: 250 2.0.0 Ok", "C: *", "S: 221 2.0.0 Bye")


def _said(text: str, remark: str) -> str:
    """Words as they came; what a remark says of them is that they did not end, or were no reply."""
    if remark.startswith(("endless", "too-long")):
        return f"flood {text}" + ("\\r\\n" if remark.startswith("endless") else "")
    whole = not remark.startswith("timeout") and not text.endswith("\\x0a")
    return f"S> {text}" + ("\\r\\n" if whole else "") if "\\x" in text or not whole else f"S: {text}"


def _expected(text: str) -> Iterator[str]:
    """What the client says; a step of AUTH is hidden, and the dot belongs to the content before it."""
    if text.startswith("[content of "):
        yield "C."
    elif text != ".":
        verb = text.split(" ")[0]
        yield f"C: {verb}*" if verb.isalpha() else "C: *"


def _failed_handshake(text: str, remark: str) -> Iterator[str]:
    spoken = "the server said in place of TLS: "
    if remark.startswith(spoken):
        yield f"S> {remark.removeprefix(spoken)}"
    yield _ENDS.get(text.removeprefix("TLS failed (").partition(")")[0], "drop")


if __name__ == "__main__":
    source = Path(sys.argv[1])
    sys.stdout.write(recorded(source.read_text(encoding="utf-8"), source.stem))
