"""Recipients and groups as their pages show them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Q

from postroom.flow.recipients.recipient_list import recipients_like
from postroom.store.models import Recipient, RecipientGroup, RecipientImport

SHOWN = 50
IMPORTS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class RecipientPage:
    """A page of recipients, by name. `more` is the query of the next page, "" at the end."""

    rows: Sequence[Recipient]
    q: str
    group: RecipientGroup | None
    groups: Sequence[RecipientGroup]
    more: str
    is_first: bool
    total: int

    @property
    def is_filtered(self) -> bool:
        return bool(self.q or self.group)


def recipient_page(query: Mapping[str, str], group_id: str = "") -> RecipientPage:
    """What the address asks for: `q` in the address or the name, `group`, and the page `after` a recipient."""
    text, after = query.get("q", "").strip()[:254], query.get("after", "")[:26]
    groups = list(RecipientGroup.objects.all())
    group = next((row for row in groups if row.pk == (group_id or query.get("group", ""))), None)
    found = recipients_like(text, group.pk if group else "")
    total = found.count()
    last = Recipient.objects.filter(pk=after).first() if after else None
    if last is not None:
        found = found.filter(Q(name__gt=last.name) | Q(name=last.name, pk__gt=last.pk))
    rows = list(found.prefetch_related("memberships__group").order_by("name", "pk")[: SHOWN + 1])
    more = ""
    if len(rows) > SHOWN:
        asked = {"q": text, "group": group.pk if group and not group_id else "", "after": rows[SHOWN - 1].pk}
        more = urlencode({name: value for name, value in asked.items() if value})
    return RecipientPage(rows[:SHOWN], text, group, groups, more, last is None, total)


def group_rows() -> Sequence[Any]:
    """All groups by name, each with its `people` and the `uses` that subscriptions make of it."""
    return list(RecipientGroup.objects.annotate(
        people=Count("memberships", distinct=True), uses=Count("subscribed", distinct=True)
    ).order_by("name"))


def newest_imports() -> Sequence[RecipientImport]:
    return list(RecipientImport.objects.order_by("-pk")[:IMPORTS_SHOWN])
