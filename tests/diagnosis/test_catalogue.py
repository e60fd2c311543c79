"""The catalogue is whole: every cause in both languages, every rule reachable and linear, the page up to date."""

import re
from pathlib import Path

import pytest

from postroom.diagnosis.catalogue import Cause, Text, catalogue
from postroom.diagnosis.catalogue.pattern import Patterns, compiled
from postroom.diagnosis.catalogue.reading import LANGUAGES
from postroom.diagnosis.causes_page import causes_page
from postroom.diagnosis.explain import finding_of_cause
from postroom.terms.outcome import Retry
from postroom.terms.server import ServerSettings

KNOWN = catalogue()
FIELDS = {*ServerSettings().as_json(), "password"}
PAGE = Path(__file__).parents[2] / "docs" / "causes.md"
ADDRESSED = re.compile(r"(?i)\b(please|sorry|oops|invalid input|you|your)\b|!")


def texts_of(cause: Cause) -> list[Text]:
    return [text for texts in (cause.texts, *cause.variants.values()) for text in texts.values()]


@pytest.mark.parametrize("cause", KNOWN.causes.values(), ids=lambda cause: cause.slug)
def test_a_cause_has_title_explanation_fix_and_retry_in_both_languages(cause: Cause) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", cause.slug)
    assert isinstance(cause.retry, Retry)
    assert cause.field is None or cause.field in FIELDS
    for texts in (cause.texts, *cause.variants.values()):
        assert set(texts) == set(LANGUAGES)
    for text in texts_of(cause):
        assert text.title
        assert not text.title.endswith(".")
        assert text.explanation.endswith(".")
        assert text.fix
        assert all(step.endswith(".") for step in text.fix)
        assert text.question == "" or text.question.endswith("?")
        assert not ADDRESSED.search(" ".join((text.title, text.explanation, *text.fix)))
    english, french = cause.texts["en"], cause.texts["fr"]
    assert english.explanation != french.explanation
    assert bool(english.question) == bool(french.question)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_reads_whole_without_any_value(language: str) -> None:
    for slug in KNOWN.causes:
        found = finding_of_cause(slug, language=language)
        whole = " ".join((found.title, found.explanation, *found.fix))
        assert "{" not in whole
        assert len(whole.split()) < 110, slug


def test_an_answer_is_short_at_the_median() -> None:
    lengths = sorted(
        len(" ".join((t.title, t.explanation, *t.fix)).split()) for c in KNOWN.causes.values() for t in texts_of(c)
    )
    assert lengths[len(lengths) // 2] < 75


def test_the_languages_have_the_same_words() -> None:
    assert set(KNOWN.words["en"]) == set(KNOWN.words["fr"])


def test_whatever_is_named_as_an_alternative_has_the_question_that_decides() -> None:
    for rule in KNOWN.rules:
        if rule.alternative:
            assert rule.alternative != rule.cause
            assert KNOWN.causes[rule.alternative].texts["en"].question, rule.alternative


def test_no_rule_is_without_conditions() -> None:
    for rule in KNOWN.rules:
        conditions = (
            rule.text, rule.code, rule.enhanced, rule.symptom, rule.symptoms, rule.client, rule.provider and rule.stage,
        )
        assert any(conditions), rule


def test_every_rule_rests_on_an_rfc_a_vendors_page_or_two_threads() -> None:
    for rule in KNOWN.rules:
        documents = [b for b in rule.basis if re.fullmatch(r"RFC \d{3,4} \d{1,2}(\.\d{1,2})*|https://\S+", b)]
        threads = {b for b in rule.basis if re.fullmatch(r"[\w.-]+/[\w.-]+#\d+", b)}
        assert len(documents) + len(threads) == len(rule.basis), rule.basis
        assert documents or len(threads) >= 2, rule


def test_every_cause_and_every_variant_can_be_reached() -> None:
    ours = {"unknown", "content-damaged", "message-row-damaged", "envelope-refused-here", "engine-stopped",
            "port-not-allowed", "password-unreadable", "recipient-suppressed", "recipient-complained"}
    reached = ours | {rule.cause for rule in KNOWN.rules} | {rule.alternative for rule in KNOWN.rules}
    assert set(KNOWN.causes) <= reached
    providers = {provider.slug for provider in KNOWN.providers}
    for slug, cause in KNOWN.causes.items():
        named = {rule.variant for rule in KNOWN.rules if rule.cause == slug}
        assert set(cause.variants) <= named | providers, slug


def all_patterns() -> list[str]:
    found: list[Patterns] = [p for _, patterns, without in KNOWN.symptoms for p in (patterns, without)]
    found += [p for rule in KNOWN.rules for p in (rule.text, rule.without, rule.host, rule.client)]
    found += [p for provider in KNOWN.providers for p in (provider.greetings, provider.texts)]
    return [source for patterns in found for source in patterns.sources]


def test_patterns_are_lower_case_and_have_no_nested_or_unbounded_repetition() -> None:
    for source in all_patterns():
        compiled(source)
        bare = re.sub(r"\\.", "", source)
        assert bare == bare.lower(), source
        assert not re.search(r"(?<!\\)\.[*+]", source), f"repetition of any character needs a bound: {source}"
        assert not re.search(r"[*+}]\)[*+{]", source), f"repetition of a repetition: {source}"


def test_every_cause_of_the_catalogue_is_on_the_page_and_the_page_is_as_generated() -> None:
    assert PAGE.read_text(encoding="utf-8") == causes_page(), "run: python -m postroom.diagnosis.causes_page"
    for slug in KNOWN.causes:
        assert f"\n## {slug}\n" in causes_page()
