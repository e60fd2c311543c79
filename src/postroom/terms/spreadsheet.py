"""Text in files that spreadsheets open (W5)."""

import re

# A spreadsheet takes text that begins so for a formula. What begins with apostrophes before it gets one more, so that
# each text comes back as it was.
_START = r"\A{guard}(?='*[=+\-@\t\r])"
# In countries that write 1,5 it divides lines at semicolons instead of commas, so that a cell may begin in the middle
# of a field. In files that are divided otherwise a comma stands in prices, and such a field is quoted instead.
_MIDDLE = r"(?<=;){guard}(?='*[\s\"]*[=+\-@])"
_FORMULA, _NEUTRAL = (re.compile(f"{_START}|{_MIDDLE}".replace("{guard}", guard)) for guard in ("", "'"))
_FORMULA_AT_START, _NEUTRAL_AT_START = (re.compile(_START.replace("{guard}", guard)) for guard in ("", "'"))


def neutral(text: str, delimiter: str = ",") -> str:
    """Text that no spreadsheet takes for a formula, nor, in a file whose lines are divided at commas, any part of it
    that it may take for a cell."""
    return (_FORMULA if delimiter == "," else _FORMULA_AT_START).sub("'", text)


def plain(text: str, delimiter: str = ",") -> str:
    """Inverse of `neutral`, for a file that comes back."""
    return (_NEUTRAL if delimiter == "," else _NEUTRAL_AT_START).sub("", text)
