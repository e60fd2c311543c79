"""What of a server ends one day: its certificate."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from postroom.store.models import SmtpServer
from postroom.terms.server import Auth, Security

SOON = timedelta(days=21)


@dataclass(frozen=True, slots=True)
class Expiry:
    """`kind` is "nothing" (nothing that could end), "unseen" (no certificate seen yet), "fine", "soon" or "over";
    `days` are left until `at`. `signs_in` tells whether a password goes along."""

    kind: str
    at: datetime | None = None
    days: int = 0
    signs_in: bool = False


def expiry_of(server: SmtpServer, now: datetime) -> Expiry:
    settings = server.typed_settings
    signs_in = settings.auth is not Auth.NONE
    if settings.security is Security.NONE:
        return Expiry("nothing", signs_in=signs_in)
    if (at := server.certificate_expires_at) is None:
        return Expiry("unseen", signs_in=signs_in)
    if at <= now:
        return Expiry("over", at, 0, signs_in)
    return Expiry("soon" if at - now <= SOON else "fine", at, (at - now).days, signs_in)
