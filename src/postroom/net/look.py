"""Short looks at an address, for diagnosis and evidence: bounded in time and octets, and without any credential.

Nothing here sends more than a greeting's worth: no AUTH, no MAIL. Certificates are not verified, since nothing is
entrusted to the connection.
"""

import asyncio
import ssl
from dataclasses import replace

from postroom.policy.egress import may_dial
from postroom.smtp import command
from postroom.smtp.trace import NameResolved, TlsEnded
from postroom.terms.server import Security, ServerSettings

from .connection import Connection
from .dial import connected
from .failure import WireFault
from .recorder import Recorder
from .resolve import mail_exchangers, resolve
from .tls import looking_context, oldest_context

__all__ = [
    "chain_after_failure", "first_words", "first_words_over_tls", "mail_exchangers",
    "oldest_tls", "resolves", "tls_hello",
]

# Where no name is given. Servers that check it refuse it, so sessions give theirs.
_EHLO_NAME = "localhost.localdomain"


async def resolves(name: str, timeout_s: float = 5.0) -> NameResolved:
    """What the resolver says of a name."""
    return await resolve(name, Recorder(), timeout_s)


async def first_words(address: str, port: int, timeout_s: float = 5.0, send: bytes = b"") -> bytes:
    """The first octets a peer says (at most 512) after `send`; empty when it is silent or not there.

    Ends at the first line end or at `timeout_s`.
    """
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + timeout_s
    connection = await _reached(address, port, timeout_s)
    if connection is None:
        return b""
    try:
        return await connection.raw_words(send, ends_at)
    finally:
        connection.abort()


async def first_words_over_tls(
    address: str, port: int, server_name: str, timeout_s: float = 5.0, send: bytes = b""
) -> bytes:
    """The first octets (at most 512) of a peer after `send` inside TLS; empty when it is silent or has no TLS."""
    if not may_dial(address):
        return b""
    try:
        async with asyncio.timeout(timeout_s):
            context = looking_context()
            reader, writer = await asyncio.open_connection(address, port, ssl=context, server_hostname=server_name)
            try:
                writer.write(send)
                return await reader.read(512)
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError):
        return b""


async def tls_hello(
    address: str, port: int, server_name: str, timeout_s: float = 5.0, *, starttls: bool = False,
    ehlo_name: str = _EHLO_NAME,
) -> TlsEnded:
    """A handshake without verification, closed right after; with `starttls` after greeting, EHLO and STARTTLS."""
    return await _hello(address, port, server_name, timeout_s, looking_context(), ehlo_name if starttls else "")


async def oldest_tls(
    address: str, port: int, server_name: str = "", timeout_s: float = 5.0, *, starttls: bool = False,
    ehlo_name: str = _EHLO_NAME,
) -> TlsEnded:
    """A handshake that permits TLS 1.0 and 1.1 and weak ciphers, only to read what the server speaks."""
    return await _hello(address, port, server_name, timeout_s, oldest_context(), ehlo_name if starttls else "")


async def chain_after_failure(
    failed: TlsEnded, address: str, settings: ServerSettings, timeout_s: float, ehlo_name: str
) -> TlsEnded:
    """The failed handshake with what it hides: version, cipher and the chain, from a second connection that sends
    nothing after its handshake. Unchanged when the server shows nothing any more."""
    starttls = settings.security is Security.STARTTLS
    shown = await tls_hello(
        address, settings.port, failed.server_name, timeout_s, starttls=starttls, ehlo_name=ehlo_name
    )
    if shown.error:
        return failed
    return replace(failed, version=shown.version, cipher=shown.cipher, chain=shown.chain)


async def _hello(
    address: str, port: int, server_name: str, timeout_s: float, context: ssl.SSLContext, ehlo_name: str
) -> TlsEnded:
    """A handshake, after STARTTLS where there is an `ehlo_name`."""
    ends_at = asyncio.get_running_loop().time() + timeout_s
    connection = await _reached(address, port, timeout_s)
    if connection is None:
        return TlsEnded(0, error="closed", error_text="no connection", server_name=server_name)
    try:
        if ehlo_name:
            await _up_to_tls(connection, ehlo_name, ends_at)
        return await connection.start_tls(context, server_name, 0, ends_at)
    except WireFault as fault:
        kind = fault.kind if fault.kind in ("closed", "reset", "timeout") else "other"
        return TlsEnded(0, error=kind, error_text=fault.text, server_name=server_name)
    except TimeoutError:
        return TlsEnded(0, error="timeout", error_text="no reply in time", server_name=server_name)
    finally:
        connection.close()


async def _up_to_tls(connection: Connection, ehlo_name: str, ends_at: float) -> None:
    """Greeting, EHLO, STARTTLS. Raises WireFault, TimeoutError."""
    connection.listen()
    reply = await connection.reply(ends_at)
    for line in (command.ehlo(ehlo_name), command.STARTTLS):
        if not reply.is_positive:
            raise WireFault("malformed", f"refused with {reply.code}")
        connection.send(line, 1)
        reply = await connection.reply(ends_at)
    if not reply.is_positive:
        raise WireFault("malformed", f"STARTTLS refused with {reply.code}")
    if not connection.is_quiet:
        raise WireFault("injection", "octets in clear after the reply to STARTTLS")


async def _reached(address: str, port: int, timeout_s: float) -> Connection | None:
    if not may_dial(address):
        return None
    try:
        async with asyncio.timeout(timeout_s):
            connection, _ = await connected(address, port)
    except (OSError, TimeoutError):
        return None
    return connection
