"""The sandbox is a configured server from the first start, and never takes real mail once a real server is there."""

import pytest
from django.utils import timezone

from postroom.flow.servers import configure
from postroom.flow.servers.sandbox_server import ensure_sandbox_server
from postroom.store.models import Delivery, Message, ServerTest, SmtpServer
from postroom.terms.outcome import TestStatus

pytestmark = pytest.mark.django_db


def test_the_first_start_configures_the_sandbox_as_default_and_queues_its_test() -> None:
    server = ensure_sandbox_server(2526)
    assert server is not None
    assert (server.is_default, server.is_sandbox, server.typed_settings.port) == (True, True, 2526)
    assert [test.server_id for test in ServerTest.objects.filter(status=TestStatus.QUEUED)] == [server.pk]


def test_later_starts_add_nothing_and_a_new_port_is_tested_again() -> None:
    first = ensure_sandbox_server(2526)
    ServerTest.objects.update(status=TestStatus.FAILED)
    again = ensure_sandbox_server(40_001)
    assert first is not None
    assert again is not None
    assert (again.pk, again.typed_settings.port, SmtpServer.objects.count()) == (first.pk, 40_001, 1)
    assert ServerTest.objects.filter(status=TestStatus.QUEUED).count() == 1


def test_a_verified_sandbox_can_be_named_while_its_new_port_is_tested() -> None:
    server = ensure_sandbox_server(2526)
    assert server is not None
    server.verified_fingerprint = server.typed_settings.fingerprint(server.secret_id)
    server.save()
    ServerTest.objects.update(status=TestStatus.PASSED)
    moved = ensure_sandbox_server(40_001)
    assert moved is not None
    moved.refresh_from_db()
    assert (moved.typed_settings.port, moved.is_verified, moved.takes_deliveries) == (40_001, True, True)
    assert ServerTest.objects.filter(status=TestStatus.QUEUED).count() == 1


def test_the_sandboxs_port_is_allowed_for_the_sandbox_alone() -> None:
    server = ensure_sandbox_server(40_001)
    assert 40_001 in configure.allowed_ports(server)
    assert 40_001 not in configure.allowed_ports(None)


def test_a_removed_sandbox_stays_removed() -> None:
    server = ensure_sandbox_server(2526)
    assert server is not None
    configure.delete_server(server, "marta@company.example")
    assert ensure_sandbox_server(2526) is None


def test_mail_that_waits_for_a_removed_sandbox_is_cancelled_and_never_leaves_for_real() -> None:
    server = ensure_sandbox_server(2526)
    assert server is not None
    now = timezone.now()
    message = Message.objects.create(
        server=server, message_id="<a@x.example>", from_header="a@x.example", content_digest="0" * 64, content_size=1,
        created_at=now, expires_at=now,
    )
    values = {"message": message, "server": server, "due_at": now, "updated_at": now}
    waiting = Delivery.objects.create(recipient="b@x.example", state="deferred", **values)
    sent = Delivery.objects.create(recipient="c@x.example", state="sent", **values)
    configure.delete_server(server, "marta@company.example")
    assert Delivery.objects.get(pk=waiting.pk).state == "cancelled"
    assert Delivery.objects.get(pk=sent.pk).state == "sent"
