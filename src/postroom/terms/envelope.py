"""The SMTP envelope (RFC 5321 section 2.3.1)."""

from dataclasses import dataclass

from .outcome import Outcome, Stage
from .reply import Reply


@dataclass(frozen=True, slots=True)
class Envelope:
    """Reverse-path and forward-paths as bare addresses ("" is the null reverse-path), and what the content needs.

    `size_bytes` is the exact length of the content with CR LF line ends, before dot-stuffing (RFC 1870).
    """

    reverse_path: str
    forward_paths: tuple[str, ...]
    size_bytes: int
    needs_8bit: bool = False
    needs_smtputf8: bool = False


@dataclass(frozen=True, slots=True)
class RecipientResult:
    """What one transaction came to for one forward-path.

    `reply` is the server's reply that decided, None when none came. `reason` says in a few plain words what we saw
    when there was no reply ("connection closed", "no reply within 300 s", "needs SMTPUTF8").
    """

    recipient: str
    outcome: Outcome
    stage: Stage
    reply: Reply | None = None
    reason: str = ""
