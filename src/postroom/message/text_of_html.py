"""The text part that stands in for an HTML part."""

from inscriptis import Inscriptis
from lxml.html import HTMLParser, document_fromstring

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
    text = Inscriptis(tree).get_text().strip()
    return text or _NOTHING_TO_READ
