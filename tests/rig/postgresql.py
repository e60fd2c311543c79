"""A private PostgreSQL: Debian's programs, a directory, a port and a password of its own; every commit is synced.

The server's programs refuse to run as root; then an unprivileged user runs them. It ends with the process of the tests.
"""

import atexit
import ctypes
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

import psycopg
from tests.peers import missing
from tests.rig.programs import free_port

STARTS_WITHIN_S = 60.0
USERS = ("postgres", "nobody")
_PR_SET_PDEATHSIG = 1


@cache
def session_cluster() -> "Cluster":
    """The one of this test process, started when first asked for."""
    cluster = Cluster()
    atexit.register(cluster.close)
    return cluster


class Cluster:
    """A running server; `close` ends it and removes its files."""

    def __init__(self) -> None:
        self._programs = _programs()
        self._user = _unprivileged_user()
        self.folder = Path(tempfile.mkdtemp(prefix="postroom-postgresql-"))
        if self._user is not None:
            os.chown(self.folder, pwd.getpwnam(self._user).pw_uid, pwd.getpwnam(self._user).pw_gid)
        self.port, self.password = free_port(), secrets.token_urlsafe(18)
        self._made = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._initialise()
        self.start()

    @property
    def process_id(self) -> int:
        """The process that all of the server's others descend from."""
        assert self._process is not None
        return self._process.pid

    def url(self, name: str = "postgres", *, by_socket: bool = False) -> str:
        """The POSTROOM_DATABASE_URL of a database."""
        host, query = ("", f"?host={self.folder}") if by_socket else ("127.0.0.1", "?sslmode=disable")
        return f"postgresql://postroom:{self.password}@{host}:{self.port}/{name}{query}"

    def create(self, template: str = "template0") -> str:
        """The name of a fresh database."""
        self._made += 1
        name = f"fresh_{os.getpid()}_{self._made}"
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def migrated(self) -> str:
        """The name of a fresh database with Postroom's schema."""
        name = self.create()
        kept = {key: value for key, value in os.environ.items() if not key.startswith("POSTROOM_")}
        with tempfile.TemporaryDirectory() as data:
            environment = {
                **kept, "POSTROOM_DATA": data, "POSTROOM_DATABASE_URL": self.url(name),
                "DJANGO_SETTINGS_MODULE": "postroom.settings",
            }
            words = [sys.executable, "-m", "django", "migrate", "--verbosity", "0"]
            done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return name

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        settings = {
            "listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self.folder,
            "shared_buffers": "32MB", "max_connections": 120, "logging_collector": "off",
        }
        words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self.folder / "data", *words], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, user=self._user, extra_groups=None if self._user is None else [], cwd="/",
                start_new_session=True, preexec_fn=_end_with_parent,
            )
        deadline = time.monotonic() + STARTS_WITHIN_S
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                psycopg.connect(self.url(), connect_timeout=2).close()
            except psycopg.OperationalError:
                time.sleep(0.05)
            else:
                return
        said = (self.folder / "log").read_text(errors="replace")[-4000:]
        raise AssertionError(f"PostgreSQL does not start; it said:\n{said}")

    def stop(self, number: signal.Signals = signal.SIGINT) -> None:
        """End the server: SIGINT at once and in order, SIGQUIT as if it crashed."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(30)
            self._process = None

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _initialise(self) -> None:
        secret = self.folder / "password"
        secret.touch(mode=0o600)
        secret.write_text(self.password)
        if self._user is not None:
            shutil.chown(secret, self._user)
        done = subprocess.run(
            [
                self._programs / "initdb", "-D", self.folder / "data", "-U", "postroom", "-A", "scram-sha-256",
                "--pwfile", secret, "-E", "UTF8", "--locale", "C",
            ],
            user=self._user, extra_groups=None if self._user is None else [], cwd="/", capture_output=True, text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        secret.unlink()


def _programs() -> Path:
    """The folder of the server's programs, of the newest version; skips, or fails when CI=true, where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]))
    if found:
        return found[-1].parent
    beside = shutil.which("postgres")
    if beside is None:
        missing("PostgreSQL is not installed (Debian: make packages, or apt-get install postgresql-15)")
    return Path(str(beside)).resolve().parent


def _unprivileged_user() -> str | None:
    """Who runs the server when the suite runs as root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(user for user in USERS if user in known)


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
