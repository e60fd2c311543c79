"""Put on PYTHONPATH by the part `profile`: every Python process that starts then knows what its functions compute.

Each thread has a profile of its own by its own processor time, so that waiting counts for nothing. When a file
`ask-LABEL` appears in the folder BENCH_PROFILE, all that was counted so far is written beside it as ROLE.LABEL.THREAD.
"""

import cProfile
import marshal
import os
import sys
import threading
import time
from pathlib import Path

_profiles: list[cProfile.Profile] = []


def _begin(*_event: object) -> None:
    profile = cProfile.Profile(time.thread_time)
    _profiles.append(profile)
    profile.enable()


def _answer(folder: Path, role: str) -> None:
    sys.setprofile(None)
    answered: set[str] = set()
    while True:
        time.sleep(0.05)
        for ask in folder.glob("ask-*"):
            label = ask.name.removeprefix("ask-")
            if label not in answered:
                answered.add(label)
                _write(folder, role, label)


def _write(folder: Path, role: str, label: str) -> None:
    for number, profile in enumerate(list(_profiles)):
        profile.snapshot_stats()  # type: ignore[attr-defined]
        (folder / f"{role}.{label}.{number}").write_bytes(marshal.dumps(profile.stats))  # type: ignore[attr-defined]
    (folder / f"{role}.{label}.done").touch()


if "serve" in sys.orig_argv and os.environ.get("BENCH_PROFILE"):
    _role = sys.orig_argv[sys.orig_argv.index("serve") + 1]
    threading.Thread(target=_answer, args=(Path(os.environ["BENCH_PROFILE"]), _role), daemon=True).start()
    threading.setprofile(_begin)
    _begin()
