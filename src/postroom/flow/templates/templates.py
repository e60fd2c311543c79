"""Fill in a template for one recipient: found by name, in the recipient's language, with the branding of the site."""

import base64
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings

from postroom.message.html_cleaning import clean_fragment
from postroom.message.html_mail import html_mail, is_document, layout, text_with_links
from postroom.message.html_shape import HtmlFault
from postroom.message.template import Filled, TemplateFault, filled
from postroom.message.template_values import SafeHtml
from postroom.store.models import Template, TemplateText
from postroom.terms.wording import worded

from ..instance.branding import Branding, Logo, branding
from ..instance.instance import Site, site
from .built_in import TemplateSource, built_in

TIME_LIMIT_S = 0.8
LOGO = "logo"
_LANGUAGE_CHARACTERS = 8


@dataclass(frozen=True, slots=True)
class InlineImage:
    """A picture that the HTML shows as `cid:` and its content id."""

    content_id: str
    file_name: str
    media_type: str
    octets: bytes


@dataclass(frozen=True, slots=True)
class Rendered:
    """A template with its values in place. `missing` are the values it asked for that were not given."""

    subject: str
    html: str
    text: str
    inline_images: tuple[InlineImage, ...] = ()
    language: str = "en"
    missing: tuple[str, ...] = ()


def rendered(name: str, language: str, values: Mapping[str, Any]) -> Rendered:
    """The template of that name (or id) in `language`, or the nearest there is (blocking). Beside `values`, templates
    see `site`, `brand`, `logo`, `language` and `recipient`. Raises TemplateFault."""
    here = site()
    return rendered_source(source_of(name, language, here), values, here, branding())


def rendered_source(source: TemplateSource, values: Mapping[str, Any], here: Site, brand: Branding) -> Rendered:
    """A source that may not be saved yet. Raises TemplateFault."""
    given, is_late = _given(source.language, values, here, brand), _clock()
    subject = filled(source.subject, given, is_late=is_late)
    line = _one_line(subject.text)
    missing = dict.fromkeys(subject.missing)
    html, text = "", None
    if source.text.strip():
        plain = filled(source.text, given, is_late=is_late)
        text, missing = plain.text, missing | dict.fromkeys(plain.missing)
    if source.html.strip():
        page = filled(source.html, given, is_html=True, is_late=is_late)
        missing |= dict.fromkeys(page.missing)
        html, text = _mail(page.text, text, line, given, brand)
    images = (_image(brand.logo),) if brand.logo is not None and f"cid:{LOGO}" in html else ()
    return Rendered(line, html, text or "", images, source.language, tuple(missing))


def text_filled_in(source: str, language: str, values: Mapping[str, Any], here: Site, brand: Branding) -> Filled:
    """`source` filled in as plain text, with what was asked for and not given. Raises TemplateFault."""
    return filled(source, _given(language, values, here, brand), is_late=_clock())


def image_in_body(image: InlineImage) -> dict[str, Any]:
    """A picture as an attachment of the request."""
    return {
        "filename": image.file_name, "content_type": image.media_type, "content_id": image.content_id, "inline": True,
        "content_base64": base64.b64encode(image.octets).decode(),
    }


def attachments_of(made: Rendered) -> list[dict[str, Any]]:
    """The pictures of its HTML, as the API takes attachments."""
    return [image_in_body(image) for image in made.inline_images]


def safe_html(html: str) -> SafeHtml:
    """Foreign HTML, cleaned, as a value that an HTML template shows as HTML rather than as its source. Raises
    TemplateFault."""
    try:
        return clean_fragment(html)
    except HtmlFault as fault:
        raise TemplateFault(fault.text) from None


def source_of(name: str, language: str, here: Site) -> TemplateSource:
    """Raises TemplateFault where there is no such template, or it has no text."""
    row = Template.objects.filter(name=name[:64]).first() or Template.objects.filter(pk=name[:26]).first()
    if row is None and name in built_in():
        sources: Mapping[str, TemplateSource] = built_in()[name].sources
    elif row is not None:
        sources = sources_of(row)
    else:
        raise TemplateFault(worded("There is no template “{name}”.", name=name[:64]))
    found = next((sources[wanted] for wanted in _languages(language, here) if wanted in sources), None)
    found = found or next(iter(sources.values()), None)
    if found is None:
        raise TemplateFault(worded("The template “{name}” has no text yet.", name=name[:64]))
    return found


def sources_of(row: Template, version: int | None = None) -> Mapping[str, TemplateSource]:
    """The languages of a version (default: the one in use); version 0 of a built-in template is what came with it."""
    number = row.version if version is None else version
    if number == 0:
        return built_in()[row.name].sources if row.built_in and row.name in built_in() else {}
    return dict(_texts(row.pk, number))


@lru_cache(maxsize=256)
def _texts(template_id: str, version: int) -> tuple[tuple[str, TemplateSource], ...]:
    """The texts of a version never change."""
    rows = TemplateText.objects.filter(template_id=template_id, version=version).order_by("language")
    return tuple((row.language, TemplateSource(row.language, row.subject, row.html, row.text)) for row in rows)


def _languages(wanted: str, here: Site) -> list[str]:
    wanted = wanted[:_LANGUAGE_CHARACTERS]
    return list(dict.fromkeys((wanted, wanted.split("-")[0], here.language, "en")))


def _given(language: str, values: Mapping[str, Any], here: Site, brand: Branding) -> dict[str, Any]:
    recipient = values.get("recipient")
    zone = _zone(recipient.get("time_zone") if isinstance(recipient, Mapping) else "", here)
    return {
        "recipient": {"name": "", "address": ""},
        "language": language,
        **{name: _local(value, zone, 0) for name, value in values.items()},
        "site": {"name": here.name, "url": settings.PUBLIC_URL},
        "brand": {"accent": brand.accent, "on_accent": brand.on_accent, "footer": brand.footer},
        "logo": f"cid:{LOGO}" if brand.logo is not None else "",
    }


def _mail(page: str, text: str | None, title: str, given: Mapping[str, Any], brand: Branding) -> tuple[str, str]:
    """The HTML in its layout, and the text that stands in for it."""
    document = page
    try:
        if not is_document(page):
            document = filled(layout(), {**given, "content": _Layout(page)}, is_html=True).text
            foot = brand.footer or given["site"]["name"]
            text = text if text is not None else f"{text_with_links(page)}\n\n-- \n{foot}\n"
        made = html_mail(document, language=given["language"], title=title, text=text)
    except HtmlFault as fault:
        raise TemplateFault(fault.text) from None
    return made.html, made.text


class _Layout(SafeHtml):
    """The filled-in content on its way into the layout: cleaned with the layout, after its styles are inlined."""


def _image(logo: Logo) -> InlineImage:
    return InlineImage(LOGO, logo.file_name, logo.media_type, logo.octets)


def _local(value: Any, zone: ZoneInfo, depth: int) -> Any:
    """Times in the recipient's zone."""
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(zone)
    if isinstance(value, Mapping) and depth < 3:
        return {name: _local(item, zone, depth + 1) for name, item in value.items()}
    return value


def _zone(name: Any, here: Site) -> ZoneInfo:
    try:
        return ZoneInfo(name) if name and isinstance(name, str) else here.zone
    except (ZoneInfoNotFoundError, ValueError):
        return here.zone


def _clock() -> Any:
    ends = time.monotonic() + TIME_LIMIT_S
    return lambda: time.monotonic() > ends


def _one_line(text: str) -> str:
    return " ".join(text.split())
