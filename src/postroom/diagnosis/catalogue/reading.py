"""Reads the catalogue's TOML files into causes, rules and providers; everything is checked while it is read."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from postroom.terms.finding import Confidence
from postroom.terms.mail_provider import mail_providers
from postroom.terms.outcome import Retry, Stage

from .cause import Cause, Text
from .pattern import Patterns
from .provider import Provider
from .rule import Rule

LANGUAGES = ("en", "fr")
# A symptom's name, the patterns of which one is in a text that shows it, and the patterns that rule it out.
Symptom = tuple[str, Patterns, Patterns]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """`words` maps language to the words that stand in for values that are not known ("host" to "the host").
    `consequences` are of proposed changes, `looks` tell what a look showed, `warnings`
    what is unwise though it works; each maps a name to language to text."""

    causes: Mapping[str, Cause]
    rules: tuple[Rule, ...]
    providers: tuple[Provider, ...]
    words: Mapping[str, Mapping[str, str]]
    symptoms: tuple[Symptom, ...]
    consequences: Mapping[str, Mapping[str, str]]
    looks: Mapping[str, Mapping[str, str]]
    warnings: Mapping[str, Mapping[str, str]]

    def provider(self, slug: str) -> Provider | None:
        return next((p for p in self.providers if p.slug == slug), None)


@cache
def catalogue() -> Catalogue:
    """The catalogue of this package. Raises ValueError when a file names something that does not exist."""
    folder = files(__package__)
    causes: dict[str, Cause] = {}
    for table in _tables(folder / "causes"):
        if twice := causes.keys() & table.keys():
            raise ValueError(f"The catalogue has these causes twice: {sorted(twice)}.")
        causes.update((slug, _cause(slug, row)) for slug, row in table.items())
    rules = tuple(_rule(row) for table in _tables(folder / "rules") for row in table["rule"])
    known = _toml(folder / "providers.toml")
    providers = tuple(_provider(slug, row) for slug, row in known.items())
    words = _toml(folder / "words.toml")
    symptoms = tuple(
        (name, _patterns(row, "patterns"), _patterns(row, "without"))
        for name, row in _toml(folder / "symptoms.toml").items()
    )
    for rule in rules:
        _check_rule(rule, causes, {p.slug for p in providers})
    ways = _toml(folder / "ways.toml")
    return Catalogue(causes, rules, providers, words, symptoms, ways["consequence"], ways["look"], ways["warning"])


def _toml(file: Traversable) -> dict[str, Any]:
    return tomllib.loads(file.read_text(encoding="utf-8"))


def _tables(folder: Traversable) -> list[dict[str, Any]]:
    return [_toml(f) for f in sorted(folder.iterdir(), key=lambda f: f.name) if f.name.endswith(".toml")]


def _texts(row: Mapping[str, Any]) -> dict[str, Text]:
    return {
        language: Text(
            title=row[language]["title"],
            explanation=row[language]["explanation"],
            fix=tuple(row[language]["fix"]),
            question=row[language].get("question", ""),
        )
        for language in LANGUAGES
        if language in row
    }


def _cause(slug: str, row: Mapping[str, Any]) -> Cause:
    texts = _texts(row)
    variants = {}
    for name, change in row.get("variant", {}).items():
        whole = {lang: dict(row[lang]) | change.get(lang, {}) for lang in LANGUAGES}
        variants[name] = _texts(whole)
    return Cause(slug, Retry(row["retry"]), row.get("field"), texts, variants)


def _patterns(row: Mapping[str, Any], key: str) -> Patterns:
    return Patterns.of(row.get(key, ()))


def _rule(row: Mapping[str, Any]) -> Rule:
    return Rule(
        cause=row["cause"],
        basis=tuple(row["basis"]),
        confidence=Confidence(row.get("confidence", "certain")),
        variant=row.get("variant", ""),
        retry=Retry(row["retry"]) if "retry" in row else None,
        alternative=row.get("alternative", ""),
        stage=frozenset(Stage(s) for s in row.get("stage", ())),
        at=frozenset(Stage(s) for s in row.get("at", ())),
        code=frozenset(str(c) for c in row.get("code", ())),
        enhanced=frozenset(row.get("enhanced", ())),
        text=_patterns(row, "text"),
        or_enhanced=frozenset(row.get("or_enhanced", ())),
        without=_patterns(row, "without"),
        symptom=frozenset(row.get("symptom", ())),
        symptoms=frozenset(row.get("symptoms", ())),
        no_symptom=frozenset(row.get("no_symptom", ())),
        provider=frozenset(row.get("provider", ())),
        security=frozenset(row.get("security", ())),
        port=frozenset(row.get("port", ())),
        host=_patterns(row, "host"),
        client=_patterns(row, "client"),
        username=row.get("username"),
    )


def _check_rule(rule: Rule, causes: Mapping[str, Cause], providers: set[str]) -> None:
    for slug in filter(None, (rule.cause, rule.alternative)):
        if slug not in causes:
            raise ValueError(f"A rule names the cause {slug!r}, which the catalogue does not have.")
    if rule.variant and rule.variant not in causes[rule.cause].variants:
        raise ValueError(f"The cause {rule.cause!r} has no variant {rule.variant!r}.")
    if strange := rule.provider - providers:
        raise ValueError(f"A rule for {rule.cause!r} names unknown providers: {sorted(strange)}.")


def _provider(slug: str, row: Mapping[str, Any]) -> Provider:
    known = mail_providers().get(slug)
    return Provider(
        slug=slug,
        title=row["title"] if known is None else row.get("title", known.name),
        known=known,
        greetings=_patterns(row, "greetings"),
        texts=_patterns(row, "texts"),
        is_public_service=row.get("public", False),
        submission=row.get("submission", ""),
    )
