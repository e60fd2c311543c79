"""Names to addresses, and the kinds of "no"."""

import socket
import threading
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.resolver
import pytest

from postroom.net import resolve as resolving
from postroom.net.recorder import Recorder
from postroom.net.resolve import canonical_host, resolve


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("Mail.Example.COM.", "mail.example.com"),
        ("[::1]", "::1"),
        ("[IPv6:2001:db8::1]", "2001:db8::1"),
        ("192.0.2.1", "192.0.2.1"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("my_host", "my_host"),
    ],
)
def test_hosts_are_read_as_names_or_addresses(host: str, name: str) -> None:
    assert canonical_host(host) == name


@pytest.mark.parametrize(
    "host", ["", "smtp://x", "a b", "a:25", "-a.example", "a..b", "x" * 64, ".", "a/b", "fe80::1%e%", "a\r\nb", "a\0b"]
)
async def test_what_is_no_host_is_invalid_and_never_asked(host: str) -> None:
    event = await resolve(host, Recorder(), 1.0)
    assert event.error == "invalid"


async def test_addresses_resolve_to_themselves() -> None:
    assert (await resolve("127.0.0.1", Recorder(), 1.0)).addresses == ("127.0.0.1",)
    assert (await resolve("[::1]", Recorder(), 1.0)).addresses == ("::1",)


def test_families_take_turns_and_the_systems_first_stays_first() -> None:
    found = ["2001:db8::1", "2001:db8::2", "192.0.2.1", "192.0.2.1", "2001:db8::3"]
    assert resolving._taking_turns(found) == ("2001:db8::1", "192.0.2.1", "2001:db8::2", "2001:db8::3")
    assert len(resolving._taking_turns([f"192.0.2.{n}" for n in range(200)])) == resolving.ADDRESSES


def dns_answers(monkeypatch: pytest.MonkeyPatch, system: int, answer: Exception | None) -> None:
    """The edge of the world: getaddrinfo fails with `system`, the DNS with `answer`."""

    def getaddrinfo(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(system, "no")

    async def asked(self: object, *_: Any, **__: Any) -> Any:  # noqa: ARG001
        if answer is not None:
            raise answer
        return ()

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(dns.asyncresolver.Resolver, "resolve", asked)
    monkeypatch.setattr(dns.asyncresolver.Resolver, "__init__", lambda _: None)


@pytest.mark.parametrize(
    ("system", "answer", "error"),
    [
        (socket.EAI_NONAME, dns.resolver.NXDOMAIN(), "nxdomain"),
        (socket.EAI_NONAME, dns.resolver.NoAnswer(response=dns.message.make_response(dns.message.make_query("a", "A"))),
         "no-address"),
        (socket.EAI_NONAME, dns.resolver.NoNameservers(), "temporary"),
        (socket.EAI_NONAME, dns.exception.Timeout(), "nxdomain"),
        (socket.EAI_NONAME, None, "no-address"),
        (socket.EAI_AGAIN, None, "temporary"),
    ],
)
async def test_each_no_has_its_kind(
    monkeypatch: pytest.MonkeyPatch, system: int, answer: Exception | None, error: str
) -> None:
    dns_answers(monkeypatch, system, answer)
    recorder = Recorder()
    event = await resolve("mail.example", recorder, 1.0)
    assert event.error == error
    assert recorder.trace.events == [event]


async def test_a_name_service_that_hangs_is_temporary(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: released.wait(5))
    event = await resolve("mail.example", Recorder(), 0.1)
    released.set()
    assert event.error == "temporary"


async def test_no_mail_exchangers_where_the_dns_knows_none(monkeypatch: pytest.MonkeyPatch) -> None:
    dns_answers(monkeypatch, socket.EAI_NONAME, dns.resolver.NXDOMAIN())
    assert await resolving.mail_exchangers("nowhere.example") == ()
    assert await resolving.mail_exchangers("not a domain") == ()
