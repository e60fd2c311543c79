"""Notifications: people are told how a job ended, one of ours or somebody else's, with its log attached.

Each recipient gets a message of their own, in their language. Secrets are taken out of the log before it leaves.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import override

from postroom.policy.log_redaction import redacted
from postroom.store.models import RecipientGroup, Subscriber
from postroom.terms.address import AddressProblem, parse_address
from postroom.terms.header import file_label
from postroom.terms.problem import FieldError, invalid_fields
from postroom.terms.wording import worded

from ..instance.reader import translated
from ..messages.submitted import BATCH
from ..recipients.recipients import Addressed, addressed
from ..templates.own_text import own_text

OUTCOMES = ("success", "warning", "error")
JOB_CHARACTERS, TITLE_CHARACTERS, TEXT_CHARACTERS = 200, 300, 20_000
LOG_CHARACTERS = 1024 * 1024
URL_CHARACTERS = 2_000
TAG = "outcome-notice"


@dataclass(frozen=True, slots=True)
class Notification:
    """How a job ended. `title` is the subject, "" for the usual sentence; `facts` are (label, value), each text or a
    Wording; `run_url` leads to the run, "" for none."""

    job: str
    outcome: str
    title: str = ""
    text: str = ""
    log: str = ""
    run_url: str = ""
    facts: Sequence[tuple[str, str]] = ()


def recipients_of(addresses: Sequence[str], group: str = "") -> list[Addressed]:
    """Everybody to tell, each once; `group` is a name or an id. Raises Problem naming `recipients` or `group`."""
    rows = [Subscriber(address=_checked(address, place)) for place, address in enumerate(addresses)]
    if group:
        groups = RecipientGroup.objects
        found = groups.filter(name=group).first() or groups.filter(pk=group[:26]).first()
        if found is None:
            text = worded("There is no group of this name or id.")
            raise invalid_fields([FieldError("group", "not-found", text)])
        rows.append(Subscriber(group=found))
    people = addressed(rows)
    if not people:
        text = worded("Name at least one recipient, or a group that has members.")
        raise invalid_fields([FieldError("group" if group else "recipients", "required", text)])
    if len(people) > BATCH:
        text = worded("A notification reaches at most {most} recipients. Send an announcement instead.", most=BATCH)
        raise invalid_fields([FieldError("group" if group else "recipients", "too-many", text)])
    return people


def notification_bodies(notification: Notification, people: Sequence[Addressed]) -> list[dict[str, Any]]:
    """The messages as the API takes them, one for each person."""
    log = redacted(notification.log) if notification.log.strip() else ""
    return [_body(notification, one, log) for one in people]


def _body(notification: Notification, one: Addressed, log: str) -> dict[str, Any]:
    with override(one.language or "en"):
        values = _values(notification, has_log=bool(log))
    made = own_text(f"run-{notification.outcome}", one, values)
    attachments = list(made.attachments)
    if log:
        attachments.append({
            "filename": f"{file_label(notification.job) or 'run'}.log", "content_type": "text/plain; charset=utf-8",
            "content_base64": base64.b64encode(log.encode("utf-8", "replace")).decode("ascii"),
        })
    return {
        "to": [one.address], "subject": made.subject, "text": made.text, **({"html": made.html} if made.html else {}),
        "attachments": attachments, "purpose": "notification", "tags": [TAG, notification.outcome],
        "metadata": {"job": notification.job, "outcome": notification.outcome},
    }


def _values(notification: Notification, *, has_log: bool) -> dict[str, Any]:
    """What the templates run-success, run-warning and run-error get, in the active language."""
    return {
        "title": notification.title or _usual_title(notification),
        "job": notification.job,
        "outcome": notification.outcome,
        "text": translated(notification.text),
        "facts": [{"label": translated(label), "value": translated(value)} for label, value in notification.facts],
        "run_url": notification.run_url,
        "link": notification.run_url,
        "log_attached": has_log,
    }


def _usual_title(notification: Notification) -> str:
    patterns = {
        "success": _("%(job)s succeeded"),
        "warning": _("%(job)s ended with a warning"),
        "error": _("%(job)s failed"),
    }
    return patterns[notification.outcome] % {"job": notification.job}


def _checked(address: str, place: int) -> str:
    try:
        return str(parse_address(address.strip()))
    except AddressProblem as problem:
        raise invalid_fields([FieldError(f"recipients.{place}", "invalid", problem.text)]) from None
