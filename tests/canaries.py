"""Look for a secret in whatever was left or said: in clear, base64 at every alignment, escaped, in hex."""

import base64
import html
import json
import os
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

_CHUNK_BYTES = 1 << 20


def forms_of(secret: str) -> dict[str, bytes]:
    """How `secret` may look somewhere, by the name of the form. It must be long enough not to appear by chance."""
    octets = secret.encode()
    if len(octets) < 12:
        raise ValueError("a canary of fewer than 12 octets would be found by chance")
    forms = {
        "clear": octets,
        "UTF-16": secret.encode("utf-16-le"),
        "URL": urllib.parse.quote(secret, safe="").encode(),
        "URL path": urllib.parse.quote(secret).encode(),
        "form": urllib.parse.quote_plus(secret, safe="").encode(),
        "JSON": json.dumps(secret)[1:-1].encode(),
        "JSON in UTF-8": json.dumps(secret, ensure_ascii=False)[1:-1].encode(),
        "HTML": html.escape(secret).encode(),
        "Python": repr(secret)[1:-1].encode(),
        "hex": octets.hex().encode(),
    }
    for shift in range(3):
        # Inside a longer base64 text, such as that of AUTH PLAIN, the first and last quanta mix with their neighbours.
        text = base64.b64encode(b"\0" * shift + octets)
        text = text[4 if shift else 0 : (shift + len(octets)) // 3 * 4]
        forms[f"base64 at {shift}"] = text
        forms[f"base64url at {shift}"] = text.replace(b"+", b"-").replace(b"/", b"_")
    return forms


def forms_in(secret: str, data: bytes | str) -> list[str]:
    """Names of the forms of `secret` that `data` contains."""
    octets = data.encode() if isinstance(data, str) else data
    return [name for name, form in forms_of(secret).items() if form in octets]


def forms_in_files(secret: str, folder: Path) -> list[str]:
    """"FILE: FORM" for every file below `folder` that holds the secret, its name included."""
    return [
        f"{path.relative_to(folder)}: {form}"
        for path in sorted(folder.rglob("*"))
        for form in [*forms_in(secret, str(path.name)), *(_forms_in_file(secret, path) if path.is_file() else ())]
    ]


def forms_in_processes(secret: str) -> list[str]:
    """"PROCESS ARGUMENTS: FORM" for every process of this machine that shows the secret in its arguments (T8)."""
    return [f"{arguments!r}: {form}" for arguments in _process_arguments() for form in forms_in(secret, arguments)]


def _forms_in_file(secret: str, path: Path) -> list[str]:
    forms = forms_of(secret)
    overlap = max(map(len, forms.values())) - 1
    found: list[str] = []
    with path.open("rb") as file:
        tail = b""
        while chunk := file.read(_CHUNK_BYTES):
            window = tail + chunk
            found += [name for name, form in forms.items() if name not in found and form in window]
            tail = window[-overlap:]
    return found


def _process_arguments() -> Iterator[bytes]:
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            try:
                yield Path(entry.path, "cmdline").read_bytes().replace(b"\0", b" ")
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
