"""Which hosts the pages and the API answer to.

Any name can be pointed at any address: a page elsewhere whose name leads here would reach the pages with the rights of
a browser on this machine (DNS rebinding), and links made of a forged Host would lead away.
"""

from postroom.terms.host_name import host_reading

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


def allowed_hosts(public_url: str) -> list[str]:
    """The hosts of a request's Host field that are served: that of POSTROOM_URL, and this machine's own names."""
    host = host_reading(public_url).host
    return [f"[{host}]" if ":" in host else host.lower(), *LOOPBACK]
