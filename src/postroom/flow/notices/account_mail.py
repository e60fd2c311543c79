"""The mails with a link to set a password, composed where nobody waits for the answer (W8).

Whoever may read messages in pages must not read these, nor may whoever tests: the link is as good as the password.
While a test mode decides, an invitation waits, and a reset comes to nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from asgiref.sync import sync_to_async
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import override

from postroom.policy.rules import Traits
from postroom.store import audit
from postroom.store.models import AccountLink, Message, User
from postroom.terms.address import canonical, written
from postroom.terms.problem import Problem

from ..acceptance.accept import Acceptor
from ..acceptance.current import read_current
from ..acceptance.sending_server import sending_server
from ..acceptance.test_mode import deciding
from ..domains.recipient_domains import allowed, not_allowed
from ..instance.instance import LANGUAGES, site
from ..messages.request import HeldBack, Person, Request, single_request
from ..recipients.recipients import Addressed
from ..templates.own_text import own_text
from ..users.account_links import INVITED_FOR, address_of, invited
from ..users.people import PersonRefused

# Marks messages that are shown to nobody here.
TAG = "account-link"
_PURPOSE = "communication"
SENDER = Person("postroom", "Postroom")
# One person gets no more mails than that, whoever asks for them.
PAUSE = timedelta(minutes=5)
_AT_ONCE = 20
# An invitation that waited longer, as for the end of a test mode, is good for its whole time once it is mailed.
_WAITED = timedelta(hours=1)
_TEMPLATES = {AccountLink.Purpose.INVITATION: "invitation", AccountLink.Purpose.RESET: "password-reset"}
ACCOUNT_TEMPLATES = frozenset(_TEMPLATES.values())
_log = structlog.get_logger("postroom.engine")


def is_confidential(message: Message) -> bool:
    """Whether a message holds such a link; its content is for its recipient alone."""
    return TAG in message.tags


def any_is_confidential(message_ids: Iterable[str]) -> bool:
    """The same, of messages that have one of these Message-IDs (blocking)."""
    return any(is_confidential(row) for row in Message.objects.filter(message_id__in=list(message_ids)[:_AT_ONCE]))


def invited_by_mail(email: str, *, name: str, role: str, actor: str, now: datetime) -> tuple[AccountLink, bool]:
    """As `account_links.invited`, where the mail is the only way to the link. Raises PersonRefused also for an address
    that no mail may go to."""
    local_part, _at, domain = email.strip().lower().rpartition("@")
    if local_part and not allowed(domain):
        raise PersonRefused(not_allowed(domain), "email")
    return invited(email, name=name, role=role, actor=actor, now=now)


def is_held_back(address: str, now: datetime) -> bool:
    """Whether a test mode keeps such a mail to the address from leaving just now (blocking)."""
    current, domain = read_current(), address.rpartition("@")[2].lower()
    traits = Traits(purpose=_PURPOSE, recipient_domains=frozenset((domain,)), tags=frozenset((TAG,)))
    try:
        of_server = sending_server(None, current, lambda: traits).sender.test_mode
    except Problem:  # without any server the mail waits for one
        of_server = None
    return deciding((current.test_mode, of_server), now) is not None


async def queue_account_mail(acceptor: Acceptor, now: datetime) -> int:
    """Queue the mails of links that have none yet; how many. What can't be queued just now is tried again. Raises
    DatabaseError."""
    count = 0
    for link in await sync_to_async(_waiting)():
        body = await sync_to_async(_prepared)(link, now)
        if body is None:
            continue
        try:
            await acceptor.accept_each([_request(body, link)], SENDER)
        except HeldBack:
            await sync_to_async(_hold_back)(link, now)
            continue
        except Problem as problem:
            if problem.status >= 500 or problem.status == 429:
                return count
            # The mail of an earlier life, before the template changed, is queued.
            if problem.slug != "idempotency-conflict":
                _log.error("a mail with a link to set a password can't be queued", problem=str(problem))
        await sync_to_async(_note_queued)(link, now)
        count += 1
    return count


def _waiting() -> Sequence[AccountLink]:
    """Resets first: many invitations may wait for the end of a test mode."""
    rows = AccountLink.objects.filter(queued_at=None).select_related("user")
    return list(rows.order_by("-purpose", "pk")[:_AT_ONCE])


def _prepared(link: AccountLink, now: datetime) -> dict[str, Any] | None:
    """The message of a link; None where it waits, and, with no link any more, where nobody is to get one."""
    is_invitation = link.purpose == AccountLink.Purpose.INVITATION
    user = _person_of(link, now) if is_invitation or link.expires_at > now else None
    if user is None:
        link.delete()
        return None
    if is_invitation:
        if is_held_back(user.email, now):
            return None
        _make_good(link, now)
    return _body(link, user)


def _make_good(link: AccountLink, now: datetime) -> None:
    """What an invitation has waited is not lost to the invited."""
    if now - link.created_at > _WAITED:
        link.expires_at = now + INVITED_FOR
        link.save(update_fields=["expires_at"])


def _request(body: Mapping[str, Any], link: AccountLink) -> Request:
    return replace(single_request(body, f"account-link-{link.pk}"), goes_to_nobody_else=True)


def _hold_back(link: AccountLink, now: datetime) -> None:
    """A reset ends here, as if it had been mailed: else whoever asks again would be looked up again each time."""
    if link.purpose == AccountLink.Purpose.RESET:
        AccountLink.objects.filter(pk=link.pk).update(queued_at=now, expires_at=now)
        _log.warning("a mail with a link to set a password was not sent: test mode is on", address=link.address)


def _person_of(link: AccountLink, now: datetime) -> User | None:
    """Whoever has the address and may sign in; the link is theirs from then on."""
    if link.user is not None:
        return link.user if link.user.is_active else None
    users = User.objects.filter(email__iexact=link.address, is_active=True)
    user = next((one for one in users if canonical(one.email) == link.address), None)
    if user is None or AccountLink.objects.filter(
        user=user, purpose=AccountLink.Purpose.RESET, created_at__gt=now - PAUSE
    ).exists():
        return None
    with transaction.atomic():
        AccountLink.objects.filter(user=user, purpose=AccountLink.Purpose.RESET, used_at=None).delete()
        link.user = user
        link.save(update_fields=["user"])
        audit.record("somebody at the sign-in", "user.reset-asked", user.email)
    return user


def _body(link: AccountLink, user: User) -> dict[str, Any]:
    language = user.language if user.language in LANGUAGES else site().language
    inviter = User.objects.filter(email=link.created_by).first()
    with override(language):
        is_invitation = link.purpose == AccountLink.Purpose.INVITATION
        title = _("Your account: choose a password") if is_invitation else _("Choose a new password")
    to = Addressed(user.email, canonical(user.email), user.name, language, values={"time_zone": user.time_zone})
    made = own_text(_TEMPLATES[AccountLink.Purpose(link.purpose)], to, {
        "title": title, "link": address_of(link), "expires_at": link.expires_at,
        "inviter": inviter.name if inviter is not None else "",
    })
    body = {
        "to": written(user.email, user.name), "subject": made.subject, "html": made.html, "text": made.text,
        "attachments": list(made.attachments), "purpose": _PURPOSE, "priority": 5, "tags": [TAG],
        "expires_at": link.expires_at.isoformat(),
    }
    return {name: value for name, value in body.items() if value}


def _note_queued(link: AccountLink, now: datetime) -> None:
    AccountLink.objects.filter(pk=link.pk).update(queued_at=now)
