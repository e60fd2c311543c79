"""The texts of parts, from texts.toml."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

LANGUAGES = ("en", "fr")


@dataclass(frozen=True, slots=True)
class Wording:
    """A part in words; every text is whole, with the values in their places. `suggestion` is a question or ""."""

    badge: str
    sentence: str
    fix: str = ""
    aside: str = ""
    suggestion: str = ""


def wording_of(part: Mapping[str, Any], language: str) -> Wording:
    """The words of a part as JSON (`Part.as_json`), English where the language has none."""
    values = {name: str(value) for name, value in part["values"].items()}
    if "reason" in values:
        values["reason"] = _text(f"reason-{values['reason']}", "sentence", language, {})
    texts = {name: _text(part["slug"], name, language, values) for name in ("badge", "sentence", "fix", "aside")}
    if aligned := values.get("aligned", "").removeprefix("neither"):
        texts["aside"] = _text(f"aligned-{aligned}", "sentence", language, values)
    if values.get("suggestion"):
        texts["suggestion"] = _text("suggestion", "sentence", language, values)
    return Wording(**texts)


def has_words(part: Mapping[str, Any]) -> bool:
    """Whether this version has texts for a stored part; another version's may have another slug."""
    return part["slug"] in texts()


def _text(slug: str, name: str, language: str, values: Mapping[str, str]) -> str:
    row = texts()[slug]
    return str(row.get(language, row["en"]).get(name, "")).format_map(values)


@cache
def texts() -> dict[str, dict[str, dict[str, str]]]:
    """Texts by slug, language and name."""
    return tomllib.loads((files(__package__) / "texts.toml").read_text(encoding="utf-8"))
