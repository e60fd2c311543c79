"""People who may sign in: created, changed, switched off and given new passwords."""

import secrets

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import transaction
from django.utils import timezone

from postroom.store import audit
from postroom.store.models import User
from postroom.terms.address import AddressProblem, parse_address
from postroom.terms.wording import worded

from .first_start import NAME_LENGTH, change_password, password_problem

_ALPHABET = "23456789abcdefghjkmnpqrstvwxyz"
_GROUPS, _GROUP_LENGTH = 4, 5


class PersonRefused(Exception):
    """The step is not possible; the text says why and what to do. `field` is the one at fault, "" for none."""

    def __init__(self, text: str, field: str = "") -> None:
        super().__init__(text)
        self.text, self.field = text, field


def new_password() -> str:
    """A random password for a person who is to change it, of 98 bits."""
    groups = ("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP_LENGTH)) for _ in range(_GROUPS))
    return "-".join(groups)


def created_user(email: str, *, name: str, role: str, password: str | None, actor: str) -> User:
    """A new user who can sign in with `email` and `password`, or, without one, has to set it. Raises PersonRefused."""
    address = email.strip().lower()
    try:
        parse_address(address)
    except AddressProblem as problem:
        raise PersonRefused(str(problem), "email") from None
    if User.objects.filter(email__iexact=address).exists():
        raise PersonRefused(worded(
            "{address} is a user already. For a new password: postroom user reset-password {address}", address=address
        ), "email")
    _refuse_name(name)
    _refuse_role(role)
    if password is not None:
        _refuse_weak(password, User(email=address, name=name))
    with transaction.atomic():
        user = User.objects.create_user(address, password, name=name.strip(), role=role)
        action = "user.create" if password is not None else "user.invite"
        audit.record(actor, action, address, {"role": role})
    return user


def change_user(user: User, *, name: str, role: str, is_active: bool, actor: str) -> None:
    """Store name, role and whether the person may sign in; another role, and switching off, end what is open (T10).

    Raises PersonRefused: somebody has to administer."""
    _refuse_name(name)
    _refuse_role(role)
    with transaction.atomic():
        row = User.objects.get(pk=user.pk)
        wanted = {"name": name.strip(), "role": role, "is_active": is_active}
        before = {field: getattr(row, field) for field in wanted}
        changes = {field: [before[field], value] for field, value in wanted.items() if before[field] != value}
        administers = role == User.Role.ADMINISTRATOR and is_active
        if not administers and not _others_administer(row):
            text = worded("Somebody has to administer Postroom. Make another person an administrator first.")
            raise PersonRefused(text, "role")
        if changes:
            User.objects.filter(pk=row.pk).update(**wanted)
            if {"role", "is_active"} & set(changes):
                end_sessions(row)
            audit.record(actor, "user.change", row.email, changes)


def reset_password(email: str, *, password: str, actor: str) -> User:
    """The user with a new password; sessions of the old one end (T10). Raises PersonRefused."""
    user = User.objects.filter(email__iexact=email.strip()).first()
    if user is None:
        raise PersonRefused(worded("No user has the address {address}.", address=email.strip()), "email")
    _refuse_weak(password, user)
    with transaction.atomic():
        change_password(user, password)
        audit.record(actor, "user.reset-password", user.email)
    return user


def end_sessions(user: User) -> None:
    """For good: a session that was only refused would come back to life with the right to sign in."""
    open_ones = Session.objects.filter(expire_date__gt=timezone.now())
    theirs = [row.pk for row in open_ones.iterator() if row.get_decoded().get(SESSION_KEY) == user.pk]
    Session.objects.filter(pk__in=theirs).delete()


def _others_administer(user: User) -> bool:
    others = User.objects.exclude(pk=user.pk)
    return others.filter(role=User.Role.ADMINISTRATOR, is_active=True).exists()


def _refuse_name(name: str) -> None:
    if not name.strip() or not name.strip().isprintable():
        raise PersonRefused(worded("Enter the person's name."), "name")
    if len(name.strip()) > NAME_LENGTH:
        raise PersonRefused(worded("Shorten the name to {most} characters.", most=NAME_LENGTH), "name")


def _refuse_role(role: str) -> None:
    if role not in User.Role.values:
        raise PersonRefused(worded("Choose what the person may do."), "role")


def _refuse_weak(password: str, user: User) -> None:
    for remedy in password_problem(password, user).values():
        raise PersonRefused(remedy, "password")
