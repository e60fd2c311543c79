"""Ids: 48 bits of milliseconds and 80 random bits in Crockford's base 32, so that later ids sort after earlier ones."""

import secrets
import threading
import time
from datetime import datetime

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [high + low for high in _ALPHABET for low in _ALPHABET]
# Each octet as one character: 256 is a multiple of 32, so that all characters are as likely.
_CHARACTERS = _ALPHABET.encode() * 8
_HIGH_BYTES, _LOW_CHARACTERS = 5, 8
_DRAWN_BYTES = 400 * (_HIGH_BYTES + _LOW_CHARACTERS)
_making = threading.Lock()
_last_ms, _last_text = 0, ""
# The upper half of the random bits of the last id: random for the first id of a millisecond, then one more for each.
_high = 0
# Drawn for many ids together: each draw lets other threads in, which costs more than everything else here.
_drawn, _drawn_text, _used = b"", "", _DRAWN_BYTES


def new_id() -> str:
    """A new id of 26 characters, greater than every earlier one of this process, also within a millisecond."""
    global _last_ms, _last_text, _high, _drawn, _drawn_text, _used
    with _making:
        if _used >= _DRAWN_BYTES:
            _drawn, _used = secrets.token_bytes(_DRAWN_BYTES), 0
            _drawn_text = _drawn.translate(_CHARACTERS).decode("ascii")
        now_ms = time.time_ns() // 1_000_000
        if now_ms > _last_ms:
            _last_ms, _last_text = now_ms, _text(now_ms << 80)[:10]
            # Without its topmost bit, so that no millisecond is long enough to count it over.
            _high = int.from_bytes(_drawn[_used:_used + _HIGH_BYTES]) >> 1
        _high = high = _high + 1
        start = _used + _HIGH_BYTES
        _used = end = start + _LOW_CHARACTERS
        low, first = _drawn_text[start:end], _last_text
    pairs = _PAIRS
    return f"{first}{pairs[high >> 30]}{pairs[high >> 20 & 1023]}{pairs[high >> 10 & 1023]}{pairs[high & 1023]}{low}"


def id_at(at: datetime, random_bits: int = 0) -> str:
    """The id of that millisecond with these 80 bits. Without bits it sorts before every id made then or later, and
    after every id made before: the bound of a period."""
    return _text(max(0, int(at.timestamp() * 1_000)) << 80 | random_bits)


def _text(number: int) -> str:
    return "".join([_PAIRS[(number >> shift) & 1023] for shift in range(120, -1, -10)])
