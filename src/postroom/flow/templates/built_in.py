"""The templates that come with Postroom, as they came. Who changes one gets versions of their own beside them."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from . import built_in_templates

LANGUAGES = ("en", "fr")


@dataclass(frozen=True, slots=True)
class TemplateSource:
    """One language of a template. An empty `text` is made from `html`."""

    language: str
    subject: str
    html: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """A template as it came; `title` and `description` are English."""

    name: str
    title: str
    description: str
    use: str
    sample: Mapping[str, Any]
    sources: Mapping[str, TemplateSource]


@cache
def built_in() -> Mapping[str, BuiltIn]:
    """All of them by name."""
    found = {}
    for file in files(built_in_templates).iterdir():
        if file.name.endswith(".toml"):
            name = file.name.removesuffix(".toml")
            found[name] = _read(name, tomllib.loads(file.read_text("utf-8")))
    return dict(sorted(found.items()))


def _read(name: str, table: Mapping[str, Any]) -> BuiltIn:
    sources = {
        language: TemplateSource(
            language, table[language]["subject"], table[language]["html"].strip(), table[language].get("text", "")
        )
        for language in LANGUAGES
    }
    return BuiltIn(name, table["title"], table["description"], table["use"], table["sample"], sources)
