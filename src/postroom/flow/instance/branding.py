"""How mail of this installation looks: accent colour, logo and footer. The logo travels within each mail."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from postroom.message.colour import colour, contrast, readable_on
from postroom.store import audit
from postroom.store.models import InstanceValue
from postroom.terms.problem import FieldError
from postroom.terms.wording import worded

from .refusals import SettingsRefused

LOGO_BYTES = 64 * 1024
FOOTER_CHARACTERS = 500
ACCENT = "#1b5cbc"
_ROW = "branding"
_LEAST_CONTRAST = 4.5
_KINDS = (
    (b"\x89PNG\r\n\x1a\n", "image/png", "png"), (b"\xff\xd8\xff", "image/jpeg", "jpg"),
    (b"GIF87a", "image/gif", "gif"), (b"GIF89a", "image/gif", "gif"),
)


@dataclass(frozen=True, slots=True)
class Logo:
    """A picture of PNG, JPEG or GIF, which every mail program shows."""

    media_type: str
    file_name: str
    octets: bytes = field(repr=False)

    @property
    def data_url(self) -> str:
        """For previews, where nothing is attached."""
        return f"data:{self.media_type};base64,{base64.b64encode(self.octets).decode()}"


@dataclass(frozen=True, slots=True)
class Branding:
    """`accent` is "#rrggbb"; an empty footer means the site's name."""

    accent: str = ACCENT
    footer: str = ""
    logo: Logo | None = None

    @property
    def on_accent(self) -> str:
        return readable_on(colour(self.accent) or (0, 0, 0))


def branding() -> Branding:
    """As it is stored (blocking)."""
    row = InstanceValue.objects.filter(name=_ROW).first()
    stored: Mapping[str, Any] = row.value if row is not None else {}
    logo = stored.get("logo")
    return Branding(
        stored.get("accent", ACCENT), stored.get("footer", ""),
        Logo(logo["media_type"], logo["file_name"], base64.b64decode(logo["base64"])) if logo else None,
    )


def change_branding(values: Mapping[str, Any], actor: str) -> Branding:
    """Take over what `values` has: `accent`, `footer`, `logo` (octets, None to remove it). Raises SettingsRefused."""
    with transaction.atomic():
        before = branding()
        after = _changed(before, values)
        if after != before:
            InstanceValue.objects.update_or_create(name=_ROW, defaults={"value": _stored(after)})
            audit.record(actor, "branding.change", "branding", _told(before, after))
    return after


def logo_of(text: str) -> bytes:
    """The octets of base64. Raises SettingsRefused."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise SettingsRefused(FieldError("logo_base64", "invalid", worded("Enter base64 (RFC 4648)."))) from None


def _changed(before: Branding, values: Mapping[str, Any]) -> Branding:
    problems: list[FieldError] = []
    accent = str(values.get("accent", before.accent)).strip().lower()
    ground = colour(accent)
    if ground is None or not accent.startswith("#") or len(accent) != 7:
        problems.append(FieldError("accent", "invalid", worded("Enter a colour such as {example}.", example=ACCENT)))
    elif contrast(ground, (255, 255, 255)) < _LEAST_CONTRAST:
        said = worded("Choose a darker colour: links in it are hard to read on white.")
        problems.append(FieldError("accent", "contrast", said))
    footer = str(values.get("footer", before.footer)).replace("\r\n", "\n").strip()
    if len(footer) > FOOTER_CHARACTERS or not footer.replace("\n", "").isprintable():
        said = worded("Enter at most {most} characters of text.", most=FOOTER_CHARACTERS)
        problems.append(FieldError("footer", "invalid", said))
    logo = _logo(values["logo"], problems) if "logo" in values else before.logo
    if problems:
        raise SettingsRefused(*problems)
    return Branding(accent, footer, logo)


def _logo(octets: bytes | None, problems: list[FieldError]) -> Logo | None:
    if not octets:
        return None
    kind = next((kind for kind in _KINDS if octets.startswith(kind[0])), None)
    if kind is None:
        said = worded("Choose a picture of PNG, JPEG or GIF; mail programs show no others.")
        problems.append(FieldError("logo", "invalid", said))
    elif len(octets) > LOGO_BYTES:
        said = worded("Choose a picture of at most {most} KB: each mail carries it.", most=LOGO_BYTES // 1024)
        problems.append(FieldError("logo", "too-large", said))
    else:
        return Logo(kind[1], f"logo.{kind[2]}", octets)
    return None


def _stored(value: Branding) -> dict[str, Any]:
    logo = value.logo and {
        "media_type": value.logo.media_type, "file_name": value.logo.file_name,
        "base64": base64.b64encode(value.logo.octets).decode(),
    }
    return {"accent": value.accent, "footer": value.footer, "logo": logo}


def _told(before: Branding, after: Branding) -> dict[str, Any]:
    told: dict[str, Any] = {
        name: [getattr(before, name), getattr(after, name)] for name in ("accent", "footer")
        if getattr(before, name) != getattr(after, name)
    }
    if before.logo != after.logo:
        sizes = [len(each.octets) if each else 0 for each in (before.logo, after.logo)]
        told["logo"] = [f"{size} bytes" if size else "none" for size in sizes]
    return told
