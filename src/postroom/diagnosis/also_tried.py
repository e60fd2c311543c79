"""What was looked at after a failure, without credentials, in words: a line for each look and one for this machine."""

from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from postroom.smtp.text import printable
from postroom.smtp.trace import AddressTried, Event, StageEnded
from postroom.terms.outcome import Stage
from postroom.terms.server import ServerSettings

from .catalogue import catalogue
from .detour import Detour, DetourSeen
from .probe_plan import FEWEST_OCTETS, LookKind, Seen
from .speaker import first_lines

# Stands for the machine that Postroom runs on where a line has no other place.
THIS_MACHINE = "this-machine"
WORDS_CHARACTERS = 120
_FROM_SIGN_IN = (Stage.AUTHENTICATE, Stage.SENDER, Stage.RECIPIENT, Stage.MESSAGE)
Said = tuple[str, dict[str, str]]


def also_tried(seen: Sequence[Seen], settings: ServerSettings, events: Iterable[Event]) -> list[dict[str, Any]]:
    """A dict of place, ok and says (what, values) for each look, of plain JSON values; empty without looks.

    What the failed session itself had shown before it said a credential comes first.
    """
    if not seen:
        return []
    events = tuple(events)
    lines = [*_own_line(settings, events), *(_line(one, settings) for one in seen)]
    if ports := _outbound(seen, events):
        lines.append(_as_line(THIS_MACHINE, True, [("outbound", {"ports": ", ".join(map(str, ports))})]))
    return lines


def told(stored: Iterable[Mapping[str, Any]], language: str) -> list[dict[str, Any]]:
    """What `also_tried` stored, as place, ok and text in the language. A line that no catalogue knows is left out."""
    texts = catalogue().looks
    found = []
    for line in stored:
        says = [(texts.get(str(s.get("what")), {}), s.get("values") or {}) for s in line.get("says", ())]
        sentences = [text.get(language, text["en"]).format_map(values) for text, values in says if text]
        if sentences:
            found.append({"place": str(line.get("place")), "ok": bool(line.get("ok")), "text": " ".join(sentences)})
    return found


def _as_line(place: str, ok: bool, says: Sequence[Said]) -> dict[str, Any]:
    return {
        "place": printable(place, WORDS_CHARACTERS),
        "ok": ok,
        "says": [
            {"what": what, "values": {k: printable(v, WORDS_CHARACTERS) for k, v in values.items()}}
            for what, values in says
        ],
    }


def _own_line(settings: ServerSettings, events: Sequence[Event]) -> list[dict[str, Any]]:
    """The configured way, where it was whole up to the sign-in."""
    before = [e for e in events if not (isinstance(e, StageEnded) and e.stage in _FROM_SIGN_IN)]
    own = DetourSeen(Detour(settings.host.strip(), settings.port, settings.security), before)
    return [_detour_line(own)] if own.is_walked else []


def _line(seen: Seen, settings: ServerSettings) -> dict[str, Any]:
    look, place = seen.look, f"{settings.host.strip()}:{seen.look.port}"
    match look.kind:
        case LookKind.DETOUR if seen.detour:
            return _detour_line(seen.detour)
        case LookKind.MAIL_EXCHANGERS:
            names = ", ".join(seen.exchangers[:3])
            said: Said = ("exchangers", {"exchangers": names}) if names else ("no-exchangers", {})
            return _as_line(f"MX {look.name}", bool(names), [said])
        case LookKind.OTHER_NAME:
            works = bool(seen.resolved and not seen.resolved.error)
            return _as_line(look.name, works, [("name-resolves" if works else "name-fails", {})])
        case LookKind.OLDEST_TLS:
            works = bool(seen.tls and not seen.tls.error)
            version = seen.tls.version if seen.tls else ""
            return _as_line(place, False, [("old-tls", {"version": version}) if works else ("no-old-tls", {})])
        case LookKind.TLS_HELLO:
            speaks = bool(seen.tls and (not seen.tls.error or seen.tls.error in ("protocol-version", "no-cipher")))
            return _as_line(place, speaks, [("speaks-tls" if speaks else "speaks-no-tls", {})])
        case _:
            words = next(iter(first_lines(seen.words)), "") if len(seen.words) >= FEWEST_OCTETS else ""
            return _as_line(place, bool(words), [("says", {"words": words}) if words else ("says-nothing", {})])


def _detour_line(walked: DetourSeen) -> dict[str, Any]:
    way = walked.detour
    if not walked.is_walked:
        return _as_line(way.place, False, [(_stopped_by(walked), {})])
    says: list[Said] = [(str(way.security), {})]
    if way.envelope is None or way.change.get("auth") == "password":
        names = ", ".join(walked.mechanisms)
        says.append(("offers", {"mechanisms": names}) if names else ("offers-nothing", {}))
        return _as_line(way.place, bool(names), says)
    recipient = way.envelope[1]
    if walked.answer is not None and walked.answer.is_positive:
        return _as_line(way.place, True, [*says, ("accepts", {"recipient": recipient})])
    reply = str(walked.answer) if walked.answer else "–"
    return _as_line(way.place, False, [*says, ("accepts-not", {"recipient": recipient, "reply": reply})])


_STOPPED_AT = {Stage.EHLO: "refuses", Stage.CERTIFICATE: "bad-certificate"}


def _stopped_by(walked: DetourSeen) -> str:
    """The line that tells where a walk ended."""
    if not walked.is_open:
        known = {"no-name": "no-name", "timeout": "timeout", "refused": "refused", "not-allowed": "not-allowed"}
        return known.get(walked.error, "no-connection")
    if walked.lacks_starttls:
        return "no-starttls"
    stage = walked.failed_stage
    if stage is Stage.STARTTLS:
        return "no-smtp-tls"
    return _STOPPED_AT.get(stage, "no-smtp") if stage else "no-smtp"


def _outbound(seen: Iterable[Seen], events: Iterable[Event]) -> list[int]:
    """Ports on which something beyond this machine took a connection."""
    tried = [e for e in events if isinstance(e, AddressTried)]
    for one in seen:
        if one.detour:
            tried += [e for e in one.detour.events if isinstance(e, AddressTried)]
    return sorted({e.port for e in tried if not e.error and not ip_address(e.address.partition("%")[0]).is_loopback})
