"""How we introduce ourselves where a server has no EHLO name of its own set."""

import platform


def own_name() -> str:
    """This machine's name (RFC 5321 section 4.1.1.1), or "localhost" when it could not stand in a command."""
    name = platform.node()
    return name if name.isascii() and name.replace("-", "").replace(".", "").isalnum() else "localhost"
