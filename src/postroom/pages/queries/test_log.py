"""The log of a test as its page shows it: who spoke, labels in place of credentials, long replies folded."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# A reply of fewer further lines is shown whole.
FOLDED_LINES = 3
_LINE = re.compile(r"\A\s*(?P<at>\d+\.\d+)\s+(?P<who>S:|C:|--:|--)\s?(?P<text>.*)\Z", re.S)
_HIDDEN = re.compile(r"\[((?:user name|password|[a-z ]{3,30}) hidden\b[^\]]*)\]")
_CONTINUED = re.compile(r"\A\d{3}-")


@dataclass(frozen=True, slots=True)
class LogLine:
    """`pieces` are (text, hidden) pairs; a hidden one is a label in place of a credential. `more` are the further lines
    of the same reply."""

    at: str
    who: str
    tone: str
    pieces: Sequence[tuple[str, bool]]
    more: Sequence["LogLine"] = ()


def log_of(lines: Iterable[str], finding: Mapping[str, Any] | None) -> list[LogLine]:
    """The lines in order; those that prove the finding of a failure are marked and never folded."""
    quoted = [str(line) for line in (finding or {}).get("evidence", ())]
    return _folded([_line(line, quoted) for line in lines])


def _line(line: str, quoted: Sequence[str]) -> LogLine:
    match = _LINE.match(line)
    at, who, text = (match["at"], match["who"].rstrip(":"), match["text"]) if match else ("", "", line)
    is_proof = who == "S" and any(text.strip() and text.strip() in quote for quote in quoted)
    return LogLine(at, who, "proof" if is_proof else who, _pieces(text))


def _folded(lines: Sequence[LogLine]) -> list[LogLine]:
    found: list[LogLine] = []
    at = 0
    while at < len(lines):
        end = _reply_end(lines, at)
        if end - at - 1 >= FOLDED_LINES:
            first = lines[at]
            found.append(LogLine(first.at, first.who, first.tone, first.pieces, lines[at + 1:end]))
        else:
            found += lines[at:end]
        at = end
    return found


def _reply_end(lines: Sequence[LogLine], at: int) -> int:
    """The index after the last line of the reply that begins here; a line that proves something stands alone."""
    end = at
    while lines[end].tone == "S" and _CONTINUED.match(_text(lines[end])) and end + 1 < len(lines):
        if lines[end + 1].tone != "S":
            break
        end += 1
    return end + 1


def _text(line: LogLine) -> str:
    return line.pieces[0][0] if line.pieces else ""


def _pieces(text: str) -> list[tuple[str, bool]]:
    pieces: list[tuple[str, bool]] = []
    at = 0
    for match in _HIDDEN.finditer(text):
        pieces += [(text[at:match.start()], False), (match[1], True)]
        at = match.end()
    return [piece for piece in (*pieces, (text[at:], False)) if piece[0]]
