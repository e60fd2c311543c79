"""HTML read into a tree that what works on it can bear: not too deep, not too much, without what is text to one reader
of HTML and elements to the next.

The libraries that inline and clean recurse without a bound, and a process that overflows its stack is gone.
"""

from lxml.etree import ParserError
from lxml.html import HtmlElement, HTMLParser, document_fromstring, tostring

from postroom.terms.wording import Wording, worded

from .text_of_html import HTML_CHARACTERS

DEPTH = 100
ELEMENTS = 30_000
SELECTORS = 1_000
_DROPPED = (
    "script", "svg", "math", "iframe", "object", "embed", "applet", "template", "noscript", "noembed", "noframes",
    "textarea", "select", "xmp", "plaintext", "frameset", "listing",
)


class HtmlFault(Exception):
    """HTML that can't be made into mail; `text` says why."""

    def __init__(self, text: Wording) -> None:
        super().__init__(str(text))
        self.text = text


def tree_of(html: str) -> HtmlElement:
    """The document. Raises HtmlFault for what is nested too deeply or is too much."""
    if len(html) > HTML_CHARACTERS:
        raise HtmlFault(worded("The HTML has more than {most} characters.", most=HTML_CHARACTERS))
    octets = html.replace("\0", "").encode("utf-8", "replace")
    parser = HTMLParser(encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True)
    try:
        tree = document_fromstring(octets if octets.strip() else b"<p></p>", parser=parser)
    except ParserError:
        tree = document_fromstring(b"<p></p>", parser=parser)
    _check(tree)
    for element in list(tree.iter(*_DROPPED)):
        if element.getparent() is not None:
            element.drop_tree()
    for style in list(tree.iter("style")):
        if "<" in (style.text or ""):
            style.drop_tree()
    _check_styles("".join(style.text or "" for style in tree.iter("style")))
    return tree


def body_of(tree: HtmlElement) -> HtmlElement:
    """What is shown of a document."""
    found = tree.find("body")
    return found if found is not None else tree


def text_of_tree(tree: HtmlElement) -> str:
    """The document written out again."""
    return str(tostring(tree, encoding="unicode"))


def _check_styles(styles: str) -> None:
    """Each selector is compared with each element, and those with :has with all others."""
    if styles.count("{") + styles.count(",") > SELECTORS:
        raise HtmlFault(worded("The styles have more than {most} selectors.", most=SELECTORS))
    if ":has" in styles.lower() or "\\" in styles:
        raise HtmlFault(worded("Leave :has and backslashes out of the styles; mail programs do not know them."))


def _check(tree: HtmlElement) -> None:
    level, count = [tree], 0
    for _ in range(DEPTH):
        count += len(level)
        level = [child for element in level for child in element]
        if not level:
            break
    if level:
        raise HtmlFault(worded("The HTML is nested more than {most} deep.", most=DEPTH))
    if count > ELEMENTS:
        raise HtmlFault(worded("The HTML has more than {most} elements.", most=ELEMENTS))
