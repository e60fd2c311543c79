"""The most memory that the processes of a role have held, looked at while something else goes on."""

import threading
from collections.abc import Callable

LOOK_S = 0.1


class Peak:
    """Looks until the block ends; `mib` has the highest reading of each role, `all_mib` that of their sum."""

    def __init__(self, read: Callable[[], dict[str, float]]) -> None:
        self._read = read
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.mib: dict[str, float] = {}
        self.all_mib = 0.0

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(LOOK_S):
            now = self._read()
            self.mib = {role: max(mib, self.mib.get(role, 0.0)) for role, mib in now.items()}
            self.all_mib = max(self.all_mib, sum(now.values()))
