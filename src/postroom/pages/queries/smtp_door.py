"""Where mail is taken over SMTP, as a person has to enter it in a program."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings

from postroom.net.own_name import own_name
from postroom.policy.submission import Endpoint


@dataclass(frozen=True, slots=True)
class Place:
    """A host and port. `is_own`: only programs on this machine reach it. `is_encrypted`: TLS begins at once."""

    host: str
    port: int
    is_own: bool
    is_encrypted: bool


@dataclass(frozen=True, slots=True)
class SmtpDoor:
    """`trusted` are networks that need no sign-in, "" for none; `has_own_certificate`: one that nobody else signed."""

    places: Sequence[Place]
    trusted: str
    has_own_certificate: bool


def smtp_door() -> SmtpDoor:
    """As the service was started; without places no mail is taken over SMTP."""
    return SmtpDoor(
        [_place(endpoint) for endpoint in settings.SUBMISSION], str(settings.SUBMISSION_TRUST),
        not settings.SUBMISSION_CERTIFICATE,
    )


def _place(endpoint: Endpoint) -> Place:
    address = ipaddress.ip_address(endpoint.host)
    host = own_name() if address.is_unspecified else endpoint.host
    return Place(host, endpoint.port, address.is_loopback, endpoint.is_encrypted)
