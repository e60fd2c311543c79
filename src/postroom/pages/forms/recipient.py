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
EMPTY: Mapping[str, Any] = {"groups": [], "value_lines": ""}


def typed_recipient(post: QueryDict) -> dict[str, Any]:
    """The fields by API name; `value_lines` are the further values as they were typed."""
    lines = post.get("values", "")[:_CHARACTERS]
    return {
        **{name: post.get(name, "").strip()[:600] for name in ("address", "name", "language", "time_zone")},
        "values": _values_in(lines), "value_lines": lines, "groups": post.getlist("groups")[:500],
    }


def shown_recipient(row: Recipient) -> dict[str, Any]:
    """The same of a recipient as it is stored."""
    return {
        "address": row.address, "name": row.name, "language": row.language, "time_zone": row.time_zone,
        "value_lines": "\n".join(f"{name} = {_shown(value)}" for name, value in sorted(row.values.items())),
        "groups": list(row.memberships.values_list("group_id", flat=True)),
    }


def _values_in(lines: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in lines.splitlines() if line.strip())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _shown(value: Any) -> str:
    return "" if value is None else str(value).replace("\n", " ")
