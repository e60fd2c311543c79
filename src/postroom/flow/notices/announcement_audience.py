"""Whom an announcement reaches: users, recipients, groups and addresses, each address once."""

from collections.abc import Mapping
from typing import Any

from postroom.store.models import Recipient, RecipientGroup, Subscriber, User
from postroom.terms.address import canonical

from ..instance.instance import site
from ..recipients.recipients import Addressed, addressed


def audience_of(audience: Mapping[str, Any]) -> list[Addressed]:
    """Sorted by address (blocking). Who is both recipient and user is written to as that recipient."""
    found = {one.address_key: one for one in addressed([
        *(Subscriber(group=group, address="") for group in RecipientGroup.objects.filter(pk__in=audience["groups"])),
        *(Subscriber(address=address) for address in audience["addresses"]),
    ])}
    home = site()
    if audience["recipients"]:
        for row in Recipient.objects.iterator(chunk_size=500):
            found.setdefault(row.address_key, Addressed(
                row.address, row.address_key, row.name, row.language or home.language,
                row.time_zone or home.time_zone, row.values,
            ))
    if audience["users"]:
        for user in User.objects.filter(is_active=True):
            key = canonical(user.email)
            found.setdefault(key, Addressed(user.email, key, user.name, user.language or home.language, user.time_zone))
    return [found[key] for key in sorted(found)]
