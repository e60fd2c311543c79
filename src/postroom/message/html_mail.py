"""HTML that mail programs show: styles inlined, cleaned, in one document; and the text part that goes with it."""

from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files

from css_inline import CSSInliner
from css_inline import InlineError as CssProblem

from postroom.terms.wording import worded

from .html_cleaning import clean_body, clean_style
from .html_shape import HtmlFault, body_of, text_of_tree, tree_of
from .text_of_html import text_of_html

# Gmail cuts what is longer and hides the rest behind a link.
CLIPPED_BYTES = 102_400
_STYLE_CHARACTERS = 1_000


@dataclass(frozen=True, slots=True)
class HtmlMail:
    """`html` is a whole document, `text` what readers without HTML get."""

    html: str
    text: str


def html_mail(html: str, *, language: str, title: str, text: str | None = None) -> HtmlMail:
    """The mail of a whole document or a part of one; `text` is made from it when None. Nothing is fetched (M6). Raises
    HtmlFault."""
    body = body_of(tree_of(_inlined(text_of_tree(tree_of(html)))))
    content = clean_body(body)
    style = clean_style((body.get("style") or "")[:_STYLE_CHARACTERS])
    ground = f' bgcolor="{escape(body.get("bgcolor", ""))}"' if body.get("bgcolor") else ""
    document = _document().format(
        language=escape(language), title=escape(title), style=f' style="{escape(style)}"' if style else "",
        ground=ground, content=content.strip(),
    )
    return HtmlMail(document, text if text is not None else text_with_links(content))


def text_with_links(html: str) -> str:
    """The text of `html`, each link with its address behind it, each picture with its words."""
    tree = tree_of(html)
    for element in tree.iter("a", "img"):
        said = "".join(element.itertext()).strip()
        address = element.get("href", "")
        if element.tag == "img":
            element.tail = (element.get("alt") or "") + (element.tail or "")
        elif address.startswith(("http://", "https://", "mailto:")) and address.removeprefix("mailto:") != said:
            element.tail = f" ({address}){element.tail or ''}"
    return text_of_html(text_of_tree(tree))


def is_document(html: str) -> bool:
    """Whether it is a document of its own rather than what stands in one."""
    return html.lstrip()[:9].lower().startswith(("<!doctype", "<html"))


def layout() -> str:
    """The template around what is no document of its own: site name or logo, accent, footer."""
    return _read("mail_layout.html")


def _inlined(html: str) -> str:
    try:
        return _inliner().inline(html)
    except (CssProblem, ValueError) as error:
        raise HtmlFault(worded("The styles can't be read: {said}.", said=str(error)[:200].rstrip("."))) from None


@cache
def _inliner() -> CSSInliner:
    return CSSInliner(load_remote_stylesheets=False)


@cache
def _document() -> str:
    return _read("mail_document.html")


@cache
def _read(name: str) -> str:
    return (files(__package__) / name).read_text("utf-8")
