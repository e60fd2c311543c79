"""DKIM keys: made sealed, switched on once they are published, and then every accepted message is signed."""

import asyncio
import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dkim  # type: ignore[import-untyped]
import pytest
from asgiref.sync import async_to_sync
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.conf import settings
from django.utils import timezone
from tests.outbox import octets_of

from postroom.diagnosis.domain import Answer, Inquiry, Outcome, Question, Subject, reading_of
from postroom.flow.acceptance.accept import Acceptor
from postroom.flow.delivery.closer_look import CloserLook
from postroom.flow.domains.check_domain import ask, store_result
from postroom.flow.domains.dkim_keys import activate_key, create_key, delete_key, own_keys, retire_key
from postroom.flow.instance.refusals import NotPossible, SettingsRefused
from postroom.flow.messages.upload import Arriving
from postroom.flow.probes.probe import _Probe
from postroom.flow.servers.configure import save_untested
from postroom.message.dkim import SigningKey
from postroom.store.blobs import Blobs
from postroom.store.models import AuditEntry, DkimKey, Message
from postroom.store.outbox import open_outbox
from postroom.store.vault import Vault
from postroom.terms.problem import Problem
from postroom.terms.server import FromPolicy, Security, ServerSettings

pytestmark = pytest.mark.django_db(transaction=True)
RELAY = ServerSettings(
    name="Relay", from_address="reports@company.example", host="smtp.company.example", port=25,
    security=Security.NONE, from_policy=FromPolicy.CLIENT,
)
RSA = generate_private_key(65_537, 2_048)
LARGE = base64.b64encode(bytes(range(256)) * 400).decode()


@pytest.fixture
def acceptor(tmp_path: Path) -> Iterator[Acceptor]:
    save_untested(
        RELAY, password=None, based_on=None, server=None, reason="test", use_unverified=True, actor="test"
    )
    outbox = open_outbox()
    yield Acceptor(outbox.queue, Blobs(tmp_path / "blobs"))
    outbox.close()


def accepted(acceptor: Acceptor, tmp_path: Path, *, small: bool = False, **body: Any) -> bytes:
    take = acceptor.accept_small if small else acceptor.accept
    done = async_to_sync(take)({"to": "ann@example.com", "subject": "Sales", "text": "Hello", **body}, None)
    return octets_of(Message.objects.get(pk=done.enqueued.id), tmp_path / "blobs")


def signers(message: bytes) -> list[str]:
    """The selectors of the signatures that verify, by an independent reader."""
    keys = {f"{key.record_name}.": key for key in DkimKey.objects.all()}
    found = []
    for index in range(message.split(b"\r\n\r\n")[0].count(b"DKIM-Signature:")):
        verifier = dkim.DKIM(message)
        assert verifier.verify(idx=index, dnsfunc=lambda name, **_: keys[name.decode()].record_value.encode())
        found.append(verifier.signature_fields[b"s"].decode())
    return found


def signing(domain: str = "company.example", algorithm: str = "rsa", selector: str = "") -> DkimKey:
    return activate_key(create_key(domain, algorithm, selector, "test"), "test", unpublished=True)


def test_without_a_key_nothing_is_signed(acceptor: Acceptor, tmp_path: Path) -> None:
    create_key("company.example", "rsa", "", "test")
    assert b"DKIM-Signature" not in accepted(acceptor, tmp_path)


@pytest.mark.parametrize("small", [True, False])
def test_a_message_is_signed_with_each_algorithm_of_its_from_domain(
    acceptor: Acceptor, tmp_path: Path, small: bool
) -> None:
    signing(selector="r")
    signing(algorithm="ed25519", selector="e")
    signing("other.example", selector="o")
    assert signers(accepted(acceptor, tmp_path, small=small)) == ["r", "e"]
    other = {"from": "Ann <ann@other.example>"}
    assert signers(accepted(acceptor, tmp_path, small=small, **other)) == ["o"]
    foreign = {"from": "Ann <ann@third.example>"}
    assert signers(accepted(acceptor, tmp_path, small=small, **foreign)) == []


def test_a_message_with_a_shared_file_is_signed_over_its_octets(acceptor: Acceptor, tmp_path: Path) -> None:
    signing(selector="r")
    files = [{"filename": "a.bin", "content_base64": LARGE}, {"filename": "b.bin", "content_base64": LARGE}]
    message = accepted(acceptor, tmp_path, attachments=files, html="<p>Hello  <b>world</b></p>")
    assert len(message) > 200_000
    assert signers(message) == ["r"]


def test_a_damaged_upload_is_refused_before_it_is_signed(acceptor: Acceptor, tmp_path: Path) -> None:
    signing(selector="r")
    with Arriving(Blobs(tmp_path / "blobs"), "local", "") as arriving:
        arriving.feed(b"x" * 100_000)
        blob = arriving.finish(timezone.now())
    [file] = [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
    file.write_bytes(b"y" * file.stat().st_size)
    with pytest.raises(Problem) as problem:
        accepted(acceptor, tmp_path, attachments=[{"filename": "a.bin", "blob": blob.pk}])
    assert [error.field for error in problem.value.errors] == ["attachments"]
    assert not Message.objects.exists()


def test_a_key_is_found_published_by_a_look_at_the_domain_and_can_then_be_switched_on() -> None:
    key = create_key("company.example", "ed25519", "", "test")
    with pytest.raises(NotPossible):
        activate_key(key, "test")
    for value in (key.record_value.replace("p=", "p=x"), "v=spf1 -all"):
        look(key, value)
        assert DkimKey.objects.get().published_at is None
    look(key, key.record_value)
    assert DkimKey.objects.get().published_at is not None
    assert activate_key(key, "test").state == DkimKey.State.SIGNING


def look(key: DkimKey, value: str) -> None:
    """A look of the engine, at a DNS that shows `value` where the key belongs."""
    shown = {Question(key.record_name, "TXT"): Answer(Outcome.FOUND, (value,))}
    subject, answers = Subject.of(key.domain, "", own_keys(key.domain)), dict[Question, Answer]()
    while True:
        inquiry = Inquiry(answers)
        reading = reading_of(subject, inquiry)
        wanted = list(inquiry.wanted())
        if not wanted:
            break
        answers |= {question: shown.get(question, Answer(Outcome.EMPTY)) for question in wanted}
    store_result(ask(key.domain, anew=True), reading)
    assert ("dkim" in reading.parts) == (value == key.record_value)


def test_a_second_key_takes_over_from_the_first_of_its_algorithm(acceptor: Acceptor, tmp_path: Path) -> None:
    first, other = signing(selector="a"), signing(algorithm="ed25519", selector="e")
    second = signing(selector="b")
    states = {key.selector: key.state for key in DkimKey.objects.all()}
    assert states == {"a": "retired", "e": "signing", "b": "signing"}
    assert signers(accepted(acceptor, tmp_path)) == ["b", "e"]
    retire_key(second, "test")
    retire_key(other, "test")
    assert signers(accepted(acceptor, tmp_path)) == []
    delete_key(first, "test")
    assert {key.selector for key in DkimKey.objects.all()} == {"b", "e"}


def test_a_key_that_signs_cannot_be_removed() -> None:
    with pytest.raises(NotPossible):
        delete_key(signing(), "test")


def test_selectors_are_made_with_the_date_and_are_free() -> None:
    made = [create_key("company.example", "ed25519", "", "test").selector for _ in range(3)]
    assert len(set(made)) == 3
    assert all(selector.startswith("postroom-20") for selector in made)


@pytest.mark.parametrize(
    ("domain", "algorithm", "selector", "field"),
    [
        ("", "rsa", "", "domain"),
        ("localhost", "rsa", "", "domain"),
        ("[192.0.2.1]", "rsa", "", "domain"),
        ("company.example", "dsa", "", "algorithm"),
        ("company.example", "rsa", "a.b", "selector"),
        ("company.example", "rsa", "-a", "selector"),
        ("company.example", "rsa", "a" * 64, "selector"),
        ("company.example", "rsa", "taken", "selector"),
    ],
)
def test_what_can_t_be_a_key_is_refused_by_field(domain: str, algorithm: str, selector: str, field: str) -> None:
    create_key("company.example", "ed25519", "taken", "test")
    with pytest.raises(SettingsRefused) as refusal:
        create_key(domain, algorithm, selector, "test")
    assert [problem.field for problem in refusal.value.problems] == [field]


def test_o2_every_step_is_audited_and_no_record_holds_the_private_key() -> None:
    key = signing()
    delete_key(retire_key(key, "test"), "test")
    entries = list(AuditEntry.objects.order_by("id"))
    assert [entry.action for entry in entries] == ["dkim.create", "dkim.activate", "dkim.retire", "dkim.delete"]
    assert {entry.subject for entry in entries} == {key.record_name}
    assert "PRIVATE" not in key.sealed_key + str([entry.changes for entry in entries])


def test_a_key_moved_to_another_domain_by_hand_does_not_open_and_mail_is_refused_rather_than_unsigned(
    acceptor: Acceptor, tmp_path: Path
) -> None:
    signing("other.example", selector="r")
    DkimKey.objects.update(domain="company.example")
    with pytest.raises(Problem) as problem:
        accepted(acceptor, tmp_path)
    assert (problem.value.status, problem.value.slug) == (503, "signing-key")
    assert not Message.objects.exists()


def test_a_missing_vault_key_is_told(acceptor: Acceptor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    signing()
    (tmp_path / "keys").mkdir()
    monkeypatch.setattr(settings, "VAULT", Vault(tmp_path / "keys"))
    with pytest.raises(Problem) as problem:
        asyncio.run(acceptor.accept({"to": "ann@example.com", "text": "Hello"}, None))
    assert "keys/" in problem.value.detail


async def test_the_mail_of_a_live_test_is_signed_as_any_other() -> None:
    server, key = RELAY.changed(test_recipient="ann@example.com"), SigningKey("company.example", "r", RSA)
    looked = _Probe(server, None, True, CloserLook(server, (), ""), None, 1.0, "en", None, {"company.example": (key,)})
    mail = looked._composed()
    public = RSA.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    record = b"v=DKIM1; k=rsa; p=" + base64.b64encode(public)
    assert dkim.verify(mail.content, dnsfunc=lambda *_, **__: record)
