"""Announcements as their pages show them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from postroom.flow.alerts.alert_words import said
from postroom.flow.domains.recipient_domains import not_allowed
from postroom.flow.instance.reader import translated
from postroom.flow.notices.announcement_queue import OUTSIDE, SUPPRESSED
from postroom.flow.notices.announcements import OPEN, standing, title_of
from postroom.pages import words
from postroom.store.models import Announcement, AnnouncementRecipient, RecipientGroup

SHOWN = 50
LEFT_OUT_SHOWN = 200
_STATES = {
    "waiting": gettext_lazy("Waiting"), "sending": gettext_lazy("Sending"), "done": gettext_lazy("Handed over"),
    "stopped": gettext_lazy("Stopped"),
}
_ICONS = {
    "waiting": "clock", "sending": "loader-2", "done": "circle-check", "stopped": "player-stop",
}


@dataclass(frozen=True, slots=True)
class AnnouncementView:
    """One announcement in its reader's words."""

    row: Announcement
    now: datetime

    @property
    def title(self) -> str:
        return title_of(self.row)

    @property
    def word(self) -> str:
        return str(_STATES[self.row.state])

    @property
    def icon(self) -> str:
        return _ICONS[self.row.state]

    @property
    def is_open(self) -> bool:
        return self.row.state in OPEN

    @property
    def done(self) -> int:
        return self.row.queued + self.row.left_out + self.row.failed

    @property
    def problem(self) -> str:
        """What holds it up, "" for nothing."""
        problem = self.row.problem or {}
        return said(problem.get("words")) or str(problem.get("detail", ""))

    @property
    def standing(self) -> Sequence[tuple[str, int]]:
        """What became of the messages: how many are in each state."""
        return sorted(standing(self.row).items())

    @property
    def remaining(self) -> str:
        """How much longer it takes at this pace, "" where nobody can say."""
        row = self.row
        if row.state != Announcement.State.SENDING or row.started_at is None or not self.done:
            return ""
        pace_s = (self.now - row.started_at).total_seconds() / self.done
        return _("about %(time)s left") % {"time": words.short_span(pace_s * max(0, row.planned - self.done))}

    @property
    def to(self) -> str:
        """Whom it was written to, in words."""
        audience = self.row.audience
        parts = [_("all users")] if audience.get("users") else []
        parts += [_("all recipients")] if audience.get("recipients") else []
        groups = RecipientGroup.objects.filter(pk__in=audience.get("groups", ())).values_list("name", flat=True)
        return ", ".join((*parts, *groups, *audience.get("addresses", ())))

    @property
    def without(self) -> Sequence[tuple[str, str]]:
        """Addresses that get no message, each with the reason."""
        rows = self.row.recipients.exclude(left_out="").order_by("position")[:LEFT_OUT_SHOWN]
        return [(row.address, reason_of(row)) for row in rows]


def reason_of(row: AnnouncementRecipient) -> str:
    """Why this recipient gets no message."""
    if row.left_out == SUPPRESSED:
        return _("Gets no more mail of this kind: see Suppressed recipients.")
    if row.left_out == OUTSIDE:
        return translated(not_allowed(row.address.rpartition("@")[2]))
    return said(row.failure) or row.left_out


def newest_announcements() -> list[AnnouncementView]:
    now = timezone.now()
    return [AnnouncementView(row, now) for row in Announcement.objects.order_by("-created_at")[:SHOWN]]


def view_of(row: Announcement) -> AnnouncementView:
    return AnnouncementView(row, timezone.now())
