"""What a stage that passed has to show for itself, in a few words."""

from collections.abc import Iterable

from postroom.smtp.trace import CommandSent, Event, ExtensionsSeen, ReplyReceived, TlsEnded
from postroom.terms.outcome import Stage
from postroom.terms.reply import Reply

# The reply to QUIT (RFC 5321 section 4.2.3); it says nothing about the stage it happens to follow.
_FAREWELL = 221
_REPLY_STAGES = (Stage.GREETING, Stage.SENDER, Stage.RECIPIENT, Stage.MESSAGE)


def passed_details(events: Iterable[Event]) -> dict[Stage, str]:
    """The detail of each stage that the events tell about; later events count. Texts are the server's, unescaped."""
    found: dict[Stage, str] = {}
    for event in events:
        if isinstance(event, ReplyReceived) and _tells(event):
            found[event.stage] = _in_short(event.reply, event.stage)
        elif isinstance(event, ExtensionsSeen):
            found[Stage.EHLO] = _counted(len(event.extensions))
        elif isinstance(event, CommandSent) and event.line.startswith("AUTH "):
            found[Stage.AUTHENTICATE] = event.line.split()[1]
        elif isinstance(event, TlsEnded) and event.chain:
            found[Stage.CERTIFICATE] = _certificate(event)
    return found


def _tells(event: ReplyReceived) -> bool:
    return event.stage in _REPLY_STAGES and event.reply.is_positive and event.reply.code != _FAREWELL


def _in_short(reply: Reply, stage: Stage) -> str:
    if stage is Stage.GREETING:
        return str(reply)
    return f"{reply.code} {reply.enhanced or reply.text}".strip()


def _counted(number: int) -> str:
    return f"{number} extension offered" if number == 1 else f"{number} extensions offered"


def _certificate(event: TlsEnded) -> str:
    leaf = event.chain[0]
    name = leaf.names[0] if leaf.names else leaf.subject
    until = f"{leaf.not_after.day} {leaf.not_after:%b %Y}"
    return f"{name}, valid until {until}" if event.verified else f"{name}, not checked"
