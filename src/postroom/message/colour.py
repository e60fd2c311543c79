"""Colours of mail as numbers, and how well one is read on another (WCAG 2.2, 1.4.3)."""

import re

_HEX = re.compile(r"#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})")
_RGB = re.compile(r"rgba?\(\s*(\d{1,3})[\s,]+(\d{1,3})[\s,]+(\d{1,3})(?:[\s,/]+1(?:\.0)?)?\s*\)")
_NAMES = {
    "black": "#000", "white": "#fff", "gray": "#808080", "grey": "#808080", "silver": "#c0c0c0", "red": "#f00",
    "maroon": "#800000", "yellow": "#ff0", "olive": "#808000", "lime": "#0f0", "green": "#008000", "aqua": "#0ff",
    "teal": "#008080", "blue": "#00f", "navy": "#000080", "fuchsia": "#f0f", "purple": "#800080", "orange": "#ffa500",
    "lightgray": "#d3d3d3", "lightgrey": "#d3d3d3", "darkgray": "#a9a9a9", "darkgrey": "#a9a9a9",
}
Colour = tuple[int, int, int]


def colour(text: str) -> Colour | None:
    """Red, green and blue from 0 to 255; None for what is no colour that is known here."""
    text = _NAMES.get(text.strip().lower(), text.strip())
    if found := _HEX.fullmatch(text):
        digits = found[1] if len(found[1]) == 6 else "".join(digit * 2 for digit in found[1])
        return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)
    if found := _RGB.fullmatch(text):
        return min(255, int(found[1])), min(255, int(found[2])), min(255, int(found[3]))
    return None


def contrast(one: Colour, other: Colour) -> float:
    """From 1.0 (the same) to 21.0 (black on white)."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def readable_on(ground: Colour) -> str:
    """White or nearly black, whichever is read better on `ground`."""
    return "#ffffff" if contrast((255, 255, 255), ground) >= contrast((0x18, 0x21, 0x2D), ground) else "#18212d"


def _luminance(value: Colour) -> float:
    red, green, blue = (part / 255 for part in value)
    return 0.2126 * _linear(red) + 0.7152 * _linear(green) + 0.0722 * _linear(blue)


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)
