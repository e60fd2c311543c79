"""What a server offers and where it stops: the same for all of its sessions."""

from dataclasses import dataclass
from typing import Protocol

from postroom.terms import limits


@dataclass(frozen=True, slots=True)
class Profile:
    """Numbers as in terms/limits; `errors`, `overshoot` and `idle_commands` count since the last message that was
    accepted. So many refusals for now (4xx) are no errors; those beyond are."""

    host_name: str
    size_bytes: int = limits.SUBMISSION_SIZE_BYTES
    recipients: int = limits.SUBMISSION_RECIPIENTS
    line_bytes: int = limits.SUBMISSION_LINE_BYTES
    errors: int = limits.SUBMISSION_ERRORS
    overshoot: int = limits.SUBMISSION_OVERSHOOT
    idle_commands: int = limits.SUBMISSION_IDLE_COMMANDS
    auth_tries: int = limits.SUBMISSION_AUTH_TRIES


class Judge(Protocol):
    """Decides about one session's envelopes. Both give b"" to go on, else the reply that refuses; at once."""

    def sender_refusal(self, reverse_path: str, size_bytes: int) -> bytes: ...

    def recipient_refusal(self, forward_path: str) -> bytes: ...
