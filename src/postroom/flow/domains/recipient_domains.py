"""Which domains mail may go to: a list that an administrator keeps, asked whenever a message is handed in, through
whatever door. An empty list allows every domain."""

from collections.abc import Iterable, Sequence

from django.db import transaction

from postroom.policy.recipient_domains import AllowedDomains
from postroom.store import audit
from postroom.store.models import InstanceValue
from postroom.terms.problem import FieldError
from postroom.terms.wording import Wording, worded

from ..instance.refusals import SettingsRefused
from .domain_pattern import PatternRefused, domain_pattern

NAME = "recipient_domains"
FIELD = "domains"
CODE = "domain-not-allowed"
DOMAINS = 500


def allowed_domains() -> AllowedDomains:
    """As it is stored (blocking). Raises DatabaseError."""
    row = InstanceValue.objects.filter(name=NAME).first()
    return AllowedDomains(tuple(row.value)) if row is not None else AllowedDomains()


def allowed(domain: str) -> bool:
    """Whether mail may go to that domain (blocking). Raises DatabaseError."""
    return allowed_domains().covers(domain)


def allow_only(domains: Sequence[str], actor: str) -> AllowedDomains:
    """Replace the list; none allows every domain again. Messages that are queued already still leave.

    Raises SettingsRefused naming `domains`."""
    wanted = AllowedDomains(_checked(domains))
    with transaction.atomic():
        before = allowed_domains()
        if wanted != before:
            InstanceValue.objects.update_or_create(name=NAME, defaults={"value": list(wanted.patterns)})
            changes = {FIELD: [list(before.patterns), list(wanted.patterns)]}
            audit.record(actor, "recipient-domains.change", "recipient domains", changes)
    return wanted


def not_allowed(domain: str) -> Wording:
    """What is said of a recipient in a domain that is not on the list."""
    return worded(
        "Mail to {domain} is not allowed here. Correct the address, or have an administrator allow the domain under "
        "Recipient domains.", domain=domain,
    )


def domain_errors(allowed_only: AllowedDomains, places: Iterable[tuple[str, Iterable[str]]]) -> list[FieldError]:
    """An error for each field that has a domain outside the list; `places` are fields with their domains."""
    if not allowed_only.patterns:
        return []
    errors = []
    for field, domains in places:
        outside = next((domain for domain in domains if not allowed_only.covers(domain)), None)
        if outside is not None:
            errors.append(FieldError(field, CODE, not_allowed(outside)))
    return errors


def _checked(domains: Sequence[str]) -> tuple[str, ...]:
    if len(domains) > DOMAINS:
        raise SettingsRefused(FieldError(FIELD, "too-many", worded("Enter at most {most} domains.", most=DOMAINS)))
    try:
        return tuple(sorted({domain_pattern(domain.strip()) for domain in domains if domain.strip()}))
    except PatternRefused as refused:
        raise SettingsRefused(FieldError(FIELD, "invalid", refused.text)) from None
