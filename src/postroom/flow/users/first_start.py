"""The first start: a one-time set-up code, and the administrator who proves to have read it."""

import hashlib
import hmac
import secrets

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import transaction

from postroom.store import audit
from postroom.store.models import AccountLink, InstanceValue, User
from postroom.terms.address import AddressProblem, parse_address
from postroom.terms.wording import worded

from ..instance.instance import change_site

SETUP_CODE = "setup_code"
CHECKLIST_HIDDEN = "checklist_hidden"
_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH = 12
_WRONG_CODE = worded(
    "This code does not match. Copy the newest one from the output of the service; a restart prints a new code."
)
_COMMON = worded("This password is on the list of common ones. Choose another, such as four words of your own.")
NAME_LENGTH = 150


class SetupRefused(Exception):
    """The administrator can't be created; `problems` maps fields to what to enter instead."""

    def __init__(self, problems: dict[str, str]) -> None:
        super().__init__("; ".join(f"{field}: {text}" for field, text in problems.items()))
        self.problems = problems


def needs_administrator() -> bool:
    """Whether nobody can sign in yet."""
    return not User.objects.exists()


def new_setup_code() -> str:
    """A fresh code "XXXX-XXXX-XXXX" that replaces any earlier one; only its digest is stored.

    Raises RuntimeError once there is a user: a set-up link must not open a running installation.
    """
    if not needs_administrator():
        raise RuntimeError("Postroom is set up already; sign in instead.")
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
    InstanceValue.objects.update_or_create(name=SETUP_CODE, defaults={"value": _digest(letters)})
    return "-".join(letters[start : start + 4] for start in range(0, _LENGTH, 4))


def create_administrator(
    code: str, name: str, email: str, password: str, time_zone: str, language: str = "en"
) -> User:
    """The first user, an administrator; uses the code up. The site takes over time zone and language until somebody
    changes them. Raises SetupRefused with a remedy for each field."""
    problems = _field_problems(name, email) | password_problem(password)
    with transaction.atomic():
        if not needs_administrator():
            raise SetupRefused({"code": worded("Postroom is set up already. Log in instead.")})
        if not _code_matches(code):
            problems = {"code": _WRONG_CODE, **problems}
        if problems:
            raise SetupRefused(problems)
        user = User.objects.create_user(
            email.strip().lower(), password,
            name=name.strip(), role=User.Role.ADMINISTRATOR, time_zone=time_zone or "UTC",
        )
        InstanceValue.objects.filter(name=SETUP_CODE).delete()
        audit.record(user.email, "user.create", user.email, {"role": user.role})
        change_site({"time_zone": user.time_zone, "language": language}, user.email)
    return user


def change_password(user: User, password: str) -> None:
    """A new password for the user; sessions that began with the old one, and links by which to choose one, end with
    it (T10)."""
    with transaction.atomic():
        user.set_password(password)
        user.save(update_fields=["password"])
        AccountLink.objects.filter(user=user, used_at=None).delete()
        audit.record(user.email, "user.password", user.email)


def hide_checklist() -> None:
    """Leave the set-up checklist out of the overview, for everybody."""
    InstanceValue.objects.update_or_create(name=CHECKLIST_HIDDEN, defaults={"value": True})


def password_problem(password: str, user: User | None = None) -> dict[str, str]:
    """{"password": remedy} when the password is too short or common, else {}."""
    if not password:
        return {"password": worded("Enter a password of at least 12 characters.")}
    try:
        validate_password(password, user)
    except ValidationError as error:
        codes = {problem.code for problem in error.error_list}
        if "password_too_short" in codes:
            return {"password": worded("Use at least 12 characters; these are {n}.", n=len(password))}
        return {"password": _COMMON}
    return {}


def _field_problems(name: str, email: str) -> dict[str, str]:
    problems: dict[str, str] = {}
    if not name.strip():
        problems["name"] = worded("Enter your name.")
    elif len(name.strip()) > NAME_LENGTH:
        problems["name"] = worded("Shorten your name to {most} characters.", most=NAME_LENGTH)
    try:
        parse_address(email.strip())
    except AddressProblem as problem:
        problems["email"] = str(problem)
    return problems


def _code_matches(code: str) -> bool:
    stored = InstanceValue.objects.filter(name=SETUP_CODE).first()
    return stored is not None and hmac.compare_digest(str(stored.value), _digest(code))


def _digest(code: str) -> str:
    letters = "".join(c for c in code.upper() if c.isalnum())
    return hashlib.sha256(letters.encode()).hexdigest()
