"""The text part that stands in for an HTML part."""

from copy import copy

from inscriptis import Inscriptis
from inscriptis.css_profiles import RELAXED_CSS_PROFILE
from inscriptis.model.config import ParserConfig
from lxml.html import HtmlElement, HTMLParser, document_fromstring

from .html_extent import Extent, extent
from .html_lines import lines_of

# Making text of a million characters takes about a second of one processor; nothing readable is longer.
HTML_CHARACTERS = 1_000_000
# A text with tables in columns may be so many times as long as its HTML, and so many characters more; for tables within
# tables more are drawn than are left.
_LONGER, _MORE_CHARACTERS = 4, 4_000
_DRAWN, _MORE_DRAWN = 16, 100_000
# An element costs some 30 µs where columns are drawn, and two in a text line by line.
_ELEMENTS = 30_000
_NOTHING_TO_READ = "This message is written in HTML and has no text of its own."


def text_of_html(html: str) -> str:
    """What a reader without HTML sees of `html`; a sentence saying so when that is nothing. Tables are drawn in columns
    where that takes no more room than it is worth, else row by row.

    Attributes are dropped first: a style of huge margins would otherwise become a huge text. Raises ValueError beyond
    HTML_CHARACTERS.
    """
    if len(html) > HTML_CHARACTERS:
        raise ValueError(f"HTML of over {HTML_CHARACTERS:,} characters needs a text sent along with it.")
    if not html.strip():
        return _NOTHING_TO_READ
    # As octets, since lxml refuses a str that declares an encoding; the marker wraps what would be an empty document.
    parser = HTMLParser(encoding="utf-8", no_network=True)
    tree = document_fromstring(b"<html><body>" + html.replace("\0", "").encode() + b"</body></html>", parser=parser)
    # Kept, since each walk would make them anew.
    elements = [element for element in tree.iter() if isinstance(element.tag, str)]
    for element in elements:
        if element.attrib:
            element.attrib.clear()
    has_columns = len(elements) <= _ELEMENTS and _is_worth_drawing(extent(tree), len(html))
    text = _in_columns(tree).strip() if has_columns else lines_of(tree).strip()
    return text or _NOTHING_TO_READ


def _is_worth_drawing(taken: Extent, given: int) -> bool:
    is_short = taken.characters <= _LONGER * given + _MORE_CHARACTERS
    return is_short and taken.drawn <= _DRAWN * given + _MORE_DRAWN


def _in_columns(tree: HtmlElement) -> str:
    """The library writes down in the style of the body what it is drawing on: with one style for all threads a text
    could come out in another message."""
    css = {**RELAXED_CSS_PROFILE, "body": copy(RELAXED_CSS_PROFILE["body"])}
    return str(Inscriptis(tree, ParserConfig(css=css)).get_text())
