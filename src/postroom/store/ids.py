"""Ids: 48 bits of milliseconds and 80 random bits in Crockford's base 32, so that later ids sort after earlier ones."""

import secrets
import threading
import time
from datetime import datetime

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]
_RANDOM_BYTES = 10
_DRAWN_BYTES = 400 * _RANDOM_BYTES
_making = threading.Lock()
_last = 0
# Drawn for many ids together: each draw lets other threads in, which costs more than everything else here.
_drawn, _used = b"", _DRAWN_BYTES


def new_id() -> str:
    """A new id of 26 characters, greater than every earlier one of this process, also within a millisecond."""
    global _last, _drawn, _used
    with _making:
        if _used >= _DRAWN_BYTES:
            _drawn, _used = secrets.token_bytes(_DRAWN_BYTES), 0
        fresh = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(_drawn[_used : _used + _RANDOM_BYTES])
        _used += _RANDOM_BYTES
        if fresh >> 80 <= _last >> 80:
            fresh = _last + 1 + (fresh & 0xFFFF_FFFF_FFFF_FFFF)
        _last = number = fresh
    return _text(number)


def id_at(at: datetime, random_bits: int = 0) -> str:
    """The id of that millisecond with these 80 bits. Without bits it sorts before every id made then or later, and
    after every id made before: the bound of a period."""
    return _text(max(0, int(at.timestamp() * 1_000)) << 80 | random_bits)


def _text(number: int) -> str:
    return "".join([_PAIRS[(number >> shift) & 1023] for shift in range(120, -1, -10)])
