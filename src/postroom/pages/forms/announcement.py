"""What somebody typed into the form of an announcement."""

import re
from collections.abc import Mapping
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext_lazy

from postroom.flow.instance.instance import LANGUAGES
from postroom.flow.recipients.recipient_groups import entries_in
from postroom.store.ids import new_id

LABELS = {
    "subject": gettext_lazy("Subject"), "text": gettext_lazy("Text"), "users": gettext_lazy("To"),
    "groups": gettext_lazy("Groups"), "addresses": gettext_lazy("Addresses"), "server": gettext_lazy("Server"),
    "other_subject": gettext_lazy("Subject in the other language"),
    "other_text": gettext_lazy("Text in the other language"),
}
TEXTS = {"subject": 600, "text": 60_000, "other_subject": 600, "other_text": 60_000, "addresses": 60_000,
          "server": 26, "key": 26, "as": 320}
_KEY = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")


def typed_announcement(post: QueryDict) -> dict[str, Any]:
    """Everything as it was typed, so that nothing is lost on the way through the preview."""
    typed: dict[str, Any] = {name: post.get(name, "")[:most] for name, most in TEXTS.items()}
    typed["key"] = typed["key"] if _KEY.fullmatch(typed["key"]) else new_id()
    typed["groups"] = post.getlist("groups")[:500]
    for name in ("users", "recipients"):
        typed[name] = post.get(name) == "on"
    typed["stays"] = post.get("stays") == "on"
    return typed


def empty_announcement() -> dict[str, Any]:
    return typed_announcement(QueryDict())


def given_by(typed: Mapping[str, Any], language: str) -> dict[str, Any]:
    """The same by the names of the API; the text itself is in `language`."""
    return {
        "language": language, "subject": typed["subject"], "text": typed["text"],
        "translations": {other_language(language): {"subject": typed["other_subject"], "text": typed["other_text"]}},
        "users": typed["users"], "recipients": typed["recipients"], "groups": typed["groups"],
        "addresses": entries_in(typed["addresses"]), "can_leave": not typed["stays"], "server": typed["server"],
    }


def other_language(language: str) -> str:
    return next(other for other in LANGUAGES if other != language)


def field_of(api_name: str) -> str:
    """The form's name of a field at fault."""
    if api_name.startswith("translations."):
        return "other_text" if api_name.endswith(".text") else "other_subject"
    return api_name if api_name in LABELS else "subject"
