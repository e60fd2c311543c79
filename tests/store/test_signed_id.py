"""Tokens that name an id where anybody can write: made here or nowhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.store.ids import new_id
from postroom.store.signed_id import BOUNCE_TOKENS, UNSUBSCRIBE_TOKENS, SignedIds

KINDS = [BOUNCE_TOKENS, UNSUBSCRIBE_TOKENS]


@pytest.mark.parametrize("tokens", KINDS)
def test_a_token_gives_its_id_back_however_it_is_written(tokens: SignedIds) -> None:
    id_ = new_id()
    token = tokens.token(id_)
    assert token == token.lower()
    assert token.isascii()
    assert token.isalnum()
    assert tokens.id_of(token) == tokens.id_of(token.upper()) == id_


@pytest.mark.parametrize("tokens", KINDS)
def test_s6_a_token_changed_in_any_place_is_none(tokens: SignedIds) -> None:
    token = tokens.token(new_id())
    for place, character in enumerate(token):
        other = "x" if character != "x" else "y"
        assert tokens.id_of(token[:place] + other + token[place + 1 :]) is None
        assert tokens.id_of(token[:place] + token[place + 1 :]) is None


def test_s6_the_signature_of_one_id_is_none_of_another() -> None:
    one, other = UNSUBSCRIBE_TOKENS.token(new_id()), UNSUBSCRIBE_TOKENS.token(new_id())
    assert UNSUBSCRIBE_TOKENS.id_of(one[:26] + other[26:]) is None


def test_s6_a_token_of_one_purpose_is_none_of_another() -> None:
    id_ = new_id()
    assert SignedIds("unsubscribe", 16).token(id_) != BOUNCE_TOKENS.token(id_)
    assert SignedIds("unsubscribe", 16).id_of(BOUNCE_TOKENS.token(id_)) is None


@given(st.text(max_size=80))
def test_any_text_is_a_token_or_none(text: str) -> None:
    assert BOUNCE_TOKENS.id_of(text) is None
