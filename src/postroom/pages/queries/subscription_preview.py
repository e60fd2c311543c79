"""How the first recipient of a subscription will see it, with the newest report of its source."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import Http404
from django.utils.translation import gettext as _

from postroom.flow.instance.instance import site
from postroom.flow.instance.reader import translated
from postroom.flow.recipients.recipients import Addressed, addressed
from postroom.flow.runs.preview_run import preview_of_run
from postroom.flow.subscriptions.subscribers import subscribers_of
from postroom.flow.subscriptions.subscription_fields import set_fields
from postroom.message.template import TemplateFault
from postroom.pages.queries import sandbox as content_queries
from postroom.pages.sealed_frame import frame_url
from postroom.store.blobs import DamagedBlob
from postroom.store.drafts import Drafts
from postroom.store.models import Subscription
from postroom.terms.problem import Problem
from postroom.terms.source_fault import SourceFault
from postroom.terms.test_mode import TestMode

FRAME = "pages:subscription-preview-frame"


@dataclass(frozen=True, slots=True)
class Preview:
    """What there is to see; `problem` in place of it where there is nothing."""

    problem: str = ""
    sender: str = ""
    to: str = ""
    subject: str = ""
    frame: str = ""
    text: str = ""
    file: str = ""
    size_bytes: int | None = None
    made_at: datetime | None = None
    is_test: bool = False


def preview_of(values: Mapping[str, Any], now: datetime, mode: TestMode | None = None) -> Preview:
    """Of a form as it was typed, with the test mode that is on for the stored subscription; nothing is stored."""
    row = Subscription(paused_by="", last_digest="", list_name="")
    set_fields(row, {"description": "", "subject": "", "text": "", "language": "", **values}, [])
    if row.source_id is None:
        return Preview(_("Choose a report to see the message."))
    row.name = row.name or row.source.name
    try:
        preview = _read(row, _first(values), now)
    except (TemplateFault, SourceFault) as fault:
        return Preview(_("The message can't be made: %(why)s") % {"why": translated(fault.text)})
    except DamagedBlob:
        return Preview(_("The newest report of this source is damaged."))
    except Problem as problem:
        return Preview(translated(problem.errors[0].text) if problem.errors else problem.detail)
    return preview if mode is None else replace(preview, to=mode.address, is_test=True)


def frame_html(key: str) -> str:
    """The HTML of a preview. Raises Http404 where it is gone."""
    digest, _dash, size = key.partition("-")
    try:
        return _drafts().read(digest, int(size)).decode("utf-8", "replace")
    except (DamagedBlob, ValueError) as damage:
        raise Http404("the preview is gone") from damage


def _read(row: Subscription, to: Addressed, now: datetime) -> Preview:
    ready, delivered = preview_of_run(row, to, now)
    read = content_queries.read(ready.composed.content)
    frame = ""
    if read.html:
        blob = _drafts().put(read.html.encode("utf-8", "replace"))
        frame = frame_url(FRAME, f"{blob.digest}-{blob.size_bytes}")
    return Preview(
        sender=str(ready.draft.from_header), to=", ".join(str(mailbox) for mailbox in ready.draft.to),
        subject=ready.draft.subject, frame=frame, text=read.text,
        file=delivered.file_name if delivered is not None else "",
        size_bytes=delivered.report.size_bytes if delivered is not None else None,
        made_at=delivered.report.made_at if delivered is not None else None,
    )


def _first(values: Mapping[str, Any]) -> Addressed:
    """The first of its recipients, somebody made up where it has none yet."""
    everybody = addressed(subscribers_of(values["subscribers"], []))
    home = site()
    made_up = Addressed("recipient@example.org", "recipient@example.org", "", home.language, home.time_zone)
    return everybody[0] if everybody else made_up


def _drafts() -> Drafts:
    return Drafts(Path(settings.DATA_DIR) / "drafts")
