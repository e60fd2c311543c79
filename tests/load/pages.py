"""Measures pages of a small and of a large installation, side by side: `make pages-load`.

Two data directories are filled with 1,000 and with 100,000 messages of a month, their activity log and audit trail.
A web process serves each. Every page is asked for in turn from the one and the other, so that whatever else this
machine does slows both; the median counts. A page that takes more than twice as long for a hundred times as many
messages is measured once more, then the exit status is 1.
"""

import contextlib
import http.client
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.rig.installation import Installation

ROOT = Path(__file__).parents[2]
SMALL, LARGE = 1_000, 100_000
REQUESTS = 15
WARMING = 3
MOST_RATIO = 2.0
FILLED_WITHIN_S = 600
READY_WITHIN_S = 30
PAGES = {
    "Overview, 1 hour": "/?period=hour",
    "Overview, 24 hours": "/",
    "Overview, 7 days": "/?period=week",
    "Overview, 30 days": "/?period=month",
    "Overview, 30 days as table": "/?period=month&table=deliveries",
    "Messages": "/messages",
    "Messages, 30 days": "/messages?period=month",
    "Messages, newest first": "/messages?sort=newest",
    "Messages, failed": "/messages?state=failed",
    "Messages, sent": "/messages?state=sent&period=all",
    "Messages of a server, sent": "/messages?state=sent&server={server}",
    "Messages, a client's": "/messages?client=Payroll",
    "Messages, a purpose": "/messages?purpose=alert",
    "Messages, a cause": "/messages?cause=recipient-mailbox-full",
    "Messages, search a recipient": "/messages?q=planning7@norrvik.example",
    "Messages, search a word": "/messages?q=Cold+chain",
    "Messages, search nothing there": "/messages?q=zebra",
    "A message": "/messages/{message}",
    "A message in the panel": "/messages?open={message}",
    "Activity log, a busy day": "/activity",
    "Activity log, an outcome": "/activity?outcome=deferred",
    "Activity log, a recipient": "/activity?recipient=person7@norrvik.example",
    "Activity log, a word": "/activity?text=greylisted",
    "SMTP configuration": "/smtp-servers",
    "Audit trail": "/audit",
    "Storage and retention": "/storage",
    "Write a message": "/messages/new",
}
# Filters so narrow that they find a few rows among 1,000 messages and a full page among 100,000. Drawing a row takes
# its time in either, so the large page is compared with one of the small installation that has as many rows.
NARROW = {
    "Messages, a cause": "Messages",
    "Messages, search a recipient": "Messages",
    "Activity log, a recipient": "Activity log, a busy day",
}


@dataclass(slots=True)
class Site:
    """A web process with its data, and whoever asks it."""

    messages: int
    connection: http.client.HTTPConnection
    cookie: str
    names: dict[str, str]

    def milliseconds(self, path: str) -> float:
        """How long the answer took, to its last octet."""
        begun = time.perf_counter()
        self.connection.request("GET", path.format(**self.names), headers={"Cookie": self.cookie})
        answer = self.connection.getresponse()
        answer.read()
        self.connection.close()  # the server does not keep it for long
        taken = (time.perf_counter() - begun) * 1_000
        assert answer.status == 200, f"{path} answered {answer.status}"
        return taken


@dataclass(frozen=True, slots=True)
class Measured:
    """Medians in milliseconds."""

    page: str
    small_ms: float
    large_ms: float

    @property
    def ratio(self) -> float:
        return self.large_ms / self.small_ms

    @property
    def is_too_slow(self) -> bool:
        return self.ratio > MOST_RATIO


def main() -> int:
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="postroom-load-")))
        begun = time.monotonic()
        installations = {size: Installation(folder / str(size)) for size in (SMALL, LARGE)}
        print(f"Filling two installations with {SMALL:,} and {LARGE:,} messages …", flush=True)
        keys = _filled(installations)
        print(f"Filled in {time.monotonic() - begun:.0f} s. Asking for each page {REQUESTS} times …", flush=True)
        sites = [stack.enter_context(_site(installations[size], size, keys[size])) for size in (SMALL, LARGE)]
        measured = [_measured(page, sites) for page in PAGES]
    _print_table(measured)
    slow = [each for each in measured if each.is_too_slow]
    print(f"\n{len(slow)} of {len(measured)} pages take more than {MOST_RATIO:g} times as long.")
    return 1 if slow else 0


def _filled(installations: dict[int, Installation]) -> dict[int, str]:
    """Fill both at once; the sessions' keys."""
    processes = {}
    for size, installation in installations.items():
        installation.data.mkdir(mode=0o700)
        environment = {**installation.environment, "DJANGO_SETTINGS_MODULE": "postroom.settings"}
        processes[size] = subprocess.Popen(
            [sys.executable, "-m", "tests.load.filling", str(size)], env=environment, cwd=ROOT, text=True,
            stdout=subprocess.PIPE,
        )
    keys = {}
    for size, process in processes.items():
        said, _ = process.communicate(timeout=FILLED_WITHIN_S)
        if process.returncode:
            raise SystemExit(f"The data directory of {size:,} messages could not be filled.")
        keys[size] = said.split()[-1]
    return keys


@contextlib.contextmanager
def _site(installation: Installation, messages: int, key: str) -> Iterator[Site]:
    port = _free_port()
    arguments = installation.arguments("serve", "web", "--data", str(installation.data), "--port", str(port))
    with subprocess.Popen(arguments, env=installation.environment, stderr=subprocess.DEVNULL) as process:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            _wait_for(connection)
            yield Site(messages, connection, f"{_cookie_name(installation)}={key}", _names(installation))
        finally:
            process.terminate()


def _wait_for(connection: http.client.HTTPConnection) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while True:
        try:
            connection.request("GET", "/health/live")
            connection.getresponse().read()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return
        finally:
            connection.close()


def _measured(page: str, sites: Sequence[Site]) -> Measured:
    first = _medians(page, sites)
    return min(first, _medians(page, sites), key=lambda m: m.ratio) if first.is_too_slow else first


def _medians(page: str, sites: Sequence[Site]) -> Measured:
    paths = (PAGES[NARROW.get(page, page)], PAGES[page])
    times: list[list[float]] = [[] for _site in sites]
    for n in range(WARMING + REQUESTS):
        for site, path, taken in zip(sites, paths, times, strict=True):
            taken_ms = site.milliseconds(path)
            if n >= WARMING:
                taken.append(taken_ms)
    small, large = (statistics.median(taken) for taken in times)
    return Measured(page, small, large)


def _print_table(measured: Sequence[Measured]) -> None:
    print(f"\n{'Median of ' + str(REQUESTS):34}{f'{SMALL:,}':>10}{f'{LARGE:,}':>12}{'ratio':>8}")
    for each in measured:
        mark = f"  (1,000: {NARROW[each.page]})" if each.page in NARROW else ""
        mark += "  too slow" if each.is_too_slow else ""
        print(f"{each.page:34}{each.small_ms:7.1f} ms{each.large_ms:9.1f} ms{each.ratio:8.2f}{mark}")


def _names(installation: Installation) -> dict[str, str]:
    """A server and a message in the middle of the month."""
    script = (
        "import django; django.setup(); from postroom.store.models import Message, SmtpServer;"
        "print(SmtpServer.objects.first().pk, Message.objects.order_by('pk')[Message.objects.count() // 2].pk)"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], env={**installation.environment, "DJANGO_SETTINGS_MODULE": "postroom.settings"},
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout
    server, message = said.split()
    return {"server": server, "message": message}


def _cookie_name(installation: Installation) -> str:
    script = "from django.conf import settings; print(settings.SESSION_COOKIE_NAME)"
    environment = {**installation.environment, "DJANGO_SETTINGS_MODULE": "postroom.settings"}
    return subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True, timeout=60
    ).stdout.strip()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
