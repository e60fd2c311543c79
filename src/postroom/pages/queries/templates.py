"""What the pages of templates show: the list, the versions, and a preview of a source that may not be saved."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Count
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from postroom.flow.instance.reader import translated
from postroom.flow.runs.run_plan import DEFAULT_TEMPLATE
from postroom.flow.templates.built_in import TemplateSource
from postroom.flow.templates.template_edit import templates, versions_of
from postroom.flow.templates.template_preview import TemplatePreview, preview
from postroom.flow.templates.templates import sources_of
from postroom.message.template import TemplateFault
from postroom.pages.sealed_frame import frame_url
from postroom.store.drafts import Drafts
from postroom.store.models import Subscription, Template

FRAME = "pages:template-preview-frame"
USES = {
    "report": gettext_lazy("Report deliveries"), "success": gettext_lazy("Runs that succeeded"),
    "warning": gettext_lazy("Runs with a warning"), "error": gettext_lazy("Runs that failed"),
    "password-reset": gettext_lazy("Password reset"), "invitation": gettext_lazy("Invitation"),
    "alert": gettext_lazy("System alerts"), "digest": gettext_lazy("Digests of alerts"),
    "announcement": gettext_lazy("Announcements"), "other": gettext_lazy("Anything else"),
}
# What came with Postroom is stored in English and told in the reader's language: here it is found for translation.
_TITLES = (
    gettext_lazy("Report delivery"), gettext_lazy("Run succeeded"), gettext_lazy("Run with warning"),
    gettext_lazy("Run failed"), gettext_lazy("Password reset"), gettext_lazy("Invitation"),
    gettext_lazy("System alert"), gettext_lazy("Digest of alerts"), gettext_lazy("Announcement"),
)
_DESCRIPTIONS = (
    gettext_lazy("A report for its recipients: attached, in the body, or behind a link."),
    gettext_lazy("Tells that a run or a job ended well."),
    gettext_lazy("Tells that a run or a job ended, but not as it should."),
    gettext_lazy("Tells that a run or a job failed, and why."),
    gettext_lazy("The link by which a user chooses a new password."),
    gettext_lazy("The link by which a new user opens an account."),
    gettext_lazy("Tells operators that something is wrong, or is right again."),
    gettext_lazy("Several alerts in one message."),
    gettext_lazy("A message from the operators to users, groups or addresses."),
)


@dataclass(frozen=True, slots=True)
class TemplateRow:
    """A line of the list."""

    template: Template
    title: str
    description: str
    use: str
    languages: str
    subscriptions: int


@dataclass(frozen=True, slots=True)
class Shown:
    """What the preview shows: the mail, or why there is none."""

    made: TemplatePreview | None
    frame: str
    notes: tuple[str, ...]
    fault: str = ""


def template_rows() -> list[TemplateRow]:
    """All templates in the order of their titles."""
    used = dict(Subscription.objects.values_list("template").annotate(number=Count("pk")))
    rows = [
        TemplateRow(
            row, title_of(row), said_of(row, row.description), str(USES.get(row.use, row.use)),
            ", ".join(sorted(sources_of(row))),
            # Those that name none use the standard one.
            used.get(row.pk, 0) + (used.get(None, 0) if row.name == DEFAULT_TEMPLATE else 0),
        )
        for row in templates()
    ]
    return sorted(rows, key=lambda row: row.title.casefold())


def report_templates() -> list[dict[str, str]]:
    """Name and title of those that a subscription may use."""
    return [
        {"name": row.template.name, "title": row.title}
        for row in template_rows() if row.template.use in ("report", "other")
    ]


def version_lines(row: Template) -> list[dict[str, Any]]:
    """The versions, newest first, each with its `words`."""
    return [
        {**one, "words": _("Version %(number)d") % {"number": one["version"]} if one["version"]
         else _("As it came with Postroom")}
        for one in versions_of(row)
    ]


def title_of(row: Template) -> str:
    return said_of(row, row.title)


def said_of(row: Template, text: str) -> str:
    """What came with Postroom in the reader's language; what people wrote as it is."""
    return _(text) if row.built_in and text else text


def shown_of(source: TemplateSource, values: Mapping[str, Any]) -> Shown:
    """The preview of a source, its HTML in a frame of its own (blocking)."""
    try:
        made = preview(source, values)
    except TemplateFault as fault:
        return Shown(None, "", (), translated(fault.text))
    notes = tuple(translated(text) for text in (*(barrier.text for barrier in made.barriers), *made.notes))
    url = ""
    if made.html:
        blob = drafts().put(made.html.encode("utf-8", "replace"))
        url = frame_url(FRAME, f"{blob.digest}-{blob.size_bytes}")
    return Shown(made, url, notes)


def drafts() -> Drafts:
    return Drafts(Path(settings.DATA_DIR) / "drafts")
