"""An SMTP reply (RFC 5321 section 4.2) with its enhanced status code (RFC 3463, RFC 2034)."""

import re
from dataclasses import dataclass

_ENHANCED = re.compile(r"\A([245])\.(\d{1,3})\.(\d{1,3})(?=\s|\Z)")


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete reply.

    `code` is 200–599. `lines` holds each line's text after code and separator, decoded with surrogates replaced,
    unescaped: whoever shows it escapes it. The remote side wrote it.
    """

    code: int
    lines: tuple[str, ...]

    @property
    def enhanced(self) -> str | None:
        """The enhanced status code, such as "5.7.8", when the reply starts with one of the reply's own class."""
        match = _ENHANCED.match(self.lines[0]) if self.lines else None
        return match.group(0) if match and match.group(1) == str(self.code)[0] else None

    @property
    def text(self) -> str:
        """The lines without the enhanced status code, joined by spaces."""
        enhanced = self.enhanced
        lines = (line[len(enhanced):] if enhanced and line.startswith(enhanced) else line for line in self.lines)
        return " ".join(line.strip() for line in lines if line.strip())

    @property
    def is_positive(self) -> bool:
        return 200 <= self.code < 300

    @property
    def is_intermediate(self) -> bool:
        return 300 <= self.code < 400

    @property
    def is_transient(self) -> bool:
        return 400 <= self.code < 500

    @property
    def is_permanent(self) -> bool:
        return 500 <= self.code < 600

    def __str__(self) -> str:
        return f"{self.code} {' '.join(self.lines)}".rstrip()
