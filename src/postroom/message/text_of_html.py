"""The text part that stands in for an HTML part."""

from copy import copy

from inscriptis import Inscriptis
from inscriptis.css_profiles import RELAXED_CSS_PROFILE
from inscriptis.model.config import ParserConfig
from lxml.html import HtmlElement, HTMLParser, document_fromstring

# Making text of a million characters takes about a second of one processor; nothing readable is longer.
HTML_CHARACTERS = 1_000_000
_NOTHING_TO_READ = "This message is written in HTML and has no text of its own."


def text_of_html(html: str) -> str:
    """What a reader without HTML sees of `html`; a sentence saying so when that is nothing.

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
    for element in tree.iter():
        if isinstance(element.tag, str):
            element.attrib.clear()
    text = _in_columns(tree).strip()
    return text or _NOTHING_TO_READ


def _in_columns(tree: HtmlElement) -> str:
    """The library writes down in the style of the body what it is drawing on: with one style for all threads a text
    could come out in another message."""
    css = {**RELAXED_CSS_PROFILE, "body": copy(RELAXED_CSS_PROFILE["body"])}
    return str(Inscriptis(tree, ParserConfig(css=css)).get_text())
