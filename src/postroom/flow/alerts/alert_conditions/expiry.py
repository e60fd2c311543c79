"""What ends by itself: certificates of servers, tokens of applications, passwords that are older than wanted."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from postroom.policy.alert_kinds import Severity
from postroom.store.door_certificate import DoorCertificate, door_certificates
from postroom.store.models import ApiToken, SmtpServer
from postroom.terms.server import Security
from postroom.terms.wording import worded

from .found import Found

URGENT = timedelta(days=3)
# A token that has expired is no news for ever.
_AFTER = timedelta(days=7)


def certificates_expiring(settings: Mapping[str, int], now: datetime) -> list[Found]:
    """Of servers in use, and of doors that take mail, within so many days."""
    until = now + timedelta(days=settings["days"])
    rows = SmtpServer.objects.filter(enabled=True, is_sandbox=False, certificate_expires_at__lte=until)
    servers = [_certificate(row, row.certificate_expires_at, now) for row in rows if row.certificate_expires_at
               and row.typed_settings.security is not Security.NONE]
    return [*servers, *(_of_door(door, now) for door in door_certificates(now) if door.expires_at <= until)]


def tokens_expiring(settings: Mapping[str, int], now: datetime) -> list[Found]:
    """Tokens that were ever used, within so many days."""
    until = now + timedelta(days=settings["days"])
    rows = ApiToken.objects.filter(revoked_at=None, expires_at__lte=until, expires_at__gt=now - _AFTER)
    return [_token(row, now) for row in rows.exclude(last_used_at=None)]


def secrets_old(settings: Mapping[str, int], now: datetime) -> list[Found]:
    """Passwords of servers in use that were stored so many days ago."""
    until = now - timedelta(days=settings["days"])
    rows = SmtpServer.objects.filter(enabled=True, is_sandbox=False, password_stored_at__lte=until)
    return [
        Found(
            row.pk, row.name, worded("The password of {server} is over {days} days old", server=row.name,
                                     days=settings["days"]),
            worded("It was stored on {date}.", date=f"{row.password_stored_at:%Y-%m-%d}"),
            (worded("Change it at the provider, enter the new one here and run a live test."),),
            link=f"/smtp-servers/{row.pk}",
        )
        for row in rows
    ]


def _certificate(row: SmtpServer, at: datetime, now: datetime) -> Found:
    title = worded("The certificate of {server} has expired", server=row.name)
    if at > now:
        title = worded("The certificate of {server} expires on {date}", server=row.name, date=f"{at:%Y-%m-%d}")
    return Found(
        row.pk, row.name, title,
        worded("{host} shows a certificate that is good until {date}. Afterwards Postroom sends nothing to it.",
               host=row.typed_settings.host, date=f"{at:%Y-%m-%d %H:%M} UTC"),
        (worded("Have whoever runs the server renew it, then run a live test."),), link=f"/smtp-servers/{row.pk}",
        severity=Severity.CRITICAL if at - now <= URGENT else Severity.WARNING,
    )


def _of_door(door: DoorCertificate, now: datetime) -> Found:
    at = door.expires_at
    title = worded("The certificate of the submission door of {host} has expired", host=door.host)
    if at > now:
        title = worded("The certificate of the submission door of {host} expires on {date}", host=door.host,
                       date=f"{at:%Y-%m-%d}")
    if door.filed_until > at:
        fix = worded("Restart Postroom: its file holds a newer certificate, which is read at the start.")
    elif door.is_own:
        fix = worded("Postroom signed it itself. Remove submission-certificate.pem from the folder keys and restart.")
    else:
        fix = worded("Renew the certificate in the file of POSTROOM_SUBMISSION_CERTIFICATE, then restart Postroom.")
    return Found(
        f"submission:{door.host}", door.host, title,
        worded("It is good until {date}. Afterwards programs that check certificates hand in nothing more over SMTP.",
               date=f"{at:%Y-%m-%d %H:%M} UTC"),
        (fix,), link="/tokens", severity=Severity.CRITICAL if at - now <= URGENT else Severity.WARNING,
    )


def _token(row: ApiToken, now: datetime) -> Found:
    at = row.expires_at or now
    title = worded("The API token {token} has expired", token=row.name)
    if at > now:
        title = worded("The API token {token} expires on {date}", token=row.name, date=f"{at:%Y-%m-%d}")
    return Found(
        row.pk, row.name, title,
        worded("It is good until {date}; afterwards whoever uses it is refused.", date=f"{at:%Y-%m-%d %H:%M} UTC"),
        (worded("Create a new token, give it to the application, and revoke the old one."),), link="/tokens",
        severity=Severity.CRITICAL if at - now <= URGENT else Severity.WARNING,
    )
