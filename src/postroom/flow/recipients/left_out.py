"""Who would get a subscription and does not: suppressed addresses, and those who left its list."""

from collections.abc import Iterable, Sequence

from postroom.store.models import Suppression

from .suppression import EVERY_LIST

_AT_ONCE = 500


def left_out(address_keys: Sequence[str], list_name: str) -> dict[str, Suppression]:
    """What keeps mail of that list from each of these addresses, as a claim would find it (blocking)."""
    found: dict[str, Suppression] = {}
    for start in range(0, len(address_keys), _AT_ONCE):
        rows = Suppression.objects.filter(
            address__in=address_keys[start : start + _AT_ONCE], list_name__in=("", EVERY_LIST, list_name)
        )
        for row in rows.order_by("-pk"):
            found[row.address] = row
    return found


def who_left(list_names: Iterable[str]) -> list[Suppression]:
    """Those who left these lists by themselves, the newest first."""
    left = Suppression.objects.filter(list_name__in=list(list_names), reason=Suppression.Reason.UNSUBSCRIBE)
    return list(left.order_by("-since", "-pk"))
