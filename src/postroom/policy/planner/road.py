"""What leaves when, and how fast it can: loads and the roads that they take."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Load:
    """Messages that are due at one instant over one server, each of so many octets as it leaves. `key` names what they
    belong to, such as a subscription; "" is what cannot be moved."""

    key: str
    name: str
    at: datetime
    road: str
    messages: int
    octets: int


@dataclass(frozen=True, slots=True)
class Pace:
    """How long one session takes for a message: so many seconds and its octets at that rate. `measured` from how many
    deliveries; 0 is a guess."""

    message_s: float = 0.25
    octets_per_s: float = 1_000_000.0
    measured: int = 0

    def seconds(self, octets: int) -> float:
        return self.message_s + octets / self.octets_per_s


@dataclass(frozen=True, slots=True)
class Road:
    """A server: its limits (None without), the sessions it may have at once, and its pace. `used` are messages that
    already count against its day, by the number of their quarter of an hour since the epoch; `others` what else leaves
    over it, in messages a minute by hour of the UTC day."""

    id: str
    name: str
    sessions: int
    pace: Pace
    per_minute: int | None = None
    per_day: int | None = None
    used: Mapping[int, int] | None = None
    others: tuple[float, ...] = (0.0,) * 24
