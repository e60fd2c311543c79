"""Texts that remember what they were made of."""

import copy
import json

from postroom.terms.address import AddressProblem, parse_address
from postroom.terms.problem import FieldError, invalid_fields
from postroom.terms.wording import Wording, worded

FRENCH = {
    "Shorten {what} to {most}.": "Raccourcissez {what} à {most}.",
    "the name": "le nom",
    "Remove it.": "Supprimez-le.",
}


def french(pattern: str) -> str:
    return FRENCH.get(pattern, pattern)


def test_a_wording_is_its_english_text_and_can_be_said_otherwise_with_the_values_inside() -> None:
    text = worded("Shorten {what} to {most}.", what=worded("the name"), most=3)
    assert text == "Shorten the name to 3."
    assert text.in_words_of(french) == "Raccourcissez le nom à 3."


def test_two_wordings_follow_each_other_in_every_language() -> None:
    text = worded("Shorten {what} to {most}.", what="x", most=3).followed_by(worded("Remove it."))
    assert text == "Shorten x to 3. Remove it."
    assert text.in_words_of(french) == "Raccourcissez x à 3. Supprimez-le."


def test_braces_of_a_value_stay_text() -> None:
    assert worded("Shorten {what} to {most}.", what="{most}", most="{0}") == "Shorten {most} to {0}."
    assert worded("No values {here}.").in_words_of(french) == "No values {here}."


def test_a_wording_survives_storage_copying_and_being_made_a_str() -> None:
    text = worded("Shorten {what} to {most}.", what=worded("the name"), most=3)
    stored = Wording.from_json(json.loads(json.dumps(text.as_json())))
    for same in (stored, copy.deepcopy(text), str(text)):
        assert isinstance(same, Wording)
        assert (same, same.in_words_of(french)) == (text, "Raccourcissez le nom à 3.")
    assert json.dumps(text) == '"Shorten the name to 3."'


def test_an_addresss_problem_and_a_fields_fault_keep_their_words() -> None:
    try:
        parse_address("a b@example.com")
    except AddressProblem as problem:
        text = str(problem)
    assert isinstance(text, Wording)
    assert text.in_words_of(french).endswith("Supprimez-le.")
    error = FieldError("host", "x", worded("Remove it."))
    assert invalid_fields([error]).as_json()["errors"][0]["text"] == "Remove it."
