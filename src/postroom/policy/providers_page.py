"""The page docs/providers.md, made from the presets: `python -m postroom.policy.providers_page > docs/providers.md`."""

import sys
from collections.abc import Iterator
from dataclasses import fields

from postroom.terms.server import Auth, Limits

from .preset import Basis, Group, Preset, presets
from .settings_check import SECURITY_NAMES

_HEAD = """# Providers

What *Configure SMTP server* and `GET /api/v1/providers` know of each provider: the settings that it asks for, what has
to be done there first, and the limits that it states. Each entry says what it rests on and the day that was read: the
vendor's own page, or two public sources that agree, where no page of the vendor could be read. What neither says is
left out.

This page is made from `src/postroom/policy/presets`; change the facts there.
"""
_GROUPS = {Group.SENDING: "Sending services", Group.MAILBOX: "Mailboxes", Group.OWN: "Your own server"}

_BASES = {
    Basis.VENDOR: "Checked on the vendor's page",
    Basis.TWO_SOURCES: "Agreed by two public sources, not checked on the vendor's page",
}


def providers_page() -> str:
    """The page in Markdown, by group, in the order of the form."""
    lines = [_HEAD]
    for group, title in _GROUPS.items():
        lines.append(f"## {title}\n")
        for each in presets().values():
            if each.group is group:
                lines.extend(_section(each))
    return "\n".join(lines).rstrip() + "\n"


def _section(each: Preset) -> Iterator[str]:
    text = each.text("en")
    yield f"### {each.name} (`{each.slug}`)\n"
    yield f"{text.line}.\n"
    yield from _hosts(each)
    ways = [f"{way.port} ({SECURITY_NAMES[way.security]})" for way in each.ways]
    yield f"* SMTP Port: {ways[0]}" + (f"; also {', '.join(ways[1:])}" if ways[1:] else "")
    if each.auth is Auth.NONE:
        yield "* Authentication: None"
    else:
        yield f"* Username: {f'`{each.username}`. ' if each.username else ''}{text.username}"
        yield f"* Password: {text.password}"
    yield from (f"* Limit: {limit}" for limit in text.limits)
    stated = [f"`{field.name}` {value}" for field in fields(Limits) if (value := getattr(each.limits, field.name))]
    if stated:
        yield f"* As limits of the server: {', '.join(stated)}"
    if text.steps:
        yield "\nFirst:\n"
        yield from (f"{number}. {step}" for number, step in enumerate(text.steps, 1))
    if text.notice:
        yield f"\n{text.notice}"
    if each.source:
        yield f"\n{_sources(each)}"
    yield ""


def _sources(each: Preset) -> str:
    pages = ", ".join(f"<{page}>" for page in (each.source, *each.also))
    return f"{_BASES[each.basis]}: {pages}. Read on {each.checked}." if each.basis else pages


def _hosts(each: Preset) -> Iterator[str]:
    if each.regions:
        yield "* Host Name: " + ", ".join(f"`{region.host}` ({region.name})" for region in each.regions)
    elif each.host:
        yield f"* Host Name: `{each.host}`"
    elif each.below:
        yield "* Host Name: one of your own below " + ", ".join(f"`{name}`" for name in each.below)


if __name__ == "__main__":
    sys.stdout.write(providers_page())
