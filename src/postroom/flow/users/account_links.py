"""Links by which people set their own password: an invitation, or after they have forgotten it.

A link works once and until it expires; a newer one of the same person replaces it. Whoever asks for a reset hears the
same, and as fast, whether the account exists or not (W8): the request is a row, and the engine looks who it is for.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from postroom.store import audit
from postroom.store.models import AccountLink, User
from postroom.store.signed_id import SignedIds
from postroom.terms.address import canonical
from postroom.terms.wording import worded

from ..instance.refusals import NotPossible
from .first_start import change_password, password_problem
from .people import PersonRefused, created_user, end_sessions

INVITED_FOR = timedelta(days=7)
RESET_FOR = timedelta(hours=1)
PATH = "/set-password/"
ACTOR = "link by mail"
# Requests that no engine has looked at yet; more are dropped, as a stranger could fill the table else.
WAITING = 1_000
TOKENS = SignedIds("account-link", 26)
Purpose = AccountLink.Purpose


def invited_user(email: str, *, name: str, role: str, actor: str, now: datetime) -> AccountLink:
    """A new user without a password, and the link by which to set one. Raises PersonRefused."""
    with transaction.atomic():
        user = created_user(email, name=name, role=role, password=None, actor=actor)
        return _link(user, Purpose.INVITATION, actor, now)


def invited(email: str, *, name: str, role: str, actor: str, now: datetime) -> tuple[AccountLink, bool]:
    """The link of somebody who is new, and true; of somebody who was invited and has not set a password, a new link in
    place of the earlier one. Raises PersonRefused."""
    with transaction.atomic():
        known = User.objects.filter(email__iexact=email.strip(), is_active=True).first()
        if known is None or known.has_usable_password():
            return invited_user(email, name=name, role=role, actor=actor, now=now), True
        return invited_again(known, actor=actor, now=now), False


def invitations() -> list[AccountLink]:
    """Of everybody who has not set a password yet, newest first, those that expired included while they are kept."""
    rows = AccountLink.objects.filter(purpose=Purpose.INVITATION, used_at=None, user__is_active=True)
    return list(rows.select_related("user").order_by("-created_at", "-pk"))


def invited_again(user: User, *, actor: str, now: datetime) -> AccountLink:
    """A new link for somebody who never set a password; the earlier one no longer works. Raises NotPossible."""
    if user.has_usable_password() or not user.is_active:
        raise NotPossible(worded("This person has set a password already, or may not sign in."))
    with transaction.atomic():
        audit.record(actor, "user.invite", user.email)
        return _link(user, Purpose.INVITATION, actor, now)


def ask_reset(email: str, now: datetime) -> None:
    """Note that somebody asked for a new password for this address, whoever that is."""
    with transaction.atomic():
        if AccountLink.objects.filter(user=None).count() < WAITING:
            AccountLink.objects.create(
                purpose=Purpose.RESET, address=canonical(email.strip())[:254], created_at=now,
                expires_at=now + RESET_FOR,
            )


def address_of(link: AccountLink) -> str:
    """The link as it is sent."""
    return f"{settings.PUBLIC_URL}{PATH}{TOKENS.token(link.pk)}"


def link_of(token: str, now: datetime) -> AccountLink | None:
    """The link that the token stands for; None for one that was not made here, was used, replaced, or has expired."""
    id_ = TOKENS.id_of(token)
    if id_ is None:
        return None
    found = AccountLink.objects.select_related("user").filter(
        pk=id_, used_at=None, expires_at__gt=now, user__is_active=True
    )
    return found.first()


def set_password(token: str, password: str, now: datetime) -> User:
    """The person whose link it is has this password from now on; what was open with the old one ends (T10).

    Raises PersonRefused naming `password`, NotPossible where the link does not work any more."""
    with transaction.atomic():
        link = link_of(token, now)
        # Of two requests with one link, one finds it unused.
        if link is None or link.user is None or not _used(link, now):
            raise NotPossible(worded("This link does not work any more. Ask for a new one."))
        user = link.user
        for remedy in password_problem(password, user).values():
            raise PersonRefused(remedy, "password")
        change_password(user, password)
        end_sessions(user)
        audit.record(ACTOR, f"user.{link.purpose}-used", user.email)
    return user


def forget_old_links(now: datetime) -> int:
    """Remove links that expired a day ago, used or not, without invitations whose mail still waits; their number."""
    waiting = Q(purpose=Purpose.INVITATION, queued_at=None, used_at=None)
    return AccountLink.objects.filter(expires_at__lt=now - timedelta(days=1)).exclude(waiting).delete()[0]


def _used(link: AccountLink, now: datetime) -> bool:
    return AccountLink.objects.filter(pk=link.pk, used_at=None).update(used_at=now) == 1


def _link(user: User, purpose: AccountLink.Purpose, actor: str, now: datetime) -> AccountLink:
    AccountLink.objects.filter(user=user, used_at=None).delete()
    return AccountLink.objects.create(
        purpose=purpose, user=user, address=user.email, created_at=now, created_by=actor[:254],
        expires_at=now + INVITED_FOR,
    )
