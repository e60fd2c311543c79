"""Everything that a person reads has a French text, and the compiled catalogue is the one that is read."""

import gettext
import os
from pathlib import Path

import pytest

from . import translations
from .translations import CATALOGUE, PACKAGE


@pytest.fixture(autouse=True)
def _gettext() -> None:
    if not translations.programs_are_there():
        assert os.environ.get("CI") != "true", "Continuous integration has to install gettext: make packages"
        pytest.skip("SKIPPED: the programs of gettext are missing; as root on Debian: make packages")


def test_every_text_of_the_source_has_a_french_one(tmp_path: Path) -> None:
    left = translations.left_open(translations.extracted(tmp_path))
    assert left == [], "make words collects them; translate what it names"


def test_the_compiled_catalogue_is_the_written_one_and_placeholders_agree(tmp_path: Path) -> None:
    fresh = translations.compiled(PACKAGE / CATALOGUE, tmp_path / "django.mo")
    assert _texts(fresh) == _texts(PACKAGE / CATALOGUE.with_suffix(".mo"))


def _texts(compiled: Path) -> dict[str, str]:
    with compiled.open("rb") as file:
        catalogue = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
    return {key: text for key, text in catalogue.items() if key}
