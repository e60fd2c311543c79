"""The same failure in a delivery gives the finding that a test gives, over every case that a delivery can meet."""

import asyncio
import re
from datetime import UTC, datetime

import pytest
from django.conf import settings as instance
from tests.engine.conftest import Outbox
from tests.engine.running import Running
from tests.outbox import add_server, new_message

from postroom.flow.delivery.deliver import Courier
from postroom.message.test_mail import compose_test_mail
from postroom.net.session import Deadlines
from postroom.policy.ports import Ports
from postroom.store.content import FrozenContent
from postroom.store.models import Delivery, Message, SmtpServer
from postroom.terms.finding import Finding

from .case import Case, cases
from .certificates import Certificates
from .judging import AT_ONCE, CONNECT_S, GREETING_S, SESSION_S, Verdict
from .serving import named, served, zone_of

# A message whose connection was lost after the final dot is uncertain, and tried again.
DEADLINES = Deadlines(
    connect_s=CONNECT_S, greeting_s=GREETING_S, command_s=SESSION_S, data_s=SESSION_S, block_s=SESSION_S,
    final_dot_s=SESSION_S, tls_s=SESSION_S,
)
TRIED = {"sent", "deferred", "failed", "uncertain", "held"}


async def _submitted(outbox: Outbox, case: Case, port: int, ca_pem: str) -> str:
    """The delivery's id of a test mail that only the case's server may carry."""
    chosen = case.settings(port, ca_pem)
    sealed = instance.VAULT.seal(case.password, chosen.destination.canonical()) if case.password else ""
    server_id = await asyncio.to_thread(
        add_server, outbox.database, chosen, sealed_password=sealed, name=case.name, is_default=False
    )
    mail = compose_test_mail(chosen, message_id=f"<{case.name}@norrvik.example>", date=datetime.now(UTC))
    message = new_message(
        server_id, *mail.recipients, now=datetime.now(UTC), content=FrozenContent((mail.content,)),
        message_id=f"<{case.name}@norrvik.example>", reverse_path=mail.from_address,
        needs_8bit=mail.needs_8bit, needs_smtputf8=mail.needs_smtputf8, pinned=True,
    )
    return (await outbox.queue.enqueue(message)).id


async def _delivered(outbox: Outbox, case: Case, certificates: Certificates, turns: asyncio.Semaphore) -> Delivery:
    async with turns, served(case, certificates) as server, asyncio.timeout(60):
        message_id = await _submitted(outbox, case, server.port, certificates.pem)
        while (delivery := await Delivery.objects.aget(message_id=message_id)).state not in TRIED:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        # An engine compares each server that fails with all others: with 140 of them it would do little else.
        await Message.objects.filter(id=message_id).adelete()
        await SmtpServer.objects.filter(name=case.name).adelete()
        return delivery


async def test_a_delivery_finds_what_a_test_found(
    verdicts: dict[str, Verdict], outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instance, "SMTP_PORTS", Ports.parse("10000-65535"))  # as in judging: not the machine's own mail
    chosen = [case for case in cases() if case.value("delivery") != "no" and case.value("send") != "no"]
    outbox.courier = Courier(
        outbox.queue, outbox.blobs, outbox.log, outbox.settler, default_ehlo_name="client.example", deadlines=DEADLINES
    )
    certificates, turns, running = Certificates(), asyncio.Semaphore(AT_ONCE), Running(outbox)
    await running.start()
    try:
        async with named(zone_of(chosen)):
            delivered = await asyncio.gather(*(_delivered(outbox, case, certificates, turns) for case in chosen))
    finally:
        await running.stop()
    pairs = [(_told(verdicts[case.name].finding), _stored(row)) for case, row in zip(chosen, delivered, strict=True)]
    assert [pair for pair in pairs if pair[0] != pair[1]] == []


def _told(finding: Finding | None) -> dict[str, object]:
    return _stored_fields(finding.as_json()) if finding else {}


def _stored(row: Delivery) -> dict[str, object]:
    return _stored_fields(row.finding) if row.finding else {}


def _stored_fields(finding: dict[str, object]) -> dict[str, object]:
    """What a person and a script go by; each serving of a case has a port of its own."""
    fields = ("cause", "confidence", "title", "explanation", "fix", "field", "retry")
    return {name: re.sub(r"\bport \d{5}\b", "port N", str(finding[name])) for name in fields}
