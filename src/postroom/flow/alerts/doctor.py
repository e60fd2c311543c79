"""The doctor: looks at the installation and at everything that alerts watch, by itself and without any mail server."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError

from postroom.policy.alert_kinds import Severity
from postroom.store.models import SmtpServer
from postroom.store.schema import is_current
from postroom.store.vault import VaultError
from postroom.terms.wording import Wording, worded

from ..servers.configure import unsealed_password
from .alert_words import said
from .alerts import found_now


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing that is wrong, in the active language. `kind` is stable for scripts."""

    kind: str
    key: str
    severity: str
    title: str
    text: str
    fix: Sequence[str] = ()
    evidence: str = ""

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("kind", "key", "severity", "title", "text")} | {
            "fix": list(self.fix), "evidence": self.evidence
        }


def examined(now: datetime) -> list[Complaint]:
    """Everything that is wrong, critical things first; where the ground itself is, nothing further (blocking)."""
    ground = [*_data_directory(Path(settings.DATA_DIR)), *_database()]
    if ground:
        return ground
    found = [*_passwords(), *_watched(now)]
    return sorted(found, key=lambda one: one.severity != Severity.CRITICAL)


def _data_directory(data: Path) -> list[Complaint]:
    if os.access(data, os.W_OK | os.X_OK):
        return []
    return [_complaint(
        "data-directory", worded("The data directory can't be written"),
        worded("{folder} belongs to another user, or is mounted read-only.", folder=str(data)),
        worded("Run this as the user that runs Postroom."),
    )]


def _database() -> list[Complaint]:
    try:
        if is_current():
            return []
        title, evidence = worded("The tables are not of this version"), ""
        text = worded("Postroom was replaced by another version, and has not been started since.")
    except DatabaseError as error:
        title, evidence = worded("The database does not answer"), str(error)
        text = worded("Nothing is accepted and nothing leaves meanwhile; what was accepted is not lost.")
    fix = worded("Start Postroom, or run: postroom migrate")
    return [_complaint("database", title, text, fix, evidence=evidence)]


def _passwords() -> list[Complaint]:
    found = []
    for row in SmtpServer.objects.filter(enabled=True).exclude(sealed_password=""):
        try:
            unsealed_password(row)
        except VaultError as error:
            found.append(_complaint(
                "password-sealed", worded("The password of {server} can't be opened", server=row.name),
                worded("Its key is not in the folder keys of the data directory."),
                worded("Bring back the folder keys from a backup, or enter the password again."), key=row.pk,
                evidence=str(error),
            ))
    return found


def _watched(now: datetime) -> list[Complaint]:
    return [
        Complaint(
            rule.kind, found.key,
            Severity.CRITICAL if Severity.CRITICAL in (found.severity, rule.severity) else Severity.WARNING,
            said(found.title.as_json()), said(found.text.as_json()), [said(step.as_json()) for step in found.fix],
            found.evidence,
        )
        for rule, found in found_now(now)
    ]


def _complaint(
    kind: str, title: Wording, text: Wording, fix: Wording, *, key: str = "", evidence: str = ""
) -> Complaint:
    return Complaint(
        kind, key, Severity.CRITICAL, said(title.as_json()), said(text.as_json()), [said(fix.as_json())], evidence
    )
