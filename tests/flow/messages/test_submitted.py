"""Base64 of an attachment is read in blocks and means what it means whole."""

import base64

import pytest
from pydantic import ValidationError

from postroom.flow.messages import submitted
from postroom.flow.messages.submitted import SubmittedAttachment


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submitted, "_BLOCK_CHARACTERS", 8)


@pytest.mark.parametrize("size", range(30))
def test_octets_of_any_length_come_back(size: int) -> None:
    text = base64.b64encode(bytes(range(size))).decode()
    assert SubmittedAttachment.model_validate({"content_base64": text}).content_base64 == bytes(range(size))


@pytest.mark.parametrize(
    "text", ["QUJDQUI=QUJD", "QUJDQUJ", "QUJDQU\nJD", "QUJD=", "QUJDQUJD=", "é", "QUJDQUJDQQ==QQ==", "QUJDQQ==QUJDQQ=="]
)
def test_what_is_no_base64_as_a_whole_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        SubmittedAttachment.model_validate({"content_base64": text})
