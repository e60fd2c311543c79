"""How each state looks: its word, its own icon shape and the colour that supports it."""

from dataclasses import dataclass

from django.utils.translation import gettext, gettext_noop


@dataclass(frozen=True, slots=True)
class Look:
    """`name` is the word in English."""

    name: str
    icon: str
    tone: str
    spins: bool = False

    @property
    def word(self) -> str:
        """The word in the reader's language."""
        return gettext(self.name)


_LOOKS = {
    "verified": Look(gettext_noop("Verified"), "circle-check", "ok"),
    "unverified": Look(gettext_noop("Unverified"), "shield-question", "warn"),
    "failing": Look(gettext_noop("Failing"), "circle-x", "bad"),
    "paused": Look(gettext_noop("Paused"), "player-pause", "idle"),
    "disabled": Look(gettext_noop("Switched off"), "power", "idle"),
    "testing": Look(gettext_noop("Testing"), "loader-2", "accent", spins=True),
    "queued": Look(gettext_noop("Queued"), "clock", "idle"),
    "sending": Look(gettext_noop("Sending"), "loader-2", "accent", spins=True),
    "sent": Look(gettext_noop("Sent"), "circle-check", "ok"),
    "deferred": Look(gettext_noop("Deferred"), "clock-pause", "warn"),
    "failed": Look(gettext_noop("Failed"), "circle-x", "bad"),
    "uncertain": Look(gettext_noop("Uncertain"), "help-circle", "warn"),
    "held": Look(gettext_noop("Held"), "player-pause", "idle"),
    "cancelled": Look(gettext_noop("Cancelled"), "ban", "idle"),
    "bounced": Look(gettext_noop("Came back"), "circle-x", "bad"),
    "complained": Look(gettext_noop("Complaint"), "alert-triangle", "warn"),
    "delayed": Look(gettext_noop("Reported late"), "clock-pause", "warn"),
    "confirmed": Look(gettext_noop("Arrival confirmed"), "circle-check", "ok"),
    "unpublished": Look(gettext_noop("Not published yet"), "circle-dashed", "quiet"),
    "published": Look(gettext_noop("Published, not in use"), "player-pause", "idle"),
    "signing": Look(gettext_noop("Signs"), "circle-check", "ok"),
    "retired": Look(gettext_noop("Retired"), "ban", "idle"),
    "critical": Look(gettext_noop("Critical"), "circle-x", "bad"),
    "acknowledged": Look(gettext_noop("Acknowledged"), "circle-check", "accent"),
    "alert-closed": Look(gettext_noop("Closed"), "circle-check", "ok"),
    "passed": Look(gettext_noop("Passed"), "circle-check", "ok"),
    "stopped": Look(gettext_noop("Stopped"), "player-stop", "idle"),
    "running": Look(gettext_noop("Running"), "loader-2", "accent", spins=True),
    "waiting": Look(gettext_noop("Waiting"), "circle-dashed", "quiet"),
    "not-reached": Look(gettext_noop("Not reached"), "circle-minus", "quiet"),
    "not-needed": Look(gettext_noop("Not needed"), "circle-arrow-right", "quiet"),
    "slowed": Look(gettext_noop("Slowed down"), "clock-pause", "warn"),
    "moved": Look(gettext_noop("Moved"), "circle-arrow-right", "warn"),
    "resumed": Look(gettext_noop("Resumed"), "player-play", "idle"),
    "fetching": Look(gettext_noop("Fetching"), "loader-2", "accent", spins=True),
    "success": Look(gettext_noop("Succeeded"), "circle-check", "ok"),
    "skipped": Look(gettext_noop("Skipped"), "circle-minus", "idle"),
    "error": Look(gettext_noop("Error"), "circle-x", "bad"),
    "warning": Look(gettext_noop("Warning"), "alert-triangle", "warn"),
    "information": Look(gettext_noop("Information"), "info-circle", "idle"),
}

UNKNOWN = Look(gettext_noop("Unknown"), "help-circle", "idle")


def look_of(state: str) -> Look:
    """The look of a state; one of a newer version shows as unknown instead of breaking the page."""
    return _LOOKS.get(state, UNKNOWN)
