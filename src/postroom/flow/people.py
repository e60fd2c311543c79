"""People who may sign in, created and given new passwords by whoever operates the machine."""

from django.db import transaction

from postroom.store import audit
from postroom.store.models import User
from postroom.terms.address import AddressProblem, parse_address
from postroom.terms.wording import worded

from .first_start import change_password, password_problem


class PersonRefused(Exception):
    """The step is not possible; the text says why and what to do."""


def created_user(email: str, *, name: str, role: str, password: str, actor: str) -> User:
    """A new user who can sign in with `email` and `password`. Raises PersonRefused."""
    address = email.strip().lower()
    try:
        parse_address(address)
    except AddressProblem as problem:
        raise PersonRefused(str(problem)) from None
    if User.objects.filter(email__iexact=address).exists():
        raise PersonRefused(worded(
            "{address} is a user already. For a new password: postroom user reset-password {address}", address=address
        ))
    _refuse_weak(password, User(email=address, name=name))
    with transaction.atomic():
        user = User.objects.create_user(address, password, name=name.strip(), role=role)
        audit.record(actor, "user.create", address, {"role": role})
    return user


def reset_password(email: str, *, password: str, actor: str) -> User:
    """The user with a new password; sessions of the old one end (T10). Raises PersonRefused."""
    user = User.objects.filter(email__iexact=email.strip()).first()
    if user is None:
        raise PersonRefused(worded("No user has the address {address}.", address=email.strip()))
    _refuse_weak(password, user)
    with transaction.atomic():
        change_password(user, password)
        audit.record(actor, "user.reset-password", user.email)
    return user


def _refuse_weak(password: str, user: User) -> None:
    for remedy in password_problem(password, user).values():
        raise PersonRefused(remedy)
