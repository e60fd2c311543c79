"""What an SQL query of a report source is made of: one statement that reads, and the parameters it names.

Parameters are bound by the database, never pasted into the text. Here their places are found, outside of strings,
quoted names and comments, and written the way a driver wants them.
"""

import re
from dataclasses import dataclass

QUERY_CHARACTERS = 100_000
_READING = ("SELECT", "WITH", "VALUES", "TABLE")
# In order: what is no code (strings, quoted names, comments, dollar quotes), casts, parameters, the end of a statement.
# What is never closed reaches to the end, so that no text takes longer than its length.
_TOKEN = re.compile(
    r"(?P<string>[eE]'(?:[^'\\]|''|\\.)*+(?:'|\Z)|'(?:[^']|'')*+(?:'|\Z)|\"(?:[^\"]|\"\")*+(?:\"|\Z)|--[^\n]*"
    r"|/\*.*?(?:\*/|\Z)|\$(?P<tag>[A-Za-z_]?\w{0,62})\$.*?(?:\$(?P=tag)\$|\Z))"
    r"|(?P<cast>::)|(?<![\w:]):(?P<name>[A-Za-z_]\w{0,62})|(?P<end>;)",
    re.DOTALL,
)
_WORD = re.compile(r"(?>\s|--[^\n]*|/\*.*?\*/|\()*+([A-Za-z]+)", re.DOTALL)


class QueryProblem(ValueError):
    """The text is no query that a report could be made of; `code` says why: empty, long, several or not-reading."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class SqlQuery:
    """One statement. `pieces` are its texts around the parameters, whose names stand between them in `places`."""

    pieces: tuple[str, ...]
    places: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> "SqlQuery":
        """The query in what somebody typed. Raises QueryProblem."""
        if len(text) > QUERY_CHARACTERS:
            raise QueryProblem("long")
        code = text.strip().rstrip(";").rstrip()
        word = _WORD.match(code)
        if not code:
            raise QueryProblem("empty")
        if word is None or word[1].upper() not in _READING:
            raise QueryProblem("not-reading")
        pieces, places, start = [], [], 0
        for match in _TOKEN.finditer(code):
            if match["end"]:
                raise QueryProblem("several")
            if match["name"]:
                pieces.append(code[start:match.start()])
                places.append(match["name"])
                start = match.end()
        return cls((*pieces, code[start:]), tuple(places))

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters, each once, in the order of their first use."""
        return tuple(dict.fromkeys(self.places))

    def numbered(self, mark: str) -> str:
        """The text with each parameter as `mark` and its number among `names`, such as $1 or ?1."""
        order = {name: f"{mark}{n}" for n, name in enumerate(self.names, 1)}
        after = (order[name] for name in self.places)
        return self.pieces[0] + "".join(place + piece for place, piece in zip(after, self.pieces[1:], strict=True))
