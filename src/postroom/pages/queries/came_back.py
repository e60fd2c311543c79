"""What came back about messages after they were sent, as lists and timelines show it."""

from collections.abc import Iterable, Sequence

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from postroom.flow.instance.reader import told
from postroom.pages import words
from postroom.store.models import Bounce, Delivery

# By the kind of a bounce: the name of its look (`states`), and what the filter calls it.
LOOKS = {"failed": "bounced", "complaint": "complained", "delayed": "delayed", "delivered": "confirmed"}
KINDS = {
    "failed": gettext_lazy("bounced"),
    "complaint": gettext_lazy("complained"),
    "delayed": gettext_lazy("reported late"),
    "delivered": gettext_lazy("arrival confirmed"),
}
_WORTH_A_BADGE = ("failed", "complaint")
_SHOWN = 50


def kinds_in_use() -> dict[str, str]:
    """The kinds of which there are any, each found by one step through an index."""
    return {kind: str(label) for kind, label in KINDS.items() if Bounce.objects.filter(kind=kind).exists()}


def badges_of_messages(message_ids: Sequence[str]) -> dict[str, str]:
    """For each message of which a bounce or complaint is known, the look of its badge."""
    return _badges(Bounce.objects.filter(message_id__in=message_ids).values_list("message_id", "kind"))


def badges_of_deliveries(deliveries: Sequence[Delivery]) -> dict[str, str]:
    """The same for deliveries."""
    found = Bounce.objects.filter(delivery__in=deliveries)
    return _badges(found.values_list("delivery_id", "kind"))


def _badges(rows: Iterable[tuple[str, str]]) -> dict[str, str]:
    badges: dict[str, str] = {}
    for id_, kind in rows:
        if kind in _WORTH_A_BADGE and badges.get(id_) != LOOKS["failed"]:
            badges[id_] = LOOKS[kind]
    return badges


def bounces_of(delivery: Delivery) -> list[Bounce]:
    """The newest first; a bounded number."""
    return list(delivery.bounces.order_by("-pk")[:_SHOWN])


def title_of(bounce: Bounce) -> str:
    """What came back, with its cause."""
    heads = {
        "failed": _("Came back"), "complaint": _("The recipient complained"), "delayed": _("Reported late"),
        "delivered": _("Arrival confirmed"),
    }
    head = heads.get(bounce.kind, bounce.kind)
    reason = str(told(bounce.finding).get("title", "")).rstrip(".")
    if not reason or bounce.kind == "complaint":
        return head
    return _("%(head)s: %(reason)s") % {"head": head, "reason": words.first_lower(reason)}
