"""In which form each report of a run travels, chosen before the run is fixed, by the size that really leaves."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from postroom.policy.report_form import ReportForm, ReportSizes, chosen_form
from postroom.store.models import SmtpServer, StoredReport

from ..acceptance.current import read_current
from ..recipients.recipients import Addressed
from ..reports.report_body import report_table, server_room, zipped
from .run_message import Delivered, RunWriter


def forms_for(
    plan: Mapping[str, Any], reports: Iterable[tuple[StoredReport, Addressed]], now: datetime
) -> tuple[dict[str, dict[str, str]], str]:
    """For each report, by its id, {"form", "file"}: how it travels, and the id of the stored report that is attached,
    such as its ZIP; and why the first that travels otherwise than asked for does. Each report comes with one of its
    recipients, whose message is written to see that it can be and how large it is. Raises NoForm, TemplateFault,
    SourceFault and DamagedBlob (blocking)."""
    writer, room = RunWriter(plan), server_room(_server(plan))
    forms: dict[str, dict[str, str]] = {}
    why = ""
    for report, to in reports:
        if report.pk not in forms:
            made = writer.rendered(to, Delivered(report, ReportForm(plan["form"])))
            images = sum(len(image.octets) for image in made.inline_images)
            size = len(made.subject) + len(made.text.encode()) + len(made.html.encode()) + images
            forms[report.pk], because = _form_for(plan, report, size, room, now)
            why = why or because
    return forms, why


def _form_for(
    plan: Mapping[str, Any], report: StoredReport, body_bytes: int, room: int, now: datetime
) -> tuple[dict[str, str], str]:
    asked = ReportForm(plan["form"])
    packed = zipped(report, now) if asked is ReportForm.ZIP else None
    table = report_table(report) if asked is ReportForm.EMBED else None
    sizes = ReportSizes(
        report.size_bytes, body_bytes,
        zipped_bytes=packed.size_bytes if packed is not None else None,
        embedded_bytes=len(table.encode()) if table is not None else None,
    )
    chosen = chosen_form(asked, sizes, room, link_when_large=plan["link_when_large"])
    file = packed if packed is not None and chosen.form is ReportForm.ZIP else report
    return {"form": str(chosen.form), "file": file.pk}, chosen.because


def _server(plan: Mapping[str, Any]) -> SmtpServer | None:
    """The server that the messages will go through, as far as that can be told: the one named, else the default."""
    standard = read_current().standard
    wanted = plan["server"] or (standard.id if standard is not None else "")
    return SmtpServer.objects.filter(pk=wanted).first()
