"""Processor time and memory of a process with all its descendants, as the kernel counts them."""

import os
import time
from pathlib import Path

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
QUIET_CORES = 0.10
LOOK_S = 0.25


def family(pid: int) -> list[int]:
    """The process and all its living descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, waiting = [], [pid]
    while waiting:
        each = waiting.pop()
        found.append(each)
        waiting += children.get(each, [])
    return found


def cpu_s(pid: int) -> float:
    """Seconds that the family has computed, those of its ended members included."""
    return sum(own_cpu_s(each) for each in family(pid))


def own_cpu_s(pid: int) -> float:
    """Seconds that one process has computed, with its ended children."""
    fields = _stat(pid)
    return sum(int(ticks) for ticks in fields[11:15]) * TICK_S if fields else 0.0


def memory_mib(pid: int) -> float:
    """What the family holds, a page that several share counted once."""
    return sum(_pss_kib(each) for each in family(pid)) / 1024


def descriptors(pid: int) -> int:
    """How many files and sockets one process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def rss_mib(pid: int) -> float:
    """Resident memory of one process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def wait_until_quiet(*pids: int, within_s: float = 30.0) -> None:
    """Until the families compute hardly anything, so that work that is still owed is counted, too."""
    deadline, before = time.monotonic() + within_s, sum(map(cpu_s, pids))
    while time.monotonic() < deadline:
        time.sleep(LOOK_S)
        now = sum(map(cpu_s, pids))
        if now - before < QUIET_CORES * LOOK_S:
            return
        before = now


def _stat(pid: int) -> list[str]:
    """The fields of /proc/…/stat from the state on; empty for a process that is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _pss_kib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
