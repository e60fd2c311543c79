"""The certificates that submission doors show, noted by those who show them: the engine may run on another machine."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from django.utils.dateparse import parse_datetime

from .models import InstanceValue

_NAME = "door_certificate:"
# Doors note themselves every hour; one that did not for so long is gone.
_FRESH = timedelta(days=1)


class DoorCertificate(NamedTuple):
    """Of the door of that host name. `expires_at` is the end of the certificate that it shows, `filed_until` of the one
    that its file holds by now; `is_own`: Postroom signed it itself."""

    host: str
    expires_at: datetime
    filed_until: datetime
    is_own: bool


def good_until(certificate: Path) -> datetime:
    """When the first certificate of a PEM file ends. Raises OSError, ValueError."""
    return x509.load_pem_x509_certificates(certificate.read_bytes())[0].not_valid_after_utc


def note_door_certificate(shown: DoorCertificate, at: datetime) -> None:
    """(Blocking). Raises DatabaseError."""
    value = {
        "host": shown.host, "expires_at": shown.expires_at.isoformat(), "filed_until": shown.filed_until.isoformat(),
        "is_own": shown.is_own, "at": at.isoformat(),
    }
    InstanceValue.objects.update_or_create(name=f"{_NAME}{shown.host}"[:64], defaults={"value": value})


def door_certificates(now: datetime) -> list[DoorCertificate]:
    """Of doors that are open, or were within a day (blocking). Raises DatabaseError."""
    rows = InstanceValue.objects.filter(name__startswith=_NAME).order_by("name")
    return [found for row in rows if (found := _read(row.value, now)) is not None]


def _read(value: object, now: datetime) -> DoorCertificate | None:
    stored = value if isinstance(value, Mapping) else {}
    at, until, filed = (parse_datetime(str(stored.get(name, ""))) for name in ("at", "expires_at", "filed_until"))
    if at is None or until is None or filed is None or now - at > _FRESH:
        return None
    return DoorCertificate(str(stored.get("host", "")), until, filed, bool(stored.get("is_own")))
