"""How each state looks: its word, its own icon shape and the colour that supports it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Look:
    word: str
    icon: str
    tone: str
    spins: bool = False


_LOOKS = {
    "verified": Look("Verified", "circle-check", "ok"),
    "unverified": Look("Unverified", "shield-question", "warn"),
    "failing": Look("Failing", "circle-x", "bad"),
    "paused": Look("Paused", "player-pause", "idle"),
    "disabled": Look("Switched off", "power", "idle"),
    "testing": Look("Testing", "loader-2", "accent", spins=True),
    "queued": Look("Queued", "clock", "idle"),
    "sending": Look("Sending", "loader-2", "accent", spins=True),
    "sent": Look("Sent", "circle-check", "ok"),
    "deferred": Look("Deferred", "clock-pause", "warn"),
    "failed": Look("Failed", "circle-x", "bad"),
    "uncertain": Look("Uncertain", "help-circle", "warn"),
    "held": Look("Held", "player-pause", "idle"),
    "cancelled": Look("Cancelled", "ban", "idle"),
    "passed": Look("Passed", "circle-check", "ok"),
    "stopped": Look("Stopped", "player-stop", "idle"),
    "running": Look("Running", "loader-2", "accent", spins=True),
    "waiting": Look("Waiting", "circle-dashed", "quiet"),
    "not-reached": Look("Not reached", "circle-minus", "quiet"),
    "not-needed": Look("Not needed", "circle-arrow-right", "quiet"),
    "error": Look("Error", "circle-x", "bad"),
    "warning": Look("Warning", "alert-triangle", "warn"),
    "information": Look("Information", "info-circle", "idle"),
}

UNKNOWN = Look("Unknown", "help-circle", "idle")


def look_of(state: str) -> Look:
    """The look of a state; one of a newer version shows as unknown instead of breaking the page."""
    return _LOOKS.get(state, UNKNOWN)
