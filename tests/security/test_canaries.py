"""The search itself finds what it looks for; otherwise finding nothing would mean nothing."""

import base64
import html
import json
import subprocess
import sys
import urllib.parse
from pathlib import Path

import django.utils.html
import pytest
from tests.canaries import forms_in, forms_in_files, forms_in_processes

SECRET = "canary é+/=&\"'<1> of the search"


@pytest.mark.parametrize("user", ["", "a", "ab", "abc", "reports@example.org"])
def test_a_secret_within_auth_plain_is_found(user: str) -> None:
    assert forms_in(SECRET, base64.b64encode(f"\0{user}\0{SECRET}".encode()))


WRITTEN = [
    SECRET, urllib.parse.quote(SECRET), urllib.parse.quote_plus(SECRET), SECRET.encode().hex(), repr(SECRET),
    json.dumps(SECRET), html.escape(SECRET), str(django.utils.html.escape(SECRET)), SECRET.encode("utf-16"),
]


@pytest.mark.parametrize("text", WRITTEN)
def test_a_secret_is_found_in_each_form_that_programs_write(text: bytes | str) -> None:
    assert forms_in(SECRET, text)


def test_a_secret_is_found_across_the_pieces_of_a_large_file(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "log").write_bytes(b"x" * ((1 << 20) - 5) + SECRET.encode() + b"y" * 100)
    assert forms_in_files(SECRET, tmp_path) == ["deep/log: clear"]
    assert forms_in_files("another canary of the search", tmp_path) == []


def test_a_secret_in_process_arguments_is_found() -> None:
    arguments = [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()", SECRET]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as shown:
        assert shown.stdout is not None
        try:
            shown.stdout.read(1)  # just after the start the kernel shows no arguments yet
            assert any(place.endswith(": clear") for place in forms_in_processes(SECRET))
        finally:
            shown.kill()


def test_a_short_canary_is_refused() -> None:
    with pytest.raises(ValueError, match="by chance"):
        forms_in("short", "whatever")
