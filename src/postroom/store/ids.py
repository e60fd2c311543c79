"""Ids: 48 bits of milliseconds and 80 random bits in Crockford's base 32, so that later ids sort after earlier ones."""

import secrets
import threading
import time
from datetime import datetime

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_making = threading.Lock()
_last = 0


def new_id() -> str:
    """A new id of 26 characters, greater than every earlier one of this process, also within a millisecond."""
    global _last
    fresh = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    with _making:
        if fresh >> 80 <= _last >> 80:
            fresh = _last + 1 + secrets.randbits(64)
        _last = number = fresh
    return _text(number)


def id_at(at: datetime, random_bits: int = 0) -> str:
    """The id of that millisecond with these 80 bits. Without bits it sorts before every id made then or later, and
    after every id made before: the bound of a period."""
    return _text(max(0, int(at.timestamp() * 1_000)) << 80 | random_bits)


def _text(number: int) -> str:
    return "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))
