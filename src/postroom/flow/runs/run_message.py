"""The message of one recipient of a run, as a request to send: the same for preview and run.

What it says depends on the run's plan, the recipient and the report. Templates and branding are read once for all
messages that one `RunWriter` writes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from postroom.policy.report_form import ReportForm
from postroom.store.models import StoredReport
from postroom.terms.address import written

from ..instance.branding import branding
from ..instance.instance import site
from ..recipients.recipients import Addressed
from ..recipients.unsubscribe import LEAVE_PLACE
from ..templates.built_in import TemplateSource
from ..templates.templates import InlineImage, Rendered, image_in_body, rendered_source, source_of

TAG = "subscription"


@dataclass(frozen=True, slots=True)
class Delivered:
    """A report as it reaches recipients. `upload` is the id of its encoded file, "" where nothing is attached;
    `table` is its cleaned HTML in the body; `link` where the recipient fetches it, until `link_until`."""

    report: StoredReport
    form: ReportForm
    file_name: str = ""
    upload: str = ""
    table: str = field(default="", repr=False)
    link: str = ""
    link_until: datetime | None = None


class RunWriter:
    """Writes the messages of one plan (`run_plan.plan_of`). `image` makes an attachment of a picture."""

    def __init__(
        self, plan: Mapping[str, Any], image: Callable[[InlineImage], dict[str, Any]] = image_in_body
    ) -> None:
        self._plan, self._image = plan, image
        self._site, self._branding = site(), branding()
        self._sources: dict[str, TemplateSource] = {}

    def body(self, to: Addressed, delivered: Delivered | None, part: str = "") -> dict[str, Any]:
        """The body of `POST /api/v1/messages` (blocking). `part` is the value that names the recipient's file. Raises
        TemplateFault."""
        plan, made = self._plan, self.rendered(to, delivered, part)
        attachments = [self._image(image) for image in made.inline_images]
        if delivered is not None and delivered.upload:
            attachments.append({"blob": delivered.upload, "filename": delivered.file_name})
        body = {
            "to": written(to.address, to.name), "subject": made.subject, "text": made.text,
            "html": made.html, "attachments": attachments, "purpose": "report", "priority": plan["priority"],
            "tags": [TAG], "server": plan["server"],
            "unsubscribe": plan["list_name"] if to.place == "to" else "",
        }
        return {name: value for name, value in body.items() if value not in ("", [])}

    def rendered(self, to: Addressed, delivered: Delivered | None, part: str = "") -> Rendered:
        """Subject, HTML and text (blocking). Raises TemplateFault."""
        plan, values = self._plan, values_of(self._plan, to, delivered, part)
        language = plan["language"] or to.language
        if plan["text"]:
            own = TemplateSource(language, "", "", plan["text"])
            values["text"] = rendered_source(own, values, self._site, self._branding).text
        if language not in self._sources:
            self._sources[language] = source_of(plan["template"], language, self._site)
        source = self._sources[language]
        if plan["subject"]:
            source = replace(source, subject=plan["subject"])
        return rendered_source(source, values, self._site, self._branding)


def values_of(plan: Mapping[str, Any], to: Addressed, delivered: Delivered | None, part: str = "") -> dict[str, Any]:
    """What a subject, a text and a template may name."""
    at = datetime.fromisoformat(plan["at"])
    recipient = {
        **to.values, "name": to.name or to.address, "address": to.address, "time_zone": to.time_zone,
        "groups": list(to.group_names),
    }
    run = {
        "date": f"{at:%Y-%m-%d}", "time": f"{at:%H:%M}", "week": at.isocalendar().week, "month": at.month,
        "year": at.year,
    }
    return {
        "recipient": recipient, "subscription": plan["subscription"], "parameters": plan["parameters"], "part": part,
        "run": run, "text": "", "leave_url": LEAVE_PLACE if plan.get("can_leave") and to.place == "to" else "",
        **(_of_report(delivered) if delivered is not None else {"report": {}, "first": {}}),
    }


def _of_report(delivered: Delivered) -> dict[str, Any]:
    report, sample = delivered.report, delivered.report.sample or {}
    columns, rows = sample.get("columns", []), sample.get("rows", [])
    told = {
        "name": report.file_name, "file_name": delivered.file_name or report.file_name,
        "size_bytes": report.size_bytes, "rows": report.row_count, "made_at": report.made_at,
        "form": str(delivered.form), "table": delivered.table, "link": delivered.link,
        "link_until": delivered.link_until or "", "columns": columns,
    }
    return {"report": told, "first": dict(zip(columns, rows[0], strict=False)) if rows else {}}
