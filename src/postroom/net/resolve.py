"""Names to addresses with the system's resolver, and what the DNS says where that one only says "no"."""

import asyncio
import socket

import dns.asyncresolver
import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver

from postroom.smtp.trace import NameResolved
from postroom.terms.host_name import host_reading

from .recorder import Recorder

# No RFC figure: how many addresses of one name are tried, and how long the DNS is asked for the reason of a "no".
ADDRESSES = 16
REASON_TIMEOUT_S = 3.0
_HARMLESS_FLAWS = ("", "brackets", "trailing-dot")


def canonical_host(host: str) -> str:
    """A host name in lower case as A-labels, or an address without brackets. Raises ValueError for anything else."""
    reading = host_reading(host)
    if reading.flaw not in _HARMLESS_FLAWS:
        raise ValueError("not a host name")
    return reading.host.lower()


async def resolve(host: str, recorder: Recorder, timeout_s: float) -> NameResolved:
    """Adds and returns NameResolved: addresses with the families taking turns (RFC 8305 section 4), or an error."""
    try:
        name = canonical_host(host)
    except ValueError:
        return _ended(recorder, host, (), "invalid", "this is not a host name")
    try:
        async with asyncio.timeout(timeout_s):
            found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except TimeoutError:
        text = f"the name service did not answer within {round(timeout_s, 1):g} s"
        return _ended(recorder, host, (), "temporary", text)
    except socket.gaierror as error:
        kind = await _reason(name, error)
        return _ended(recorder, host, (), kind, error.strerror or str(error))
    except (OSError, UnicodeError) as error:
        return _ended(recorder, host, (), "temporary", str(error))
    addresses = _taking_turns([str(item[4][0]) for item in found])
    if not addresses:
        return _ended(recorder, host, (), "no-address", "the name has no address")
    return _ended(recorder, host, addresses, "", "")


def _ended(recorder: Recorder, host: str, addresses: tuple[str, ...], error: str, text: str) -> NameResolved:
    event = NameResolved(recorder.now_s(), host, addresses, error, text)
    recorder.add(event)
    return event


def _taking_turns(addresses: list[str]) -> tuple[str, ...]:
    """IPv6 and IPv4 in turn, each in the system's order (RFC 6724), the family of the first one first."""
    unique = list(dict.fromkeys(addresses))[:ADDRESSES]
    sixes, fours = [a for a in unique if ":" in a], [a for a in unique if ":" not in a]
    first, second = (sixes, fours) if unique and ":" in unique[0] else (fours, sixes)
    turns = [address for pair in zip(first, second, strict=False) for address in pair]
    shorter = min(len(first), len(second))
    return tuple(turns + first[shorter:] + second[shorter:])


async def _reason(name: str, error: socket.gaierror) -> str:
    """nxdomain, no-address or temporary: the DNS is asked, since getaddrinfo tells them apart on few systems."""
    if error.errno == socket.EAI_AGAIN:
        return "temporary"
    try:
        await _answer(name, dns.rdatatype.A)
    except dns.resolver.NXDOMAIN:
        return "nxdomain"
    except dns.resolver.NoAnswer:
        return "no-address"
    except (dns.resolver.NoResolverConfiguration, dns.exception.Timeout, OSError):
        return "nxdomain"  # all we know is that the system has no such name
    except dns.exception.DNSException:
        return "temporary"
    return "no-address"


async def _answer(name: str, kind: dns.rdatatype.RdataType) -> dns.resolver.Answer:
    resolver = dns.asyncresolver.Resolver()
    resolver.lifetime = REASON_TIMEOUT_S
    return await resolver.resolve(dns.name.from_text(name), kind, search=False)


async def mail_exchangers(domain: str) -> tuple[str, ...]:
    """Hosts of the domain's MX records, most preferred first; empty when there are none, or none were to be had."""
    try:
        answer = await _answer(canonical_host(domain), dns.rdatatype.MX)
    except (dns.exception.DNSException, OSError, ValueError):
        return ()
    records = sorted((record.preference, str(record.exchange).removesuffix(".")) for record in answer)
    return tuple(host for _, host in records[:ADDRESSES] if host)
