"""The submission door as it is set: its sockets, whom it trusts, its certificate."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from postroom.net.listening import Listened
from postroom.net.own_name import own_name
from postroom.net.server_tls import ServerContext, server_context
from postroom.policy.submission import TrustedNetworks
from postroom.store.own_certificate import own_certificate


@dataclass(frozen=True, slots=True)
class House:
    """What does not change while the door is open."""

    host_name: str
    data: Path
    trusted: TrustedNetworks


@dataclass(frozen=True, slots=True)
class Door:
    """The sockets, and what they have in common. `certificate` is the file that `tls` was made of."""

    sockets: Sequence[Listened]
    house: House
    tls: ServerContext
    certificate: Path


def door_over(sockets: Sequence[Listened]) -> Door:
    """The door of Django's settings. Raises OSError for a certificate that can't be used."""
    host_name = own_name()
    if settings.SUBMISSION_CERTIFICATE:
        certificate = Path(settings.SUBMISSION_CERTIFICATE)
        key = Path(settings.SUBMISSION_KEY or certificate)
    else:
        certificate, key = own_certificate(settings.DATA_DIR / "keys", host_name)
    house = House(host_name, settings.DATA_DIR, settings.SUBMISSION_TRUST)
    return Door(sockets, house, server_context(certificate, key), certificate)
