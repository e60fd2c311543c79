"""A stored finding is told again in the language of whoever reads it."""

import json

import pytest

from postroom.diagnosis.catalogue import catalogue
from postroom.diagnosis.evidence import Evidence, Known
from postroom.diagnosis.explain import finding_of, finding_of_cause
from postroom.diagnosis.retelling import retold, title_of
from postroom.terms.outcome import Stage


def test_every_cause_is_told_again_as_it_would_have_been_told_at_once() -> None:
    values = {"host": "smtp.norrvik.example", "port": "587", "sender": "reports@norrvik.example"}
    for slug in catalogue().causes:
        stored = json.loads(json.dumps(finding_of_cause(slug, values=values, quotes=("530 no",)).as_stored()))
        at_once = finding_of_cause(slug, values=values, quotes=("530 no",), language="fr")
        assert retold(stored, "fr") == at_once.as_json()


def test_the_alternative_the_variant_and_the_providers_name_are_told_too() -> None:
    evidence = Evidence(
        stage=Stage.AUTHENTICATE, codes=frozenset({535}), enhanced=frozenset({"5.7.139"}), provider="microsoft365",
        text="535 5.7.139 authentication unsuccessful, basic authentication is disabled",
        known=Known("smtp.office365.com", 587, "starttls", True), values={"username": "reports@norrvik.example"},
    )
    stored = json.loads(json.dumps(finding_of(evidence).as_stored()))
    french = finding_of(evidence, "fr").as_json()
    assert stored["title"] != french["title"]
    assert retold(stored, "fr") == french


def test_in_its_own_language_a_finding_keeps_the_words_of_its_day() -> None:
    stored = finding_of_cause("unknown").as_stored() | {"title": "As it was said then"}
    assert retold(stored, "en")["title"] == "As it was said then"


@pytest.mark.parametrize("told", [None, "x", {}, {"values": 3}, {"language": "en", "provider": None, "values": {}}])
def test_what_was_stored_without_its_parts_or_with_a_forgotten_cause_keeps_its_words(told: object) -> None:
    stored = {"cause": "no-such-cause", "title": "Title", "explanation": "Text", "fix": [], "told": told}
    assert retold(stored, "fr") == {"cause": "no-such-cause", "title": "Title", "explanation": "Text", "fix": []}


def test_a_cause_alone_has_a_title_in_each_language() -> None:
    for slug in catalogue().causes:
        assert "{" not in title_of(slug, "en") + title_of(slug, "fr")
        assert title_of(slug, "fr")
    assert title_of("no-such-cause", "fr") == ""
