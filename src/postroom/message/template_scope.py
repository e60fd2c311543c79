"""What a template sees while it is filled in, and what it has spent."""

from collections.abc import Callable, Mapping
from typing import Any

from liquid import BoundTemplate, RenderContext, Undefined
from liquid.token import Token
from liquid.undefined import UNDEFINED
from liquid.utils import ReadOnlyChainMap

from postroom.terms.wording import Wording, worded

STEPS = 100_000
OUTPUT_BYTES = 1_000_000
_LOOK_EVERY = 128
_MISSING = 50


class SpentFault(Exception):
    """The template took more than it may; `text` says so."""

    def __init__(self, text: Wording) -> None:
        super().__init__(str(text))
        self.text = text


class Scope(RenderContext):
    """The given values, and what the template assigns; without the clock that the library would add. Every node, value,
    filter and round of a loop is a step."""

    __slots__ = ("_is_late", "_looked", "_spent", "missing")

    def __init__(self, template: BoundTemplate, values: Mapping[str, Any], is_late: Callable[[], bool]) -> None:
        self._spent = self._looked = 0
        self._is_late = is_late
        self.missing: dict[str, None] = {}
        super().__init__(template, globals=values)
        self.scope = ReadOnlyChainMap(self.locals, self.globals)

    @property
    def disabled_tags(self) -> list[str]:
        """None; but the library asks for them before each node, which is where nodes are counted."""
        self.spend(1)
        return []

    @disabled_tags.setter
    def disabled_tags(self, names: list[str]) -> None:
        del names

    def spend(self, steps: int) -> None:
        """Raises SpentFault once it is too much, or too late."""
        self._spent += steps
        if self._spent > STEPS:
            raise SpentFault(worded("The template takes more than {most} steps.", most=STEPS))
        if self._spent - self._looked >= _LOOK_EVERY:
            self._looked = self._spent
            if self._is_late():
                raise SpentFault(worded("The template takes too long to fill in."))

    def get(self, path: list[object], *, token: Token | None, default: object = UNDEFINED) -> object:
        found = super().get(path, token=token, default=default)
        self.spend(cost_of(found))
        if isinstance(found, Undefined) and len(self.missing) < _MISSING:
            self.missing[".".join(map(str, path))[:100]] = None
        return found

    def raise_for_loop_limit(self, length: int = 1) -> None:
        self.spend(length)


def cost_of(value: object) -> int:
    """Steps for looking at a value: more for a long one."""
    return 1 + len(value) // 1_000 if isinstance(value, str | list | dict) else 1
