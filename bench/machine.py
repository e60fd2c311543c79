"""The machine that figures were measured on, without its name or any path of it."""

import os
import platform
import re
import shutil
import sqlite3
import subprocess
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

SYNCS, SYNC_BYTES = 200, 4_096
PACKAGES = (
    "django", "django-ninja", "django-post_office", "granian", "uvicorn", "uvloop", "aiosmtplib", "psycopg",
)
PROGRAMS = {
    "Postfix": ["/usr/sbin/postconf", "-d", "-h", "mail_version"],
    "Node.js": ["node", "--version"],
    "nodemailer": ["node", "-p", "require('/usr/share/nodejs/nodemailer/package.json').version"],
}


def described() -> list[str]:
    """One sentence for each thing that figures depend on."""
    programs = [f"{name} {said}" for name, words in PROGRAMS.items() if (said := _said(words))]
    return [
        f"{os.cpu_count()} cores ({_processor()}), {_memory_gib():.0f} GiB of memory, {platform.system()}"
        f" {re.match(r'[0-9.]+', platform.release())[0]}",  # type: ignore[index]
        f"disk: {_filesystem()}; {sync_ms():.2f} ms for a synced append of 4 KB (median of {SYNCS})",
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {_postgresql()}",
        ", ".join(programs),
        ", ".join(f"{name} {version(name)}" for name in PACKAGES),
        "sender, relay, receiver and database share the cores; all traffic is on the loopback interface, without TLS",
    ]


def sync_ms() -> float:
    """What the disk takes to sync a small append: the floor of every commit."""
    taken = []
    with tempfile.TemporaryFile() as file:
        for _ in range(SYNCS):
            file.write(b"x" * SYNC_BYTES)
            file.flush()
            begun_s = time.perf_counter()
            os.fdatasync(file.fileno())
            taken.append(time.perf_counter() - begun_s)
    return sorted(taken)[SYNCS // 2] * 1_000


def _processor() -> str:
    found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found.group(1).strip() if found else platform.machine()


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _filesystem() -> str:
    return _said(["stat", "-f", "-c", "%T", tempfile.gettempdir()]) or "unknown"


def _postgresql() -> str:
    newest = max(Path("/usr/lib/postgresql").glob("*/bin/postgres"), default=None)
    said = _said([str(newest), "--version"]) if newest else ""
    return f"PostgreSQL {said.split()[2]}" if said else "no PostgreSQL"


def _said(words: list[str]) -> str:
    if shutil.which(words[0]) is None:
        return ""
    done = subprocess.run(words, capture_output=True, text=True, timeout=20, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""
