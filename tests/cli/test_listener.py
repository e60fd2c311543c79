"""The listening socket, and why it can't be had."""

import pytest

from postroom.cli.listener import ListenRefused, listening_socket, port_of


def test_port_0_is_a_free_port_of_loopback() -> None:
    with listening_socket("127.0.0.1", 0) as listener:
        assert port_of(listener) > 1023
        assert listener.getsockname()[0] == "127.0.0.1"


def test_a_port_in_use_is_refused_with_what_to_do() -> None:
    with listening_socket("localhost", 0) as first, pytest.raises(ListenRefused, match="in use") as refused:
        listening_socket("127.0.0.1", port_of(first))
    assert "--port" in refused.value.hint


@pytest.mark.parametrize("host", ["mail.example.org", "", "256.1.1.1", "192.0.2.1"])
def test_an_address_that_is_not_this_machine_s_is_refused(host: str) -> None:
    with pytest.raises(ListenRefused, match="not an address of this machine") as refused:
        listening_socket(host, 0)
    assert "127.0.0.1" in refused.value.hint
