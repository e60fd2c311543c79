"""The transcript of a session for people: one line an event, escaped and bounded, without any secret."""

from collections.abc import Iterable

from . import trace
from .text import printable, printable_octets

LINE_CHARACTERS = 500


def transcript(events: Iterable[trace.Event]) -> list[str]:
    """Lines such as "  0.173 S: 220 mx.example ESMTP"; C: is us, S: the server, --: a remark."""
    lines: list[str] = []
    for event in events:
        for who, text in _said(event):
            lines.append(printable(f"{event.at_s:7.3f} {who}: {text}", LINE_CHARACTERS))
    return lines


def _said(event: trace.Event) -> list[tuple[str, str]]:
    match event:
        case trace.CommandSent():
            return [("C", event.line)]
        case trace.ReplyReceived():
            last = len(event.reply.lines) - 1
            return [
                ("S", f"{event.reply.code}{'-' if i < last else ' '}{line}".rstrip())
                for i, line in enumerate(event.reply.lines)
            ]
        case trace.ContentSent():
            return [("C", f"[content of {event.size_bytes} bytes]"), ("C", ".")]
        case trace.PeerFault():
            shown = [("S", printable_octets(event.octets))] if event.octets else []
            return [*shown, ("--", f"{event.kind}: {event.text}" if event.text else event.kind)]
        case trace.Note():
            return [("--", event.text)]
        case _:
            return [("--", remark) for remark in _remarks(event)]


def _remarks(event: trace.Event) -> list[str]:
    match event:
        case trace.NameResolved(error=""):
            return [f"{event.host} is {', '.join(event.addresses)}"]
        case trace.NameResolved():
            return [f"{event.host} was not resolved: {event.error_text or event.error}"]
        case trace.AddressTried(error=""):
            return [f"connected to {event.address} port {event.port}"]
        case trace.AddressTried():
            return [f"{event.address} port {event.port}: {event.error_text or event.error}"]
        case trace.TlsEnded():
            return _tls_remarks(event)
        case trace.OurRefusal():
            return [f"stopped: {event.text or event.reason}"]
        case trace.StageEnded(passed=False):
            return [f"{event.stage} failed: {event.detail}" if event.detail else f"{event.stage} failed"]
        case _:
            return []


def _tls_remarks(event: trace.TlsEnded) -> list[str]:
    if not event.error:
        checked = "certificate verified" if event.verified else "certificate not checked"
        remarks = [f"{event.version}, {event.cipher}, {checked}"]
    else:
        remarks = [f"TLS failed ({event.error}): {event.verify_text or event.error_text}"]
    if event.first_bytes:
        remarks.append(f"the server said in place of TLS: {printable_octets(event.first_bytes)}")
    for certificate in event.chain:
        until = certificate.not_after.strftime("%Y-%m-%d %H:%M UTC")
        names = ", ".join(certificate.names) or "none"
        remarks.append(
            f"certificate {certificate.position}: {certificate.subject}, names {names}, "
            f"issued by {certificate.issuer}, until {until}"
        )
    return remarks
