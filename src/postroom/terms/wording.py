"""English text that remembers what it was made of, so that a page can say it in its reader's language.

The rooms below the framework know no reader. They say what they have to say with `worded`, whose text is a str like any
other; a page looks up the pattern among its translations and fills in the same values. A pattern is a literal at the
call, where the extraction of translatable texts finds it.
"""

from collections.abc import Callable, Mapping
from typing import Any, Self

Translate = Callable[[str], str]


class Wording(str):
    """The English text, made of one or several sentences, each a pattern and its values."""

    __slots__ = ("_sentences",)
    _sentences: tuple[tuple[str, Mapping[str, Any]], ...]

    @classmethod
    def of(cls, *sentences: tuple[str, Mapping[str, Any]]) -> Self:
        made = cls(" ".join(_filled(pattern, values) for pattern, values in sentences))
        made._sentences = sentences
        return made

    def in_words_of(self, translate: Translate) -> str:
        """The same in another language; `translate` gives a pattern's translation, or the pattern itself."""
        return " ".join(
            _filled(translate(pattern), {name: _translated(value, translate) for name, value in values.items()})
            for pattern, values in self._sentences
        )

    def followed_by(self, other: str) -> "Wording":
        """Both, one after the other."""
        return Wording.of(*self._sentences, *_sentences_of(other))

    def as_json(self) -> list[dict[str, Any]]:
        return [
            {"pattern": pattern, "values": {
                name: value.as_json() if isinstance(value, Wording) else value for name, value in values.items()
            }}
            for pattern, values in self._sentences
        ]

    @classmethod
    def from_json(cls, stored: Any) -> Self:
        """Raises KeyError, TypeError, ValueError or IndexError for what `as_json` did not make."""
        return cls.of(*(
            (str(row["pattern"]), {
                str(name): cls.from_json(value) if isinstance(value, list) else value
                for name, value in row["values"].items()
            })
            for row in stored
        ))

    def __str__(self) -> str:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


def worded(pattern: str, /, **values: Any) -> Wording:
    """The pattern with its values in the braces. A value may be a Wording of its own."""
    return Wording.of((pattern, values))


def _filled(pattern: str, values: Mapping[str, Any]) -> str:
    return pattern.format_map(values) if values else pattern


def _translated(value: Any, translate: Translate) -> Any:
    return value.in_words_of(translate) if isinstance(value, Wording) else value


def _sentences_of(text: str) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    return text._sentences if isinstance(text, Wording) else ((text, {}),)
