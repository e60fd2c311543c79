"""One `postroom run` on a data directory."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from postroom.cli.data_lock import DataDirectoryTaken, locked_data_directory

HOLD = (
    "import sys, pathlib, subprocess, time\nfrom postroom.cli.data_lock import locked_data_directory\n"
    "lock = locked_data_directory(pathlib.Path(sys.argv[1]))\n"
    "child = subprocess.Popen(['sleep', sys.argv[2]], pass_fds=[lock])\nprint('held', flush=True)\ntime.sleep(60)"
)


def _holder(folder: Path, child_s: str) -> subprocess.Popen[str]:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(folder), child_s], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_second_run_is_refused_and_told_which_process_runs(tmp_path: Path) -> None:
    holder = _holder(tmp_path, "0")
    try:
        began = time.monotonic()
        with pytest.raises(DataDirectoryTaken, match=f"process {holder.pid}"):
            locked_data_directory(tmp_path)
        assert time.monotonic() - began < 5
    finally:
        holder.kill()
        holder.communicate()


def test_after_a_kill_the_next_run_waits_for_the_orphans_and_starts(tmp_path: Path) -> None:
    holder = _holder(tmp_path, "1.5")
    began = time.monotonic()
    holder.kill()
    holder.communicate()
    os.close(locked_data_directory(tmp_path))
    assert time.monotonic() - began > 0.5


def test_the_lock_is_free_again_when_its_run_has_ended(tmp_path: Path) -> None:
    os.close(locked_data_directory(tmp_path))
    os.close(locked_data_directory(tmp_path))
