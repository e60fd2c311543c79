"""Which ports servers and tests may dial (E4)."""

from dataclasses import dataclass
from typing import Self

from postroom.terms.limits import MAIL_PORTS


@dataclass(frozen=True, slots=True)
class Ports:
    """A set of TCP ports as ranges, both ends included."""

    ranges: tuple[tuple[int, int], ...] = tuple((port, port) for port in MAIL_PORTS)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Ports from "25,465,587,10000-10010"; raises ValueError with what is wrong."""
        ranges = []
        for part in filter(None, (piece.strip() for piece in text.split(","))):
            low, _, high = part.partition("-")
            if not low.strip().isdecimal() or (high and not high.strip().isdecimal()):
                raise ValueError(f"{part!r} is neither a port nor a range such as 2525-2530")
            first, last = int(low), int(high or low)
            if not 1 <= first <= last <= 65_535:
                raise ValueError(f"{part!r} is not within 1 to 65535, or its ends are swapped")
            ranges.append((first, last))
        if not ranges:
            raise ValueError("no port is named")
        return cls(tuple(ranges))

    def __contains__(self, port: object) -> bool:
        return isinstance(port, int) and any(first <= port <= last for first, last in self.ranges)

    def __str__(self) -> str:
        return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in self.ranges)
