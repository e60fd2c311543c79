"""What of a mail's HTML some people can't read: pictures without words, pale text, headings out of order.

It reads HTML with inlined styles, as `html_mail` makes it; what mail programs change later (dark mode) it can't know.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from lxml.html import HtmlElement, HTMLParser, document_fromstring

from postroom.terms.wording import Wording, worded

from .colour import Colour, colour, contrast

_LEAST = 4.5
_LEAST_LARGE = 3.0
_LARGE_PX = 24.0
_LARGE_BOLD_PX = 18.66
_FINDINGS = 20
_EXCERPT = 40
_SAYS_NOTHING = {"here", "click here", "link", "this link", "more", "ici", "cliquez ici", "lien", "ce lien", "plus"}
_SIZES = {"h1": 32.0, "h2": 24.0, "h3": 18.72}


@dataclass(frozen=True, slots=True)
class Barrier:
    """One thing to repair. `kind`: alt, language, contrast, headings, link."""

    kind: str
    text: Wording


@dataclass(frozen=True, slots=True)
class _Look:
    colour: Colour = (0, 0, 0)
    ground: Colour = (255, 255, 255)
    size_px: float = 16.0
    bold: bool = False


def barriers(html: str) -> list[Barrier]:
    """What stands in somebody's way, each once, in the order of the document."""
    parser = HTMLParser(encoding="utf-8", no_network=True)
    tree = document_fromstring(html.replace("\0", "").encode() or b"<p></p>", parser=parser)
    found: dict[Barrier, None] = {}
    if not tree.get("lang"):
        found[Barrier("language", worded("Say the language of the document: <html lang=\"en\">."))] = None
    for barrier in (*_headings(tree), *_elements(tree), *_pale(tree)):
        found.setdefault(barrier)
        if len(found) >= _FINDINGS:
            break
    return list(found)


def _headings(tree: HtmlElement) -> Iterator[Barrier]:
    before = 0
    for element in tree.iter("h1", "h2", "h3", "h4", "h5", "h6"):
        level = int(element.tag[1])
        if level > before + 1:
            said = worded(
                "The heading “{text}” is of level {level}, but the one before it of {before}. Leave no level out.",
                text=_excerpt(element), level=level, before=before,
            ) if before else worded(
                "The first heading, “{text}”, is of level {level}. Begin with 1.", text=_excerpt(element), level=level
            )
            yield Barrier("headings", said)
        before = level


def _elements(tree: HtmlElement) -> Iterator[Barrier]:
    for element in tree.iter("img", "a"):
        if element.tag == "img" and element.get("alt") is None:
            yield Barrier("alt", worded(
                "Say in alt what the picture {name} shows; alt=\"\" where it only decorates.",
                name=(element.get("src") or "")[:_EXCERPT],
            ))
        if element.tag == "a" and _excerpt(element).casefold().strip(" .›»") in _SAYS_NOTHING:
            yield Barrier("link", worded("The link “{text}” does not say where it leads.", text=_excerpt(element)))


def _pale(tree: HtmlElement) -> Iterator[Barrier]:
    """Text that is hard to tell from its ground. Walks without recursion, since mail may be nested deeply."""
    waiting = [(tree, _Look())]
    while waiting:
        element, look = waiting.pop()
        if not isinstance(element.tag, str) or element.tag in ("head", "style", "script"):
            continue
        look = _looks(element, look)
        if _has_own_text(element) and (barrier := _contrast(element, look)) is not None:
            yield barrier
        waiting += [(child, look) for child in reversed(element)]


def _contrast(element: HtmlElement, look: _Look) -> Barrier | None:
    large = look.size_px >= (_LARGE_BOLD_PX if look.bold else _LARGE_PX)
    ratio = contrast(look.colour, look.ground)
    if ratio >= (least := _LEAST_LARGE if large else _LEAST):
        return None
    return Barrier("contrast", worded(
        "“{text}” is pale: {colour} on {ground} has a contrast of {ratio}; {least} is needed.",
        text=_excerpt(element), colour=_hex(look.colour), ground=_hex(look.ground), ratio=f"{ratio:.1f}", least=least,
    ))


def _looks(element: HtmlElement, look: _Look) -> _Look:
    style = dict(_declarations(element.get("style") or ""))
    ground = style.get("background-color") or style.get("background") or element.get("bgcolor") or ""
    ink = style.get("color") or (element.get("color") if element.tag == "font" else None)
    ink = ink or ("#0000ee" if element.tag == "a" and element.get("href") else "")
    weight = style.get("font-weight", "")
    bold = look.bold if not weight else weight in ("bold", "600", "700", "800", "900")
    return _Look(
        colour(ink) or look.colour,
        colour(ground) or look.ground,
        _pixels(style.get("font-size", ""), _SIZES.get(element.tag, look.size_px)),
        bold or (element.tag in ("b", "strong", "th", "h1", "h2", "h3") and not weight),
    )


def _declarations(style: str) -> Iterator[tuple[str, str]]:
    for part in style.split(";"):
        name, _colon, value = part.partition(":")
        yield name.strip().lower(), value.removesuffix("!important").strip().lower()


def _pixels(text: str, otherwise: float) -> float:
    for unit, factor in (("px", 1.0), ("pt", 4 / 3), ("em", otherwise)):
        number = text.removesuffix(unit)
        if number != text and number.replace(".", "", 1).isdecimal():
            return float(number) * factor
    return otherwise


def _has_own_text(element: HtmlElement) -> bool:
    texts = [element.text, *(child.tail for child in element)]
    return any(text is not None and text.strip() for text in texts)


def _excerpt(element: HtmlElement) -> str:
    return " ".join("".join(element.itertext()).split())[:_EXCERPT]


def _hex(value: Colour) -> str:
    return "#" + "".join(f"{part:02x}" for part in value)
