"""A bare number in a template mostly stands in an attribute (a bar's width), where a comma would break it.

For people `words.number` writes numbers.
"""

DECIMAL_SEPARATOR = "."
