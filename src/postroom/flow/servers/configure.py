"""Configure SMTP servers: test settings, save them, change them; what page, API and command line share.

A stored password follows its settings only while their destination stays the same (T4): every function here that could
carry one asks `_password_for`, and nothing else moves a sealed password.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from django.conf import settings as instance
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from postroom.policy.ports import Ports
from postroom.policy.settings_check import problems_of
from postroom.store import audit
from postroom.store.ids import new_id
from postroom.store.models import Delivery, InstanceValue, ServerTest, SmtpServer
from postroom.store.vault import Vault
from postroom.terms.host_name import host_reading
from postroom.terms.outcome import TestStatus
from postroom.terms.problem import FieldError
from postroom.terms.server import Auth, Destination, ServerSettings
from postroom.terms.wording import worded

from ..instance.refusals import NotPossible as NotPossible
from ..instance.refusals import SettingsRefused as SettingsRefused
from ..messages.outbox import CAN_CANCEL, cancel
from .server_order import number, put_first, servers_in_order
from .test_result import mark_verified

REASON_LENGTH = 500
SANDBOX_REMOVED = "sandbox_removed"


@dataclass(frozen=True, slots=True)
class SealedPassword:
    """A password as it is stored; `secret_id` names its version. Both are "" where there is none."""

    sealed: str = ""
    secret_id: str = ""


def start_test(
    settings: ServerSettings,
    *,
    password: str | None,
    based_on: SmtpServer | ServerTest | None,
    server: SmtpServer | None,
    send: bool,
    actor: str,
) -> ServerTest:
    """A queued test of settings that need not be saved; an engine runs it. `send` sends the test mail.

    `based_on` lends its stored password while the destination is unchanged; `server` is the one being edited.
    Raises SettingsRefused.
    """
    settings, secret = _checked(_tidied(settings), password, based_on, server, require_recipient=send)
    with transaction.atomic():
        test = _new_test(settings, secret, server=server, send=send, actor=actor)
        audit.record(actor, "test.start", settings.name, {"host": settings.host, "port": settings.port, "send": send})
    return test


def start_saved_test(server: SmtpServer, *, send: bool, actor: str) -> ServerTest:
    """A queued test of a saved server, just as it is. Raises SettingsRefused."""
    return start_test(server.typed_settings, password=None, based_on=server, server=server, send=send, actor=actor)


def stop_test(test: ServerTest, actor: str) -> None:
    """Ask the engine to stop a test; one that no engine has begun ends at once."""
    with transaction.atomic():
        row = ServerTest.objects.get(pk=test.pk)
        if row.is_over:
            return
        row.stop_requested = True
        if row.status == TestStatus.QUEUED:
            row.status, row.finished_at = TestStatus.STOPPED, timezone.now()
        row.save(update_fields=["stop_requested", "status", "finished_at"])
        audit.record(actor, "test.stop", row.typed_settings.name)


def save_tested(test: ServerTest, *, make_default: bool, actor: str) -> SmtpServer:
    """The server whose settings just passed a live test: created, or changed to exactly the tested settings."""
    if test.status != TestStatus.PASSED or not test.send:
        raise NotPossible(worded("Run a live test of these settings first; Save becomes available when it has passed."))
    settings = test.typed_settings
    if settings.auth is Auth.PASSWORD and not test.sealed_password:
        raise NotPossible(worded("This test is more than a day old and its password is gone. Run the live test again."))
    with transaction.atomic():
        _refuse_taken_name(settings, test.server)
        server = _present(test.server)
        before = server.settings or {}
        _store(server, settings, SealedPassword(test.sealed_password, test.secret_id))
        server.use_unverified, server.unverified_reason = False, ""
        server.save()
        mark_verified(server, test)
        if test.server_id is None:
            ServerTest.objects.filter(pk=test.pk).update(server=server)
        if make_default:
            put_first(server)
        audit.record(actor, "server.save", server.name, {"verified": True, **_difference(before, server.settings)})
    return server


def save_untested(
    settings: ServerSettings,
    *,
    password: str | None,
    based_on: SmtpServer | ServerTest | None,
    server: SmtpServer | None,
    reason: str,
    use_unverified: bool = False,
    make_default: bool = False,
    actor: str,
) -> SmtpServer:
    """The server saved without a test. It takes no deliveries until it is verified, unless `use_unverified`.

    Raises SettingsRefused, and NotPossible where `server` was removed meanwhile.
    """
    if use_unverified:
        _refuse_empty_reason(reason)
    settings, secret = _checked(_tidied(settings), password, based_on, server, require_recipient=False)
    with transaction.atomic():
        row = _present(server)
        before, was_verified, old_secret = row.settings or {}, row.is_verified, row.secret_id
        _store(row, settings, secret)
        changed = [*_difference(before, row.settings), *(["password"] if row.secret_id != old_secret else [])]
        _note_change(row, was_verified, changed, actor)
        row.use_unverified, row.unverified_reason = use_unverified, reason.strip()[:REASON_LENGTH]
        row.save()
        if make_default and row.takes_deliveries:
            put_first(row)
        changes = {"verified": row.is_verified, "reason": row.unverified_reason, **_difference(before, row.settings)}
        audit.record(actor, "server.save", row.name, changes)
    return row


def change_server(
    server: SmtpServer,
    changes: Mapping[str, Any],
    *,
    password: str | None = None,
    use_unverified: bool | None = None,
    reason: str = "",
    actor: str,
) -> SmtpServer:
    """The server with some settings changed by API name; whatever a test proved stays proven only if untouched.

    Raises SettingsRefused, naming `password` where the destination changed without a new one.
    """
    settings = ServerSettings.from_json({**server.settings, **changes})
    keep = server.use_unverified if use_unverified is None else use_unverified
    return save_untested(
        settings, password=password, based_on=server, server=server, reason=reason or server.unverified_reason,
        use_unverified=keep, actor=actor,
    )


def delete_server(server: SmtpServer, actor: str) -> None:
    """Remove the server with its password, its tests' copies of it included. Messages and the activity log stay;
    waiting mail goes to the default, but what waits for the sandbox is cancelled: it was never meant to leave."""
    with transaction.atomic():
        tests = Q(server_id=server.pk) | Q(server=None, settings__name=server.name)
        ServerTest.objects.filter(tests).update(sealed_password="")
        if server.is_sandbox:
            InstanceValue.objects.update_or_create(name=SANDBOX_REMOVED, defaults={"value": True})
            waiting = Delivery.objects.filter(server=server, state__in=CAN_CANCEL)
            cancel(list(waiting.values_list("message_id", flat=True).distinct()), actor)
        SmtpServer.objects.filter(pk=server.pk).delete()
        number(servers_in_order())
        audit.record(actor, "server.delete", server.name)


def unsealed_password(row: SmtpServer | ServerTest) -> str | None:
    """The password in clear, for the process that dials; None where the settings use none. Raises VaultError."""
    settings = row.typed_settings
    if settings.auth is Auth.NONE or not row.sealed_password:
        return None
    return _vault().unseal(row.sealed_password, settings.destination.canonical())


def allowed_ports(server: SmtpServer | None) -> Ports:
    """The ports that a server may dial: the operator's list, and for the sandbox its own."""
    ports: Ports = instance.SMTP_PORTS
    if server is not None and server.is_sandbox:
        own = server.typed_settings.port
        return replace(ports, ranges=(*ports.ranges, (own, own)))
    return ports


def _vault() -> Vault:
    vault: Vault = instance.VAULT
    return vault


_TEXTS = (
    "name", "description", "from_name", "from_address", "subject_prefix", "test_recipient", "ehlo_name", "ca_pem",
    "bounce_address",
)


def _tidied(settings: ServerSettings) -> ServerSettings:
    """Without blanks around the fields where none is ever meant, and without a user name nobody uses."""
    return settings.changed(
        **{field: getattr(settings, field).strip() for field in _TEXTS},
        username=settings.username.strip() if settings.auth is Auth.PASSWORD else "",
    )


def _checked(
    settings: ServerSettings,
    password: str | None,
    based_on: SmtpServer | ServerTest | None,
    server: SmtpServer | None,
    *,
    require_recipient: bool,
) -> tuple[ServerSettings, SealedPassword]:
    """Complete settings with the host in its usual form, and the sealed password; else raises SettingsRefused."""
    stored = bool(based_on is not None and based_on.sealed_password)
    problems = problems_of(settings, password_given=bool(password) or stored, allowed_ports=allowed_ports(server))
    if require_recipient and not settings.test_recipient:
        problems.append(FieldError(
            "test_recipient", "required", worded("Enter the address that receives the test mail.")
        ))
    problems += _taken_name(settings, server)
    if settings.auth is Auth.PASSWORD and not password and stored and not _same_destination(settings, based_on):
        problems.append(FieldError(
            "password", "destination-changed",
            worded("Enter the password again: the stored one belongs to the old settings and never goes elsewhere."),
        ))
    if problems:
        raise SettingsRefused(*problems)
    settings = settings.changed(host=host_reading(settings.host).host)
    return settings, _password_for(settings, password, based_on)


def _password_for(
    settings: ServerSettings, password: str | None, based_on: SmtpServer | ServerTest | None
) -> SealedPassword:
    if settings.auth is Auth.NONE:
        return SealedPassword()
    if password:
        return SealedPassword(_vault().seal(password, settings.destination.canonical()), new_id())
    if based_on is None or not _same_destination(settings, based_on):
        raise SettingsRefused(FieldError("password", "required", worded("Enter the password.")))
    return SealedPassword(based_on.sealed_password, based_on.secret_id)


def _same_destination(settings: ServerSettings, based_on: SmtpServer | ServerTest | None) -> bool:
    if based_on is None:
        return False
    meant = settings.changed(host=host_reading(settings.host).host)
    return based_on.typed_settings.destination == meant.destination


# What a passed test proves (`ServerSettings.fingerprint`).
_PROVEN = frozenset((*(f.name for f in fields(Destination)), "ehlo_name", "from_address", "bounce_address", "password"))


def _note_change(server: SmtpServer, was_verified: bool, changed: Sequence[str], actor: str) -> None:
    """Remember which change ended a verification, and what was changed since; a change back ends that."""
    if server.is_verified:
        server.changed_at, server.changed_by, server.changed_fields = None, "", []
        return
    proven = [field for field in changed if field in _PROVEN and field not in server.changed_fields]
    if proven and (was_verified or server.changed_at is not None):
        server.changed_at, server.changed_by = timezone.now(), actor[:254]
        server.changed_fields = [*server.changed_fields, *proven]


def _present(server: SmtpServer | None) -> SmtpServer:
    """The row to change as it is now, within the transaction that changes it; a new one for None."""
    if server is None:
        return SmtpServer(position=SmtpServer.objects.count())
    row = SmtpServer.objects.filter(pk=server.pk).first()
    if row is None:
        raise NotPossible(worded("This server was removed meanwhile. Configure it as a new one."))
    return row


def _store(server: SmtpServer, settings: ServerSettings, secret: SealedPassword) -> None:
    if secret.secret_id != server.secret_id:
        server.password_stored_at = timezone.now() if secret.sealed else None
    server.name, server.settings = settings.name, settings.as_json()
    server.sealed_password, server.secret_id = secret.sealed, secret.secret_id


def _new_test(
    settings: ServerSettings, secret: SealedPassword, *, server: SmtpServer | None, send: bool, actor: str
) -> ServerTest:
    return ServerTest.objects.create(
        server=server, settings=settings.as_json(), sealed_password=secret.sealed, secret_id=secret.secret_id,
        send=send, created_by=actor,
    )


def _taken_name(settings: ServerSettings, server: SmtpServer | None) -> list[FieldError]:
    others = SmtpServer.objects.filter(name__iexact=settings.name).exclude(pk=server.pk if server else "")
    if settings.name and others.exists():
        return [FieldError("name", "taken", worded("Another server has this name. Choose a different one."))]
    return []


def _refuse_taken_name(settings: ServerSettings, server: SmtpServer | None) -> None:
    if problems := _taken_name(settings, server):
        raise SettingsRefused(*problems)


def _refuse_empty_reason(reason: str) -> None:
    if not reason.strip():
        text = worded("Say why this server is used without a test; the reason is shown beside it.")
        raise SettingsRefused(FieldError("reason", "required", text))


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Changed settings as {"name": [before, after]}; settings hold no secret."""
    return {key: [before.get(key), value] for key, value in after.items() if before.get(key) != value}
