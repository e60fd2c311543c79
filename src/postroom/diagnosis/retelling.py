"""A finding that was stored in one language, told again in another."""

from collections.abc import Mapping
from typing import Any

from .catalogue import catalogue
from .explain import consequence_text, filled, values_in


def retold(stored: Mapping[str, Any], language: str) -> dict[str, Any]:
    """A stored finding (`Finding.as_stored`) with its texts in the language, as the contract's fields.

    What was stored without what it was made of, or with a cause that the catalogue no longer has, keeps its words.
    """
    plain = {name: value for name, value in stored.items() if name != "told"}
    told = stored.get("told")
    if not isinstance(told, Mapping) or told.get("language") == language:
        return plain
    try:
        return {**plain, **_texts(str(stored["cause"]), told, language)}
    except (KeyError, TypeError, AttributeError):
        return plain


def title_of(cause: str, language: str) -> str:
    """What a cause is called where no values are known, "" for one that the catalogue does not have."""
    known = catalogue()
    if cause not in known.causes or language not in known.words:
        return ""
    return filled(known.causes[cause].text(language), known.words[language]).title


def _texts(cause: str, told: Mapping[str, Any], language: str) -> dict[str, Any]:
    known = catalogue()
    values = values_in(known, told["provider"], told["values"], language)
    text = filled(known.causes[cause].text(language, told["variant"]), values)
    found: dict[str, Any] = {"title": text.title, "explanation": text.explanation, "fix": list(text.fix)}
    if name := told.get("consequence"):
        found["consequence"] = consequence_text(known, name, values, language)
    if other := told["alternative"]:
        second = filled(known.causes[other].text(language), values)
        found["alternatives"] = [{"cause": other, "title": second.title, "question": second.question}]
    return found
