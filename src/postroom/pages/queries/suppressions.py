"""Suppressed recipients as their page shows them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from postroom.flow.recipients.suppression import EVERY_LIST, REASONS
from postroom.flow.recipients.unsubscribe import ACTOR
from postroom.store.models import Suppression
from postroom.terms.address import canonical

SHOWN = 50
LABELS = {
    "hard-bounce": gettext_lazy("bounced for good"),
    "complaint": gettext_lazy("complained"),
    "unsubscribe": gettext_lazy("unsubscribed"),
    "manual": gettext_lazy("entered by hand"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One address. `scope` says what it gets no more of."""

    row: Suppression
    reason: str
    scope: str
    by: str

    @property
    def evidence(self) -> str:
        """What somebody else said; the recipient's own use of a link is told by `by`."""
        return "" if self.row.created_by == ACTOR else self.row.evidence


@dataclass(frozen=True, slots=True)
class Suppressed:
    """A page of them. `older` is the query of the next page, "" at the end."""

    lines: Sequence[Line]
    q: str
    reason: str
    older: str
    is_first: bool

    @property
    def is_filtered(self) -> bool:
        return bool(self.q or self.reason)

    @property
    def reasons(self) -> list[tuple[str, str]]:
        return [(slug, str(LABELS[slug])) for slug in REASONS]


def suppressed(query: Mapping[str, str]) -> Suppressed:
    """What the address asks for: `q` in the address or the list, `reason`, and the page `before` an id."""
    text, reason, before = query.get("q", "").strip()[:254], query.get("reason", ""), query.get("before", "")[:26]
    reason = reason if reason in REASONS else ""
    found = Suppression.objects.order_by("-pk")
    if text:
        found = found.filter(address__contains=canonical(text)) | found.filter(list_name__contains=text)
    if reason:
        found = found.filter(reason=reason)
    if before:
        found = found.filter(pk__lt=before)
    rows = list(found.select_related("message")[: SHOWN + 1])
    older = urlencode({"q": text, "reason": reason, "before": rows[SHOWN - 1].pk}) if len(rows) > SHOWN else ""
    return Suppressed([line_of(row) for row in rows[:SHOWN]], text, reason, older, not before)


def line_of(row: Suppression) -> Line:
    by = {"bounce": _("by itself"), "recipient": _("by the recipient")}.get(row.created_by, row.created_by)
    return Line(row, str(LABELS.get(row.reason, row.reason)), scope_words(row.list_name), by)


def scope_words(list_name: str) -> str:
    """What somebody gets no more of."""
    if not list_name:
        return _("mail at all")
    if list_name == EVERY_LIST:
        return _("mail of lists")
    return _("mail of “%(list)s”") % {"list": list_name}
