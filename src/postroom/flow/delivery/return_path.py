"""The return path of a delivery: where the server has a bounce address, one for each recipient, so that whatever comes
back tells which delivery it is about (variable envelope return path)."""

from postroom.store.signed_id import BOUNCE_TOKENS
from postroom.terms.server import ServerSettings


def is_per_recipient(settings: ServerSettings) -> bool:
    """Whether each recipient needs a transaction of its own."""
    return bool(settings.bounce_address)


def reverse_path_of(settings: ServerSettings, reverse_path: str, delivery_id: str) -> str:
    """`bounces@example.com` with the delivery's token: `bounces+TOKEN@example.com`; `reverse_path` itself where the
    server has no bounce address, and for the null reverse-path, to which nothing may come back (RFC 5321 4.5.5)."""
    if not settings.bounce_address or not reverse_path:
        return reverse_path
    local_part, _, domain = settings.bounce_address.rpartition("@")
    return f"{local_part}+{BOUNCE_TOKENS.token(delivery_id)}@{domain}"


def delivery_in(address: str) -> str | None:
    """The id of the delivery whose return path `address` is; None for any other address."""
    local_part, _, _ = address.rpartition("@")
    _, plus, token = local_part.rpartition("+")
    return BOUNCE_TOKENS.id_of(token) if plus else None
