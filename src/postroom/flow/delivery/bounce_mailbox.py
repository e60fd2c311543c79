"""A mailbox for bounces: its settings, and how the engine reads it.

One mailbox, over IMAP with TLS. The password is sealed to host, port and user name (T4). What nobody has seen is read,
taken as a report, and marked seen; reports move to another folder where one is named.
"""

import json
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from postroom.net.imap_mailbox import Mailbox, MailboxFault, opened_mailbox
from postroom.store import audit
from postroom.store.models import BounceMailbox
from postroom.store.vault import VaultError
from postroom.terms.host_name import host_reading
from postroom.terms.limits import IMAPS_PORT
from postroom.terms.problem import FieldError
from postroom.terms.wording import worded

from ..instance.refusals import SettingsRefused
from .bounce import Verdict, Way, take_report

MESSAGES_AT_ONCE = 200
_PASSWORD = "password"
_REPORTS = (Verdict.RECORDED, Verdict.REPEATED)


@dataclass(frozen=True, slots=True)
class MailboxSettings:
    """What an administrator enters; `done_folder` is "" where reports stay where they are."""

    host: str
    username: str
    port: int = IMAPS_PORT
    folder: str = "INBOX"
    done_folder: str = ""
    enabled: bool = True

    @property
    def destination(self) -> str:
        """Where the password may go, in one line."""
        values = {"imap": self.host.lower(), "port": self.port, "username": self.username}
        return json.dumps(values, sort_keys=True)


def mailbox() -> BounceMailbox | None:
    return BounceMailbox.objects.order_by("pk").first()


def settings_of(row: BounceMailbox) -> MailboxSettings:
    return MailboxSettings(row.host, row.username, row.port, row.folder, row.done_folder, row.enabled)


def save_mailbox(given: MailboxSettings, password: str, actor: str) -> BounceMailbox:
    """The mailbox with these settings; an empty password keeps the stored one while its destination stays the same.

    The engine looks at it at once. Raises SettingsRefused."""
    given = _tidied(given)
    with transaction.atomic():
        row = mailbox() or BounceMailbox()
        keeps = bool(row.sealed_password) and settings_of(row).destination == given.destination
        problems = _problems(given, has_password=bool(password) or keeps)
        if problems:
            raise SettingsRefused(*problems)
        row.host, row.port, row.username = given.host, given.port, given.username
        row.folder, row.done_folder, row.enabled = given.folder, given.done_folder, given.enabled
        if password:
            row.sealed_password = settings.VAULT.seal(password, given.destination)
        row.fault, row.fault_since, row.look_asked_at = "", None, timezone.now()
        row.save()
        changes = {"host": row.host, "port": row.port, "enabled": row.enabled, _PASSWORD: bool(password)}
        audit.record(actor, "bounce-mailbox.save", row.host, changes)
    return row


def remove_mailbox(actor: str) -> None:
    """Forget the mailbox and its password."""
    with transaction.atomic():
        row = mailbox()
        if row is not None:
            audit.record(actor, "bounce-mailbox.remove", row.host)
            row.delete()


def ask_look(actor: str) -> None:
    """Have the engine look at the mailbox now."""
    with transaction.atomic():
        row = mailbox()
        if row is not None:
            BounceMailbox.objects.filter(pk=row.pk).update(look_asked_at=timezone.now())
            audit.record(actor, "bounce-mailbox.look", row.host)


def is_look_due(now: datetime, pause_s: float) -> bool:
    """Whether somebody asked for a look, or the last one is that long ago (blocking)."""
    row = mailbox()
    if row is None:
        return False
    if row.look_asked_at is not None and (row.looked_at is None or row.looked_at < row.look_asked_at):
        return True
    return row.enabled and (row.looked_at is None or (now - row.looked_at).total_seconds() >= pause_s)


def look(now: datetime) -> int:
    """Read what nobody has seen; how many reports there were. A fault is noted on the row, and nothing is raised for
    it (blocking)."""
    row = mailbox()
    if row is None:
        return 0
    count, fault = 0, ""
    try:
        given = settings_of(row)
        password = settings.VAULT.unseal(row.sealed_password, given.destination)
        with opened_mailbox(given.host, given.port, given.username, password, given.folder) as opened:
            count = _read(opened, given, now) if row.enabled else 0
    except MailboxFault as error:
        fault = f"{error.step}\n{error.said}"
    except VaultError as error:
        fault = f"{_PASSWORD}\n{error}"
    since = (row.fault_since or now) if fault else None
    BounceMailbox.objects.filter(pk=row.pk).update(
        looked_at=timezone.now(), fault=fault[:500], fault_since=since, read_count=row.read_count + count
    )
    return count


def _read(opened: Mailbox, given: MailboxSettings, now: datetime) -> int:
    count = 0
    for uid in opened.unseen(MESSAGES_AT_ONCE):
        is_report = take_report(opened.message(uid), Way.MAILBOX, now).verdict in _REPORTS
        count += is_report
        if is_report and given.done_folder:
            opened.move(uid, given.done_folder)
        else:
            opened.mark_seen(uid)
    return count


def _tidied(given: MailboxSettings) -> MailboxSettings:
    return MailboxSettings(
        given.host.strip(), given.username.strip(), given.port, given.folder.strip() or "INBOX",
        given.done_folder.strip(), given.enabled,
    )


def _problems(given: MailboxSettings, *, has_password: bool) -> list[FieldError]:
    problems = []
    if host_reading(given.host).flaw or host_reading(given.host).host != given.host:
        text = worded("Enter the mail server's name, such as imap.company.example.")
        problems.append(FieldError("host", "invalid", text))
    if given.port != IMAPS_PORT and given.port not in settings.SMTP_PORTS:
        text = worded("Enter 993. The operator can allow another port in POSTROOM_SMTP_PORTS.")
        problems.append(FieldError("port", "not-allowed", text))
    if not given.username or not given.username.isprintable() or len(given.username) > 254:
        problems.append(FieldError("username", "required", worded("Enter the user name of the mailbox.")))
    if not has_password:
        problems.append(FieldError(_PASSWORD, "required", worded("Enter the password of the mailbox.")))
    for field, name in (("folder", given.folder), ("done_folder", given.done_folder)):
        if not (name.isascii() and (name.isprintable() or not name)) or set(name) & set('"\\*%') or len(name) > 200:
            text = worded("A folder has a name of US-ASCII letters, digits and spaces, such as INBOX or Done.")
            problems.append(FieldError(field, "invalid", text))
    return problems
