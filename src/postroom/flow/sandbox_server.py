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
    """The sandbox's server entry for the port it listens on, with a test queued unless it is verified.

    It is the default only until a real server is. None when an administrator has removed it.
    """
    with transaction.atomic():
        InstanceValue.objects.update_or_create(name=PORT, defaults={"value": port})
        server = SmtpServer.objects.filter(is_sandbox=True).first()
        if server is None:
            if InstanceValue.objects.filter(name=configure.SANDBOX_REMOVED).exists():
                return None
            server = _new_server(port)
        elif server.typed_settings.port != port:
            server.settings = server.typed_settings.changed(port=port).as_json()
            server.save(update_fields=["settings", "updated_at"])
    waiting = ServerTest.objects.filter(server=server, status__in=[TestStatus.QUEUED, TestStatus.RUNNING])
    if not server.is_verified and not waiting.exists():
        configure.start_saved_test(server, send=True, actor=ACTOR)
    return server


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
