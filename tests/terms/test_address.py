"""One strict reader of addresses: what two readers could read differently is refused (P11)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.terms import address
from postroom.terms.address import AddressProblem, parse_address, parse_mailbox, parse_mailboxes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a@example.com", "a@example.com"),
        ("  a@example.com ", "a@example.com"),
        ("First.Last+tag@Example.COM", "First.Last+tag@example.com"),
        ("root@localhost", "root@localhost"),
        ("o'neil/dept=x!y@example.com", "o'neil/dept=x!y@example.com"),
        ('"john.doe"@example.com', "john.doe@example.com"),
        ('"john..doe"@example.com', '"john..doe"@example.com'),
        ("a@bücher.example", "a@xn--bcher-kva.example"),
        ("a@BÜCHER.example", "a@xn--bcher-kva.example"),
        ("a@faß.example", "a@xn--fa-hia.example"),
        ("a@xn--bcher-kva.example", "a@xn--bcher-kva.example"),
        ("jürgen@example.com", "jürgen@example.com"),
        ("ju\u0308rgen@example.com", "jürgen@example.com"),
        ("a@[192.0.2.1]", "a@[192.0.2.1]"),
        ("a@[ipv6:2001:DB8::1]", "a@[IPv6:2001:db8::1]"),
    ],
)
def test_an_address_has_one_form(text: str, expected: str) -> None:
    assert str(parse_address(text)) == expected
    assert str(parse_address(expected)) == expected


_OF_ADDRESSES = st.text(st.sampled_from("aB7.-_+@=?x n"), max_size=12)


@given(_OF_ADDRESSES, _OF_ADDRESSES, st.sampled_from(["", ".com", ".example", ".7", ".c0m", ".xn--p1ai", "-.org"]))
def test_what_is_read_quickly_reads_as_it_would_slowly(local_part: str, domain: str, end: str) -> None:
    text = f"{local_part}@{domain}{end}"
    quick = _read(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(address, "_PLAIN", re.compile(r"(?!)"))
        assert quick == _read(text)


def _read(text: str) -> str:
    try:
        return str(parse_address(text))
    except AddressProblem as problem:
        return f"refused: {problem}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "@example.com",
        "a@",
        "a@b@example.com",
        '"a@b"@example.com',
        '"a b"@example.com',
        '"a\\"b"@example.com',
        "a(comment)@example.com",
        "a@example.com(comment)",
        "a @example.com",
        "a@ example.com",
        "a@exam ple.com",
        ".a@example.com",
        "a.@example.com",
        "a..b@example.com",
        "a,b@example.com",
        "a;b@example.com",
        "a:b@example.com",
        "<a@example.com>",
        "<@relay:a@example.com>",
        "@relay:a@example.com",
        "group:a@example.com;",
        "=?utf-8?q?a=40b?=@example.com",
        "a@=?utf-8?q?example?=.com",
        "a@example.com.",
        "a@.example.com",
        "a@example..com",
        "a@-example.com",
        "a@example-.com",
        "a@exam_ple.com",
        "a@ｅxample.com",
        "a@example。com",
        "a@xn--zzzzzz.com",
        "a@192.0.2.1",
        "a@[192.0.2.256]",
        "a@[fe80::1]",
        "a@[IPv6:fe80::1%eth0]",
        "a@[192.0.2.1",
        "a@example.com\r\nRCPT TO:<b@x>",
        "a\0@example.com",
        "a\u202e@example.com",
        "a\u200b@example.com",
        "a\u00a0b@example.com",
        "a@exam\u00adple.com",
        "a" * 65 + "@example.com",
        "a@" + "b" * 64 + ".com",
        "a@" + "b." * 126 + "com",
        "é" * 33 + "@example.com",
        "a" * 64 + "@" + ("b" * 60 + ".") * 3 + "example",
    ],
)
def test_an_address_that_could_be_read_two_ways_is_refused(text: str) -> None:
    with pytest.raises(AddressProblem) as problem:
        parse_address(text)
    assert problem.value.text
    assert problem.value.remedy
    assert str(problem.value).isprintable()


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("Ann Lee <ann@example.com>", "Ann Lee", "ann@example.com"),
        ('"Lee, Ann" <ann@example.com>', "Lee, Ann", "ann@example.com"),
        ('"An \\"A\\" Lee" <ann@example.com>', 'An "A" Lee', "ann@example.com"),
        ("<ann@example.com>", "", "ann@example.com"),
        ("José Núñez <j@example.com>", "José Núñez", "j@example.com"),
        ("👩\u200d🔬 Lab <lab@example.com>", "👩\u200d🔬 Lab", "lab@example.com"),
    ],
)
def test_a_mailbox_is_a_name_and_an_address(text: str, name: str, address: str) -> None:
    mailbox = parse_mailbox(text)
    assert (mailbox.name, str(mailbox.address)) == (name, address)


@pytest.mark.parametrize(
    "text",
    [
        "Ann, Lee <ann@example.com>",
        "Ann <a@example.com> <b@example.com>",
        "Ann (x) <ann@example.com>",
        "ann@example.com>",
        "b@example.com <ann@example.com>",
        '"Ann <ann@example.com>',
        '"Ann" Lee" <ann@example.com>',
        "Ann <ann@example.com> x",
        "=?utf-8?q?Ann?= <ann@example.com>",
        "Ann\r\nBcc: x <ann@example.com>",
        "A\u202enn <ann@example.com>",
        "x" * 201 + " <a@b.c>",
    ],
)
def test_a_mailbox_that_could_be_read_two_ways_is_refused(text: str) -> None:
    with pytest.raises(AddressProblem):
        parse_mailbox(text)


def test_commas_separate_mailboxes_but_not_inside_quotation_marks() -> None:
    mailboxes = parse_mailboxes('"Lee, Ann" <ann@example.com>, bob@example.com')
    assert [str(m.address) for m in mailboxes] == ["ann@example.com", "bob@example.com"]
    with pytest.raises(AddressProblem):
        parse_mailboxes("a@example.com,,b@example.com")


@given(st.text(max_size=200))
def test_any_text_is_an_address_or_a_problem(text: str) -> None:
    try:
        address = parse_address(text)
    except AddressProblem:
        return
    assert parse_address(str(address)) == address
    assert address.domain.isascii()


@given(st.text('a@b.c<>", \\()', max_size=60))
def test_any_mailbox_rereads_in_the_same_way_or_is_refused(text: str) -> None:
    try:
        mailbox = parse_mailbox(text)
    except AddressProblem:
        return
    assert str(mailbox.address).count("@") == 1
    assert parse_mailbox(f"<{mailbox.address}>").address == mailbox.address
