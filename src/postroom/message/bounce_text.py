"""Bounces in plain text: those of qmail (QSBMF), Exim, Postfix, Sendmail, Exchange, Gmail and Office 365.

They have in common that a recipient's address begins a paragraph or stands alone in a line, that the remote server's
words follow, and that a copy of the message comes last. Read line by line, so that any text takes linear time.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from .mime_reader import Header, ReadPart
from .report import ReportKind

LINES = 400
LINE_CHARACTERS = 1_000
_QUOTED_LINES = 12
# A bounce names an address in its first sentence and with the server's words; one that repeats it is a flood.
_NAMING_LINES = 5
_ADDRESS = r"[^\s<>;,:\"'()\[\]]{1,64}@[^\s<>;,:\"'()\[\]]{1,255}"
# A recipient at the beginning of a line, with what was said of it behind: Postfix, qmail, Sendmail.
_LEADING = re.compile(rf"\s{{0,8}}<({_ADDRESS})>(?: \([^()]{{0,300}}\))?:\s*(.*)")
# A recipient alone in a line: Exim, Sendmail, Gmail's older form, Exchange.
_ALONE = re.compile(rf"\s{{0,12}}['\"<]{{0,2}}({_ADDRESS})['\">]{{0,2}}(?:\s+on \d.{{0,40}})?\s*")
# A recipient within a sentence: Gmail, Office 365.
_WITHIN = re.compile(
    rf"(?:wasn't delivered to|couldn't be delivered to|could not be delivered to|delivering your message to|"
    rf"your message to)\s+<?({_ADDRESS})>?",
    re.IGNORECASE,
)
_COPY_BEGINS = re.compile(
    r"-{2,}\s*(?:below this line is a copy|this is a copy of|original message|the body of the message|"
    r"unsent message below|message header|here is a copy)|original message headers:|received: from |return-path: ?<",
    re.IGNORECASE,
)
_FAILED = re.compile(
    r"permanent (?:error|failure|fatal error)|could not be delivered|couldn't be delivered|wasn't delivered|"
    r"was not delivered|undeliverable|undelivered|failed permanently|delivery (?:has )?failed|did not reach|"
    r"address not found|wasn't able to deliver|unable to deliver|returned to sender|message not delivered|"
    r"delivery to the following recipients? failed|failure notice|delivery status notification \(failure\)|"
    r"message blocked|recipient inbox full",
    re.IGNORECASE,
)
_DELAYED = re.compile(
    r"will (?:be )?(?:retry|retried|keep trying|continue to (?:try|be))|has not (?:yet )?been delivered|"
    r"warning: could not send|delivery (?:is |has been )?delayed|delivery incomplete|temporary problem|"
    r"delivery status notification \(delay\)|this is a warning message only|not yet been delivered",
    re.IGNORECASE,
)
_GAVE_UP = re.compile(r"giv(?:en|ing) up|permanent (?:error|failure|fatal)|failed permanently", re.IGNORECASE)
_SAID = re.compile(r"(?<![\d.])[245]\d\d[ \-#:]|(?<![\d.])[245]\.\d{1,3}\.\d{1,3}(?![\d.])")
_MESSAGE_ID = re.compile(r"\s{0,8}message-id:\s*(<[^<>\s]{3,248}>)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class TextBounce:
    """Recipients with what became of the message and what was said; `message_id` of the copy, "" without one."""

    recipients: tuple[tuple[str, ReportKind, str], ...]
    message_id: str = ""


def read_text_bounce(header: Header, parts: Sequence[ReadPart]) -> TextBounce | None:
    """What a text written by a mail system says; None where that is not about mail that failed or waits."""
    lines = text_lines(parts)
    end = next((n for n, line in enumerate(lines) if n and _COPY_BEGINS.match(line.strip())), len(lines))
    said = lines[:end]
    kind = _kind_of(f"{header.first('subject')}\n" + "\n".join(said))
    if kind is None:
        return None
    found = dict(_recipients(said))
    listed = re.findall(_ADDRESS, header.first("x-failed-recipients"))
    everything = " ".join(_quoted(said))
    chosen = {address: found.get(address) or everything for address in listed} or found
    recipients = tuple((address, kind, words or everything) for address, words in chosen.items())
    return TextBounce(recipients, _message_id(lines)) if recipients else None


def text_lines(parts: Sequence[ReadPart]) -> list[str]:
    """The text of a bounce, a bounded number of bounded lines."""
    return [line[:LINE_CHARACTERS] for line in _text_of(parts).split("\n", LINES)[:LINES]]


def words_about(lines: Sequence[str], address: str) -> str:
    """What the text of a bounce quotes of a server about one recipient, "" where it quotes nothing."""
    wanted = address.lower()
    naming = (number for number, line in enumerate(lines) if wanted in line.lower())
    for number in islice(naming, _NAMING_LINES):
        line = lines[number]
        behind = line[line.lower().index(wanted) + len(wanted):].lstrip(">:' ")
        if words := _quoted([behind, *_until_next(lines[number + 1:])]):
            return " ".join(words)
    return ""


def _text_of(parts: Sequence[ReadPart]) -> str:
    plain = next((part.text for part in parts if part.media_type == "text/plain"), "")
    if plain.strip():
        return plain
    page = next((part.text for part in parts if part.media_type == "text/html"), "")
    return re.sub(r"<[^<>]{0,1000}>", "\n", page.replace("&lt;", "<").replace("&gt;", ">")) if page else ""


def _kind_of(text: str) -> ReportKind | None:
    """Delayed where it says that it goes on trying, failed where it says that it gave up."""
    if _DELAYED.search(text) and not _GAVE_UP.search(text):
        return ReportKind.DELAYED
    return ReportKind.FAILED if _FAILED.search(text) else None


def _recipients(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each recipient once, with the words behind it."""
    seen: set[str] = set()
    for number, line in enumerate(lines):
        leading = _LEADING.match(line)
        match = leading or _ALONE.fullmatch(line) or _WITHIN.search(line)
        if match is None or match.group(1).rstrip(".") in seen:
            continue
        address = match.group(1).rstrip(".")
        seen.add(address)
        first = [leading.group(2)] if leading is not None else []
        yield address, " ".join(_quoted([*first, *_until_next(lines[number + 1:])]))


def _until_next(lines: Sequence[str]) -> Iterator[str]:
    for line in lines[:_QUOTED_LINES]:
        if _LEADING.match(line) or _ALONE.fullmatch(line):
            return
        yield line


def _quoted(lines: Sequence[str]) -> list[str]:
    """From the first line in which a server speaks, its paragraph."""
    first = next((n for n, line in enumerate(lines) if _SAID.search(line)), None)
    if first is None:
        return []
    kept = []
    for line in lines[first : first + _QUOTED_LINES]:
        if not line.strip():
            break
        kept.append(" ".join(line.split()))
    return kept


def _message_id(lines: Sequence[str]) -> str:
    matches = (_MESSAGE_ID.match(line) for line in lines)
    return next((match.group(1) for match in matches if match is not None), "")
