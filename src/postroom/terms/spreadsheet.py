"""Text in files that spreadsheets open (W5)."""

import re

# A spreadsheet takes text that begins so for a formula. In countries that write 1,5 it divides lines at semicolons
# instead of commas, so that a cell may begin in the middle of a field.
_FORMULA = re.compile(r"\A(?=[=+\-@\t\r])|(?<=;)(?=[\s\"]*[=+\-@])")
_NEUTRAL = re.compile(r"(?:\A|(?<=;))'(?=[\s\"]*[=+\-@\t\r])")


def neutral(text: str) -> str:
    """Text that no spreadsheet takes for a formula, nor any part of it that it may take for a cell."""
    return _FORMULA.sub("'", text)


def plain(text: str) -> str:
    """Inverse of `neutral`, for a file that comes back."""
    return _NEUTRAL.sub("", text)
