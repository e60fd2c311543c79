"""HTML that a mail may carry: no script, form, frame or file; styles without addresses."""

import re
from html import escape
from typing import Any

import nh3
from lxml.html import HtmlElement

from .html_shape import body_of, text_of_tree, tree_of
from .template_values import SafeHtml

_LAYOUT = {"align", "valign", "width", "height", "bgcolor", "style", "dir", "lang", "title", "role", "class"}
_ATTRIBUTES: dict[str, set[str]] = {
    "*": _LAYOUT,
    "a": {"href", "name"},
    "img": {"src", "alt", "border"},
    "table": {"border", "cellpadding", "cellspacing", "summary"},
    "td": {"colspan", "rowspan", "nowrap", "headers"},
    "th": {"colspan", "rowspan", "nowrap", "scope"},
    "col": {"span"},
    "ol": {"start", "type"},
    "font": {"color", "size", "face"},
}
_TAGS = {
    "a", "abbr", "b", "blockquote", "br", "caption", "center", "code", "col", "colgroup", "dd", "del", "div", "dl",
    "dt", "em", "font", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "ins", "kbd", "li", "ol", "p", "pre", "q",
    "s", "small", "span", "strong", "sub", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "u", "ul",
}
_DROPPED = {"script", "style", "iframe", "object", "template", "title", "noscript", "svg", "math", "select", "textarea"}
_SCHEMES = {"http", "https", "mailto", "tel", "cid"}
_REACHES_OUT = re.compile(r"url\s*\(|expression|image\s*\(|image-set|@|\\|/\*|behavior|binding", re.IGNORECASE)
_PICTURE = re.compile(r"(?:cid|https?):", re.IGNORECASE)
_MOVED = re.compile(r"^\s*(?:position|z-index)\s*:", re.IGNORECASE)


def clean_body(body: HtmlElement) -> str:
    """What stands in a body with only what is listed above; the rest is left out, or its text kept."""
    html = escape(body.text or "", quote=False) + "".join(map(text_of_tree, body))
    return nh3.clean(
        html, tags=_TAGS, clean_content_tags=_DROPPED, attributes=_ATTRIBUTES, attribute_filter=_kept,
        url_schemes=_SCHEMES, link_rel=None, strip_comments=True,
    )


def clean_fragment(html: str) -> SafeHtml:
    """HTML cleaned to stand in an HTML template as it is. Raises HtmlFault."""
    return SafeHtml(clean_body(body_of(tree_of(html))))


def clean_style(style: str) -> str:
    """The declarations that neither fetch anything nor leave their place."""
    kept = [part.strip() for part in style.split(";") if part.strip()]
    return "; ".join(part for part in kept if not _REACHES_OUT.search(part) and not _MOVED.search(part))


def _kept(tag: str, name: str, value: str) -> Any:
    if name == "style":
        return clean_style(value) or None
    if tag == "img" and name == "src":
        return value if _PICTURE.match(value.strip()) else None
    return value
