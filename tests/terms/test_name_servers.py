"""DNS servers as an operator writes them."""

import pytest

from postroom.terms.name_servers import name_servers


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("", []), (" , ", []), ("9.9.9.9", [("9.9.9.9", 53)]), ("127.0.0.1:5399", [("127.0.0.1", 5399)]),
        ("9.9.9.9, 2620:fe::fe", [("9.9.9.9", 53), ("2620:fe::fe", 53)]),
        ("[2620:fe::fe]:5353", [("2620:fe::fe", 5353)]),
    ],
)
def test_addresses_with_or_without_a_port(text: str, servers: list[tuple[str, int]]) -> None:
    assert list(name_servers(text)) == servers


@pytest.mark.parametrize("text", ["dns.example", "9.9.9", "9.9.9.9:0", "9.9.9.9:70000", "[9.9.9.9", "a", "https://9.9.9.9"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        name_servers(text)
