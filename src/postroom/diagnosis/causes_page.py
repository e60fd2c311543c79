"""The page docs/causes.md, made from the catalogue: `python -m postroom.diagnosis.causes_page > docs/causes.md`."""

import sys
from collections.abc import Iterator

from .catalogue import Cause, Text, catalogue

_HEAD = """# Causes

Every finding names one of these causes: in a test, on a delivery, in the activity log, in the API, from
`postroom diagnose` and from `postroom explain`. The slug is stable; scripts may rely on it.

*Retry* says whether trying again helps: `permanent` (the same mail never passes), `transient` (it can pass later
without a change), `after-config-change` (pointless until something is corrected). *Field* is the setting at fault.
Names and numbers of the case take the place of words such as "this host and port". Where a situation or a provider
calls for other words, they follow under the name of the variant.

This page is made from `src/postroom/diagnosis/catalogue/causes`; change the texts there.
"""


def causes_page() -> str:
    """The page in Markdown, causes in alphabetical order."""
    causes = sorted(catalogue().causes.values(), key=lambda cause: cause.slug)
    return "\n".join([_HEAD, *(line for cause in causes for line in _section(cause))]).rstrip() + "\n"


def _section(cause: Cause) -> Iterator[str]:
    field = f", field: `{cause.field}`" if cause.field else ""
    yield f"## {cause.slug}\n"
    yield f"Retry: `{cause.retry}`{field}.\n"
    yield from _text(cause.texts["en"])
    for name in sorted(cause.variants):
        yield f"### {cause.slug}: {name}\n"
        yield from _text(cause.variants[name]["en"])


def _text(text: Text) -> Iterator[str]:
    yield f"**{_shown(text.title)}.** {_shown(text.explanation)}\n"
    yield from (f"* {_shown(step)}" for step in text.fix)
    if text.question:
        yield f"\nDecided by: {_shown(text.question)}"
    yield ""


def _shown(text: str) -> str:
    """The text with the words that stand for what is not known, as a person reads it."""
    return text.format_map(catalogue().words["en"])


if __name__ == "__main__":
    sys.stdout.write(causes_page())
