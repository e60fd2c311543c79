"""The editor of a template: what was typed, in every language at once, and what is wrong with it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _

from postroom.flow.templates.built_in import TemplateSource
from postroom.flow.templates.template_edit import checked_source
from postroom.flow.templates.templates import sources_of
from postroom.message.template import SOURCE_CHARACTERS
from postroom.store.models import Template
from postroom.terms.problem import FieldError
from postroom.terms.wording import worded

_FACTS = ("name", "title", "description", "use")
_PARTS = ("subject", "html", "text")
_LANGUAGES = 20
_NAMES = {
    "en": "English", "fr": "Français", "de": "Deutsch", "es": "Español", "it": "Italiano", "nl": "Nederlands",
    "pt": "Português", "sv": "Svenska", "da": "Dansk", "nb": "Norsk", "fi": "Suomi", "pl": "Polski",
}


@dataclass(frozen=True, slots=True)
class LanguageFields:
    """One language of the editor; `problems` by part."""

    code: str
    name: str
    subject: str
    html: str
    text: str
    problems: Mapping[str, str]
    opened: bool


@dataclass(slots=True)
class TemplateForm:
    """`texts` by language; None is one that was taken away. `shown` is the language of the preview."""

    facts: dict[str, str]
    sample: str
    texts: dict[str, dict[str, str] | None]
    shown: str
    problems: list[FieldError] = field(default_factory=list)

    @classmethod
    def of_row(cls, row: Template | None, version: int | None = None) -> "TemplateForm":
        """As it is stored; a new one has an empty English text."""
        sources = dict(sources_of(row, version)) if row else {"en": TemplateSource("en", "", "")}
        facts = {name: str(getattr(row, name)) if row else "" for name in _FACTS}
        return cls(
            facts or {}, _json(row.sample if row else {"name": "Amira"}),
            {language: {part: getattr(source, part) for part in _PARTS} for language, source in sources.items()},
            next(iter(sources), "en"),
        )

    @classmethod
    def of_post(cls, post: QueryDict, row: Template | None) -> "TemplateForm":
        """What was typed."""
        known = sources_of(row) if row else {}
        texts: dict[str, dict[str, str] | None] = dict.fromkeys(known)
        for language in post.getlist("languages")[:_LANGUAGES]:
            texts[language[:9]] = {
                part: post.get(f"{part}-{language[:9]}", "").replace("\r\n", "\n")[: SOURCE_CHARACTERS + 1]
                for part in _PARTS
            }
        facts = {name: post.get(name, "").strip()[:1_000] for name in _FACTS}
        if row is not None and row.built_in:
            facts |= {"name": row.name, "use": row.use}
        shown = post.get("shown", "")[:9]
        there = [language for language, parts in texts.items() if parts is not None]
        form = cls(facts, post.get("sample", "")[:200_000], texts, shown if shown in there else (there or ["en"])[0])
        form._step(post.get("do", ""), post.get("add", "").strip()[:9])
        return form

    def values(self) -> dict[str, Any] | None:
        """The facts by API name; None where the sample is no JSON object, which is then a problem."""
        sample = self.sample_values()
        return None if sample is None else {**self.facts, "use": self.facts["use"] or "other", "sample": sample}

    def sample_values(self) -> dict[str, Any] | None:
        try:
            found = json.loads(self.sample or "{}")
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            text = worded("Enter a JSON object, such as {example}.", example='{"name": "Amira"}')
            self.problems.append(FieldError("sample", "invalid", text))
            return None
        return found

    def source(self) -> TemplateSource:
        """The language that the preview shows, with what is wrong with it among the problems."""
        return checked_source(self.shown, self.texts.get(self.shown) or {}, self.problems)

    def languages(self) -> list[LanguageFields]:
        rows = []
        for code, parts in self.texts.items():
            if parts is not None:
                problems = {part: self.problem(f"texts.{code}.{part}") for part in _PARTS}
                problems["subject"] = problems["subject"] or self.problem(f"texts.{code}")
                opened = code == self.shown or any(problems.values())
                rows.append(LanguageFields(code, name_of(code), **parts, problems=problems, opened=opened))
        return rows

    def problem(self, name: str) -> str:
        return next((problem.text for problem in self.problems if problem.field == name), "")

    def problems_of_facts(self) -> dict[str, str]:
        """By field of the part below the texts."""
        return {problem.field: problem.text for problem in reversed(self.problems)}

    def summary(self) -> list[tuple[str, str, str]]:
        """Each problem with the id of its field and its label."""
        labels = {
            "name": _("Name"), "title": _("Title"), "description": _("Description"), "use": _("Used for"),
            "sample": _("Sample values"), "subject": _("Subject"), "html": _("HTML"), "text": _("Plain text"),
            "texts": _("Add a language"), "add": _("Add a language"),
        }
        rows = []
        for problem in self.problems:
            _texts, _dot, rest = problem.field.partition(".")
            language, _dot, part = rest.partition(".")
            if language:
                part = part or "subject"
                rows.append((f"{part}-{language}", f"{name_of(language)}, {labels[part]}", problem.text))
            else:
                name = "add" if problem.field == "texts" else problem.field
                rows.append((name, labels.get(name, name), problem.text))
        return rows

    def _step(self, do: str, added: str) -> None:
        """Add or take away a language."""
        if do == "add" and added and self.texts.get(added) is None:
            begin = self.texts.get("en") or next((parts for parts in self.texts.values() if parts), None)
            self.texts[added] = dict(begin or dict.fromkeys(_PARTS, ""))
            self.shown = added
        elif do.startswith("drop-") and sum(parts is not None for parts in self.texts.values()) > 1:
            self.texts[do.removeprefix("drop-")] = None
            self.shown = next(code for code, parts in self.texts.items() if parts is not None)


def name_of(code: str) -> str:
    """A language in its own words."""
    return _NAMES.get(code, code)


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False, indent=2)
