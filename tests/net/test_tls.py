"""TLS of sessions: verification, chains, and what a peer says in place of it (T1, T2)."""

import datetime
import ssl

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.dialogs.player import Dialog, dialog_of, playing
from tests.net.conftest import Certificates, handshaking
from tests.net.sessions import Text, envelope, opened

from postroom.net.session import Recorder, SessionFailed
from postroom.smtp.trace import StageEnded, TlsEnded
from postroom.terms.outcome import Stage
from postroom.terms.server import Security

IMPLICIT = dialog_of("implicit", "S: 220 mx\nC: EHLO *\nS: 250 mx\nC: QUIT\nS: 221 bye")
STARTTLS = dialog_of(
    "starttls",
    "S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 STARTTLS\nC: STARTTLS\nS: 220 go\ntls\n"
    "C: EHLO *\nS: 250 mx\nC: QUIT\nS: 221 x",
)


async def tls_failure(
    played: Dialog, context: ssl.SSLContext | None, **values: object
) -> tuple[SessionFailed, TlsEnded]:
    """How a session with a server of `context` fails, and its TLS event."""
    recorder = Recorder()
    implicit = values.get("security") is Security.TLS and context is not None
    async with playing(played, context=context, implicit_tls=implicit) as server:
        with pytest.raises(SessionFailed) as failed:
            await opened(server.port, recorder, **values)
    return failed.value, tls_event(recorder)


def tls_event(recorder: Recorder) -> TlsEnded:
    (event,) = [event for event in recorder.trace.events if isinstance(event, TlsEnded)]
    return event


@pytest.mark.parametrize(("security", "played"), [(Security.TLS, IMPLICIT), (Security.STARTTLS, STARTTLS)])
async def test_t2_a_good_certificate_is_verified_and_its_chain_is_kept(
    certificates: Certificates, security: Security, played: Dialog
) -> None:
    recorder = Recorder()
    async with playing(played, context=certificates.server(), implicit_tls=security is Security.TLS) as server:
        session = await opened(server.port, recorder, security=security, ca_pem=certificates.pem)
        await session.close()
    tls = tls_event(recorder)
    assert tls.verified
    assert tls.version == "TLS 1.3"
    assert "127.0.0.1" in tls.chain[0].names
    ended = [(event.stage, event.passed) for event in recorder.trace.events if isinstance(event, StageEnded)]
    assert (Stage.STARTTLS, True) in ended
    assert (Stage.CERTIFICATE, True) in ended


@pytest.mark.parametrize(("security", "played"), [(Security.TLS, IMPLICIT), (Security.STARTTLS, STARTTLS)])
async def test_t2_an_unknown_authority_ends_the_session_and_shows_its_chain(
    certificates: Certificates, security: Security, played: Dialog
) -> None:
    failed, event = await tls_failure(played, certificates.server(), security=security)
    assert failed.stage is Stage.CERTIFICATE
    assert event.error == "certificate"
    assert event.verify_code in (18, 19, 20, 21)
    assert event.chain[0].names == ("localhost", "127.0.0.1")
    assert event.version == "TLS 1.3"
    assert not event.verified


async def test_t2_another_name_ends_the_session(certificates: Certificates) -> None:
    other = certificates.server("other.example")
    failed, event = await tls_failure(IMPLICIT, other, security=Security.TLS, ca_pem=certificates.pem)
    assert failed.stage is Stage.CERTIFICATE
    assert event.verify_code in (62, 64)
    assert event.chain[0].names == ("other.example",)
    assert event.server_name == "127.0.0.1"


async def test_t2_an_expired_certificate_ends_the_session(certificates: Certificates) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=3)
    certificates.ca.issue_cert("127.0.0.1", not_after=past).configure_cert(context)
    failed, event = await tls_failure(IMPLICIT, context, security=Security.TLS, ca_pem=certificates.pem)
    assert failed.stage is Stage.CERTIFICATE
    assert event.verify_code == 10
    assert event.chain[0].not_after < datetime.datetime.now(datetime.UTC)


async def test_an_incomplete_chain_shows_only_what_the_server_sent() -> None:
    root = trustme.CA()
    intermediate = root.create_child_ca()
    leaf = intermediate.issue_cert("127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with leaf.private_key_and_cert_chain_pem.tempfile() as everything, leaf.cert_chain_pems[0].tempfile() as alone:
        context.load_cert_chain(alone, everything)
    failed, event = await tls_failure(
        IMPLICIT, context, security=Security.TLS, ca_pem=root.cert_pem.bytes().decode()
    )
    assert failed.stage is Stage.CERTIFICATE
    assert event.verify_code in (20, 21)
    assert len(event.chain) == 1
    assert not event.chain[0].self_signed


async def test_a_key_too_weak_to_be_trusted_is_shown_all_the_same() -> None:
    ca = trustme.CA()
    key = rsa.generate_private_key(65537, 1024)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    weak = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=1))
    pem = weak.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    pem += key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with trustme.Blob(pem).tempfile() as file:
        context.load_cert_chain(file)
    failed, event = await tls_failure(
        IMPLICIT, context, security=Security.TLS, ca_pem=ca.cert_pem.bytes().decode()
    )
    assert (failed.stage, event.error) == (Stage.CERTIFICATE, "certificate"), event
    assert event.chain[0].key == "RSA 1024"


async def test_a_servers_own_certificate_can_be_trusted_alone(certificates: Certificates) -> None:
    leaf = certificates.ca.issue_cert("127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    async with playing(IMPLICIT, context=context, implicit_tls=True) as server:
        own = leaf.cert_chain_pems[0].bytes().decode()
        recorder = Recorder()
        session = await opened(server.port, recorder, security=Security.TLS, ca_pem=own)
        await session.close()
    assert tls_event(recorder).verified


async def test_t3_verification_that_is_switched_off_says_so() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("other.example").configure_cert(context)
    recorder = Recorder()
    async with playing(IMPLICIT, context=context, implicit_tls=True) as server:
        session = await opened(server.port, recorder, security=Security.TLS, verify_certificate=False)
        await session.close()
    tls = tls_event(recorder)
    assert not tls.verified
    assert tls.chain
    details = [e.detail for e in recorder.trace.events if isinstance(e, StageEnded) and e.stage is Stage.CERTIFICATE]
    assert details == ["not checked"]


@pytest.mark.parametrize(
    ("said", "first"),
    [
        ("S: 220 mx.example ESMTP\nsilence", b"220 mx.example ESMTP\r\n"),
        ("pause 0.1\nS: HTTP/1.1 400 Bad Request\ndrop", b"HTTP/1.1 400 Bad Request\r\n"),
        ("S> 22\npause 0.1\nS> 0 slow\\r\\n\nsilence", b"220 slow\r\n"),
    ],
)
async def test_plain_words_in_place_of_tls_are_kept(said: str, first: bytes) -> None:
    failed, event = await tls_failure(dialog_of("plain", said), None, security=Security.TLS)
    assert failed.stage is Stage.STARTTLS
    assert event.error == "not-tls"
    assert event.first_bytes == first


@pytest.mark.parametrize(("said", "error"), [("silence", "timeout"), ("drop", "closed"), ("pause 0.1\nreset", "reset")])
async def test_a_peer_that_says_nothing_to_a_hello_is_named(said: str, error: str) -> None:
    recorder = Recorder()
    async with playing(dialog_of("mute", said)) as server:
        with pytest.raises(SessionFailed) as failed:
            await opened(server.port, recorder, 1.0, security=Security.TLS)
    assert failed.value.stage is Stage.STARTTLS
    assert [event.error for event in recorder.trace.events if isinstance(event, TlsEnded)] == [error]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
async def test_old_tls_is_a_matter_of_its_version(certificates: Certificates) -> None:
    assert await refused_handshake(certificates.old_server(), certificates) == "protocol-version"


async def test_no_common_cipher_is_named(certificates: Certificates) -> None:
    odd = certificates.server()
    odd.maximum_version = ssl.TLSVersion.TLSv1_2
    odd.set_ciphers("AES128-SHA:@SECLEVEL=0")
    assert await refused_handshake(odd, certificates) == "no-cipher"


async def refused_handshake(context: ssl.SSLContext, certificates: Certificates) -> str:
    recorder = Recorder()
    with handshaking(context) as port, pytest.raises(SessionFailed) as failed:
        await opened(port, recorder, security=Security.TLS, ca_pem=certificates.pem)
    assert failed.value.stage is Stage.STARTTLS
    (error,) = [event.error for event in recorder.trace.events if isinstance(event, TlsEnded)]
    return error


async def test_authority_certificates_that_cannot_be_read_are_our_own_fault() -> None:
    failed, event = await tls_failure(STARTTLS, None, security=Security.STARTTLS, ca_pem="nonsense")
    assert failed.stage is Stage.STARTTLS
    assert event.error == "other"
    assert "CA certificates" in failed.reason


async def test_b4_ten_megabytes_arrive_through_tls_as_they_were(certificates: Certificates) -> None:
    played = dialog_of(
        "big",
        "S: 220 mx\nC: EHLO *\nS: 250-mx\nS: 250 PIPELINING\nC: MAIL *\nC: RCPT *\nC: DATA\n"
        "S> 250 ok\\r\\n250 ok\\r\\n354 go\\r\\nC.\nS: 250 ok\nC: QUIT\nS: 221 bye".replace("\\r\\nC.", "\\r\\n\nC."),
    )
    line = b"." + b"x" * 76 + b"\r\n"
    content = Text(line * 1000, 125)
    async with playing(played, context=certificates.server(), implicit_tls=True, limit=1 << 24) as server:
        session = await opened(server.port, Recorder(), security=Security.TLS, ca_pem=certificates.pem)
        results = await session.transact(envelope(1, content.size_bytes), content)
        await session.close()
    assert [str(result.outcome) for result in results] == ["sent"]
    (wire,) = server.contents
    assert wire.replace(b"\r\n..", b"\r\n.").removeprefix(b".") == line * 125_000 + b".\r\n"
