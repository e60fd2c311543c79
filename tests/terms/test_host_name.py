"""What an administrator types as Host Name is understood, or refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.terms.host_name import HostReading, host_reading


@pytest.mark.parametrize(
    ("typed", "host", "port", "flaw"),
    [
        ("smtp.company.example", "smtp.company.example", None, ""),
        ("192.0.2.7", "192.0.2.7", None, ""),
        ("2001:DB8::25", "2001:db8::25", None, ""),
        ("relay", "relay", None, ""),
        ("bücher.example", "xn--bcher-kva.example", None, ""),
        ("_smtp.company.example", "_smtp.company.example", None, ""),
        ("", "", None, "empty"),
        ("   ", "", None, "empty"),
        (" smtp.company.example ", "smtp.company.example", None, "space"),
        ("smtp .company.example", "smtp.company.example", None, "space"),
        ("smtp://smtp.company.example", "smtp.company.example", None, "scheme"),
        ("smtps://user@smtp.company.example:465/path?q#f", "smtp.company.example", 465, "scheme"),
        ("smtp.company.example:587", "smtp.company.example", 587, "port"),
        ("[2001:db8::25]:25", "2001:db8::25", 25, "port"),
        ("[2001:db8::25]", "2001:db8::25", None, "brackets"),
        ("[IPv6:2001:db8::25]", "2001:db8::25", None, "brackets"),
        ("straße.example", "xn--strae-oqa.example", None, ""),
        ("smtp.company.example/", "smtp.company.example", None, "path"),
        ("reports@company.example", "company.example", None, "user"),
        ("smtp.company.example.", "smtp.company.example", None, "trailing-dot"),
        ("fe80::1%eth0", "", None, "zone"),
        ("192.0.2.999", "", None, "invalid"),
        ("smtp..example", "", None, "invalid"),
        ("-smtp.example", "", None, "invalid"),
        ("smtp,example", "", None, "invalid"),
        ("a" * 64 + ".example", "", None, "invalid"),
    ],
)
def test_a_typed_host_is_read_as_it_was_meant(typed: str, host: str, port: int | None, flaw: str) -> None:
    assert host_reading(typed) == HostReading(host, port, flaw)


@given(st.text(max_size=300))
def test_any_text_has_a_reading_and_a_read_host_reads_as_itself(typed: str) -> None:
    reading = host_reading(typed)
    if reading.host:
        assert host_reading(reading.host) == HostReading(reading.host)
