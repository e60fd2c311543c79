"""The sandbox as a configured server, so that the product is alive before any real server is known."""

from django.db import transaction

from postroom.store import audit
from postroom.store.models import InstanceValue, ServerTest, SmtpServer
from postroom.terms.outcome import TestStatus
from postroom.terms.server import Auth, Security, ServerSettings

from . import configure

ACTOR = "postroom"
PORT = "sandbox_port"


def ensure_sandbox_server(port: int) -> SmtpServer | None:
    """The sandbox's server entry for the port it listens on, with a test queued unless it is verified there.

    It is the default only until a real server is. None when an administrator has removed it.
    """
    with transaction.atomic():
        InstanceValue.objects.update_or_create(name=PORT, defaults={"value": port})
        server, has_moved = SmtpServer.objects.filter(is_sandbox=True).first(), False
        if server is None:
            if InstanceValue.objects.filter(name=configure.SANDBOX_REMOVED).exists():
                return None
            server = _new_server(port)
        elif server.typed_settings.port != port:
            _move(server, port)
            has_moved = True
    waiting = ServerTest.objects.filter(server=server, status__in=[TestStatus.QUEUED, TestStatus.RUNNING])
    if (has_moved or not server.is_verified) and not waiting.exists():
        configure.start_saved_test(server, send=True, actor=ACTOR)
    return server


def _move(server: SmtpServer, port: int) -> None:
    """To the port that the sandbox listens on now. That is Postroom's own doing and proves nothing wrong: a verified
    one stays verified, so that nobody who names it is refused meanwhile."""
    was_verified = server.is_verified
    server.settings = server.typed_settings.changed(port=port).as_json()
    if was_verified:
        server.verified_fingerprint = server.typed_settings.fingerprint(server.secret_id)
    server.save(update_fields=["settings", "verified_fingerprint", "updated_at"])


def _new_server(port: int) -> SmtpServer:
    settings = ServerSettings(
        name="Sandbox",
        description="Catches mail on this machine and shows it. Nothing leaves.",
        from_name="Postroom",
        from_address="postroom@sandbox.example",
        host="127.0.0.1",
        port=port,
        security=Security.NONE,
        auth=Auth.NONE,
        test_recipient="anyone@sandbox.example",
    )
    server = SmtpServer.objects.create(
        name=settings.name, settings=settings.as_json(), is_sandbox=True,
        is_default=not SmtpServer.objects.filter(is_default=True).exists(), position=1_000,
    )
    audit.record(ACTOR, "server.save", server.name, {"sandbox": True})
    return server
