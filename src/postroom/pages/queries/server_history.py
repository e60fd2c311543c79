"""Who verified a server, checked it, changed it or paused it, and when."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.text import get_text_list
from django.utils.translation import gettext as _

from postroom.flow.servers.sandbox_server import ACTOR as AT_FIRST_START
from postroom.flow.servers.test_result import NIGHTLY
from postroom.pages.forms.smtp_server import LABELS
from postroom.store.models import ServerTest, SmtpServer, User
from postroom.terms.outcome import TestStatus


@dataclass(frozen=True, slots=True)
class History:
    """Names as a page says them. `checked_at` is the last time that the connection was found to work, without a mail;
    `checked_by` is "" for the nightly check, `verified_by` for the first start."""

    verified_by: str
    checked_at: datetime | None
    checked_by: str
    changed_by: str
    changed_fields: str
    paused_by: str


def names_of_people() -> dict[str, str]:
    """Mail address to name."""
    return {email: name for email, name in User.objects.values_list("email", "name") if name}


def history_of(server: SmtpServer, tests: Sequence[ServerTest], people: Mapping[str, str]) -> History:
    """`tests` are the server's, newest first."""
    checked_at, checked_by = server.checked_at, NIGHTLY
    check = next((t for t in tests if not t.send and t.status == TestStatus.PASSED and t.finished_at), None)
    if check is not None and check.finished_at is not None and (checked_at is None or check.finished_at > checked_at):
        checked_at, checked_by = check.finished_at, check.created_by
    return History(
        verified_by="" if server.verified_by == AT_FIRST_START else people.get(server.verified_by, server.verified_by),
        checked_at=checked_at,
        checked_by="" if checked_by == NIGHTLY else people.get(checked_by, checked_by),
        changed_by=people.get(server.changed_by, server.changed_by),
        changed_fields=get_text_list([str(LABELS.get(f, f)) for f in server.changed_fields], _("and")),
        paused_by=people.get(server.paused_by, server.paused_by),
    )
