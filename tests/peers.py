"""Programs that tests need beside Python: present, or the test says so.

`make test` installs them when it may. Where they are missing anyway a test is skipped with its reason on a person's own
machine, and fails when CI=true: a suite that quietly tests less must not look green.
"""

import os
import shutil
from pathlib import Path

import pytest

PACKAGES = {
    "postfix": "postfix",
    "dovecot": "dovecot-core",
    "chromium": "chromium",
    "strace": "strace",
    "ip": "iproute2",
}
_FOLDERS = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


def needed_program(name: str) -> str:
    """The path of a program of `PACKAGES`; skips the test without it, or fails it when CI=true."""
    path = shutil.which(name, path=_FOLDERS)
    if path is None:
        missing(f"{name} is not installed (Debian: apt-get install {PACKAGES[name]})")
    return str(path)


def needed_peer(package: str) -> Path:
    """The folder into which `.ci/packages` unpacked a Debian package; skips the test without it, or fails it in CI."""
    folder = Path(__file__).parents[1] / ".peers" / package
    if not folder.is_dir():
        missing(f"{package} is not unpacked (as root on Debian: make packages)")
    return folder


def needed_root(why: str) -> None:
    """Skips the test, or fails it when CI=true, unless the suite runs as root."""
    if os.geteuid() != 0:
        missing(f"needs root: {why}")


def missing(what: str) -> None:
    """Skip, or fail when CI=true, because of `what`."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI=true and {what}", pytrace=False)
    pytest.skip(what)
