"""D1: what the kernel saw, over HTTP and SMTP: every sync has returned before the answer that depends on it leaves."""

import contextlib
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.peers import missing, needed_program
from tests.rig.api import Api
from tests.rig.installation import Installation, running_postroom
from tests.rig.submission import serving

pytestmark = pytest.mark.crash
SUBMISSIONS = 50
_CALL = re.compile(r"^(\d+) +(\w+)\((.*)$")
_RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)$")


@contextlib.contextmanager
def traced(process_id: int, output: Path) -> Iterator[None]:
    """Record syncs and writes of a process, all its threads, while the block runs."""
    arguments = [
        needed_program("strace"), "-f", "-y", "-s", "48", "-e", "trace=fsync,fdatasync,write,writev,sendto,sendmsg",
        "-o", str(output), "-p", str(process_id),
    ]
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        said = tracer.stderr.readline()
        if "attached" not in said:
            tracer.kill()
            missing(f"strace may not attach: {said.strip()}")
        try:
            yield
        finally:
            tracer.terminate()


def effects(output: Path, answer: str) -> Iterator[str]:
    """"sync PATH" for each sync that returned 0, and "answer" for each `answer` that began to be written, in order."""
    begun: dict[tuple[str, str], str] = {}
    for line in output.read_text(errors="replace").splitlines():
        if resumed := _RESUMED.match(line):
            process, call, rest = resumed.groups()
            call_text = begun.pop((process, call), "") + rest
        elif started := _CALL.match(line):
            process, call, call_text = started.groups()
            if answer in call_text:
                yield "answer"
            if call_text.endswith("<unfinished ...>"):
                begun[process, call] = call_text
                continue
        else:
            continue
        if call in ("fsync", "fdatasync") and call_text.rstrip().endswith("= 0"):
            path = re.search(r"<([^>]*)>", call_text)
            yield f"sync {path.group(1) if path else ''}"


SIZES = pytest.mark.parametrize("lines", [1, 20_000], ids=["in the database", "in a file"])


@SIZES
def test_d1_everything_is_synced_before_202(tmp_path: Path, lines: int) -> None:
    output = tmp_path / "trace"
    with running_postroom(Installation(tmp_path / "data")) as run:
        api = Api(run, "send")
        with traced(run.children()["web"], output):
            for number in range(SUBMISSIONS):
                text = f"Figures of run {number}, {time.time_ns()}\n" * lines
                api.ask("POST", "messages", 202, {"to": ["someone@example.org"], "subject": "Figures", "text": text})
    check(syncs_before_answers(output, "HTTP/1.1 202"), lines)


@SIZES
@pytest.mark.django_db
def test_d1_everything_is_synced_before_250(tmp_path: Path, lines: int) -> None:
    output = tmp_path / "trace"
    with serving(tmp_path / "data") as door, traced(door.process_id, output), door.client() as client:
        client.login("app", door.token)
        for number in range(SUBMISSIONS):
            mail = f"Subject: Figures {number}\r\n\r\n" + f"{time.time_ns()}\r\n" * lines
            client.sendmail("app@host.example", ["someone@example.org"], mail)
    assert len(door.messages()) == SUBMISSIONS
    check(syncs_before_answers(output, "250 2.0.0 Accepted"), lines)


def check(trace: Iterator[list[str]], lines: int) -> None:
    """Content that is a file was synced, then its folder, then the commit; small content came with the commit."""
    answers = list(trace)
    assert len(answers) == SUBMISSIONS
    for synced in answers:
        commit = [place for place, path in enumerate(synced) if path.endswith("/postroom.sqlite3-wal")]
        content = [place for place, path in enumerate(synced) if "/blobs/arriving/" in path]
        assert commit, synced
        assert bool(content) == (lines > 1), synced
        if content:
            folder = [place for place, path in enumerate(synced) if re.search(r"/blobs/[0-9a-f]{2}$", path)]
            assert content[-1] < folder[-1] < commit[-1], synced


def syncs_before_answers(output: Path, answer: str) -> Iterator[list[str]]:
    """What was synced before each answer to a message, since the answer before."""
    synced: list[str] = []
    for effect in effects(output, answer):
        if effect == "answer":
            yield synced
            synced = []
        else:
            synced.append(effect.removeprefix("sync "))
