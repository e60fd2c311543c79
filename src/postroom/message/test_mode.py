"""A draft in test mode: to one address alone, with its true recipients in the subject, on top and in the header."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape

from postroom.terms.address import Mailbox, parse_address
from postroom.terms.test_mode import TestMode
from postroom.terms.wording import Translate, worded

from .draft import Draft

MODE_FIELD, RECIPIENTS_FIELD = "X-Postroom-Test-Mode", "X-Postroom-Test-Recipients"
SUBJECT_CHARACTERS = 998
# A banner names so many of each kind, the header field fewer: it is one line to most readers.
_IN_BANNER, _IN_FIELD = 50, 20
# A subject says little where an address fills it.
_IN_SUBJECT_CHARACTERS = 80
_BODY = re.compile(r"<body\b[^>]*>", re.IGNORECASE)
_BOX = (
    '<div style="margin:0 0 16px;padding:10px 14px;border:1px solid #66399e;border-radius:6px;background:#f4eefc;'
    'color:#18212d;font:14px/20px sans-serif"><strong>{title}</strong><br>{lines}</div>\n'
)


@dataclass(frozen=True, slots=True)
class TrueRecipients:
    """The addresses that a message would have gone to; `others` are of the envelope alone."""

    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.to, *self.cc, *self.others)))


def redirected(draft: Draft, mode: TestMode, say: Translate = str) -> Draft:
    """The draft as it leaves in test mode: Cc and Bcc are dropped and named. `say` translates."""
    true = TrueRecipients(_bare(draft.to), _bare(draft.cc), _bare(draft.bcc))
    title, lines = _title(say), banner_lines(true, say)
    return replace(
        draft,
        to=(Mailbox(parse_address(mode.address)),),
        cc=(),
        bcc=(),
        subject=marked_subject(draft.subject, true, say),
        text=None if draft.text is None else "\n".join((title, *lines, "-" * 60, "", draft.text)),
        html=None if draft.html is None else _with_box(draft.html, title, lines),
        marks=mode_fields(mode, true),
    )


def banner_text(true: TrueRecipients, say: Translate = str) -> str:
    """The banner as a text of its own."""
    return "\n".join((_title(say), *banner_lines(true, say))) + "\n"


def banner_lines(true: TrueRecipients, say: Translate = str) -> list[str]:
    """A line for each kind of recipient that there is."""
    kinds = (
        (worded("To: {addresses}", addresses=_listed(true.to, _IN_BANNER)), true.to),
        (worded("Cc: {addresses}", addresses=_listed(true.cc, _IN_BANNER)), true.cc),
        (worded("Bcc: {addresses}", addresses=_listed(true.others, _IN_BANNER)), true.others),
    )
    return [line.in_words_of(say) for line, addresses in kinds if addresses]


def marked_subject(subject: str, true: TrueRecipients, say: Translate = str) -> str:
    """The subject behind the true recipient, cut where it would be too long."""
    first, more = true.all[0] if true.all else "", len(true.all) - 1
    shown = first if len(first) <= _IN_SUBJECT_CHARACTERS else first[: _IN_SUBJECT_CHARACTERS - 1] + "…"
    prefix = worded("[Test for {address}]", address=shown) if more < 1 else worded(
        "[Test for {address} and {count} more]", address=shown, count=more
    )
    return f"{prefix.in_words_of(say)} {subject}".rstrip(" ")[:SUBJECT_CHARACTERS]


def mode_fields(mode: TestMode, true: TrueRecipients) -> tuple[tuple[str, str], ...]:
    """Names and bodies of the header fields that tell programs."""
    return (MODE_FIELD, str(mode.extent)), (RECIPIENTS_FIELD, str(_listed(true.all, _IN_FIELD)))


def _title(say: Translate) -> str:
    return worded("Test mode: this message would have gone to others.").in_words_of(say)


def _listed(addresses: Sequence[str], most: int) -> str:
    shown = ", ".join(addresses[:most])
    if len(addresses) <= most:
        return shown
    return worded("{shown} and {count} more", shown=shown, count=len(addresses) - most)


def _bare(mailboxes: Sequence[Mailbox]) -> tuple[str, ...]:
    return tuple(str(mailbox.address) for mailbox in mailboxes)


def _with_box(html: str, title: str, lines: Sequence[str]) -> str:
    """The page with a box on top, after its body begins where it says so."""
    box = _BOX.format(title=escape(title), lines="<br>".join(map(escape, lines)))
    body = _BODY.search(html)
    at = body.end() if body is not None else 0
    return html[:at] + box + html[at:]
