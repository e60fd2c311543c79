"""Text in files that spreadsheets open (W5)."""

import re

# A spreadsheet takes text that begins so for a formula. In countries that write 1,5 it divides lines at semicolons
# instead of commas, so that a cell may begin in the middle of a field.
_FORMULA = re.compile(r"\A(?=[=+\-@\t\r])|(?<=;)(?=[\s\"]*[=+\-@])")
_FORMULA_IN_OTHERS = re.compile(r"\A(?=[=+\-@\t\r])|(?<=[;,])(?=[\s\"]*[=+\-@])")
_NEUTRAL = re.compile(r"(?:\A|(?<=;))'(?=[\s\"]*[=+\-@\t\r])")


def neutral(text: str, delimiter: str = ",") -> str:
    """Text that no spreadsheet takes for a formula, nor any part of it that it may take for a cell, in a file whose
    lines are divided so. One that is divided otherwise than at commas may be divided there all the same."""
    return (_FORMULA if delimiter == "," else _FORMULA_IN_OTHERS).sub("'", text)


def plain(text: str) -> str:
    """Inverse of `neutral`, for a file that comes back."""
    return _NEUTRAL.sub("", text)
