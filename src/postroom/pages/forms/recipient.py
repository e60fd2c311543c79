"""What somebody typed into the form of a recipient."""

from collections.abc import Mapping
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext_lazy

from postroom.store.models import Recipient

LABELS = {
    "address": gettext_lazy("E-mail address"), "name": gettext_lazy("Name"), "language": gettext_lazy("Language"),
    "time_zone": gettext_lazy("Time zone"), "values": gettext_lazy("Further values"), "groups": gettext_lazy("Groups"),
}
_CHARACTERS = 60_000
_NONE: Mapping[str, Any] = {}
EMPTY: Mapping[str, Any] = {"groups": [], "value_lines": ""}


def typed_recipient(post: QueryDict, kept: Mapping[str, Any] = _NONE) -> dict[str, Any]:
    """The fields by API name; `value_lines` are the further values as they were typed. One that reads as it was shown
    is the one of that name that is `kept`."""
    lines = post.get("values", "")[:_CHARACTERS]
    return {
        **{name: post.get(name, "").strip()[:600] for name in ("address", "name", "language", "time_zone")},
        "values": _values_in(lines, kept), "value_lines": lines, "groups": post.getlist("groups")[:500],
    }


def shown_recipient(row: Recipient) -> dict[str, Any]:
    """The same of a recipient as it is stored."""
    return {
        "address": row.address, "name": row.name, "language": row.language, "time_zone": row.time_zone,
        "value_lines": "\n".join(f"{name} = {_shown(value)}" for name, value in sorted(row.values.items())),
        "groups": list(row.memberships.values_list("group_id", flat=True)),
    }


def _values_in(lines: str, kept: Mapping[str, Any]) -> dict[str, Any]:
    pairs = (line.partition("=") for line in lines.splitlines() if line.strip())
    typed = {name.strip(): value.strip() for name, _, value in pairs}
    return {
        name: kept[name] if name in kept and _shown(kept[name]).strip() == value else value
        for name, value in typed.items()
    }


def _shown(value: Any) -> str:
    """On one line, whatever it holds."""
    return "" if value is None else " ".join(str(value).splitlines())
