"""The filters of templates: few, without effects, and bounded; each spends steps by what it works at."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import quote

from liquid import Undefined
from liquid.exceptions import FilterArgumentError
from liquid.filter import with_context
from markupsafe import Markup, escape

from .template_scope import Scope, cost_of
from .template_times import time_in_words

RESULT = 200_000
LARGEST = 10**15
Filter = Callable[..., Any]


def _bounded(filter_: Filter) -> Filter:
    @with_context
    @wraps(filter_)
    def bounded(value: Any, *arguments: Any, context: Scope, **named: Any) -> Any:
        context.spend(cost_of(value))
        if named:
            raise FilterArgumentError("a filter takes values, not names", token=None)
        try:
            result = filter_(value, *arguments)
        except (TypeError, ValueError, ArithmeticError) as error:
            raise FilterArgumentError("a value does not fit the filter", token=None) from error
        context.spend(cost_of(result))
        if isinstance(result, str | list) and len(result) > RESULT:
            raise FilterArgumentError("the result is too long", token=None)
        return result

    return bounded


def _text(value: Any) -> str:
    """A value as it would be printed; what is safe in HTML stays safe."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, Undefined):
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _number(value: Any) -> int | float:
    """Raises ValueError for what is none, or too large."""
    if isinstance(value, Undefined) or value is None or value == "":
        return 0
    found = value if isinstance(value, int | float) else float(str(value)[:40])
    if not -LARGEST <= found <= LARGEST:
        raise ValueError("too large")
    return int(found) if isinstance(found, float) and found.is_integer() else found


def _list(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    return [] if value is None or isinstance(value, Undefined) else [value]


def _member(item: Any, name: Any) -> Any:
    return item.get(str(name)) if isinstance(item, dict) else None


def _replaced(value: Any, old: Any, new: Any = "") -> str:
    text, found = _text(value), _text(old)
    if not found:
        return text
    if text.count(found) * len(_text(new)) > RESULT:
        raise ValueError("too long")
    return text.replace(found, _text(new))


def _shortened(value: Any, most: Any = 50, end: Any = "…") -> str:
    text, length = _text(value), int(_number(most))
    return text if len(text) <= length else text[: max(0, length - len(_text(end)))] + _text(end)


def _joined(value: Any, between: Any = ", ") -> str:
    items = [_text(item) for item in _list(value)]
    if len(items) * len(_text(between)) > RESULT:
        raise ValueError("too long")
    return _text(between).join(items)


def _sorted(value: Any, name: Any = None) -> list[Any]:
    def key(item: Any) -> tuple[int, float, str]:
        found = item if name is None else _member(item, name)
        if isinstance(found, int | float):
            return (0, found, "")
        return (1, 0.0, _text(found).casefold()) if found is not None else (2, 0.0, "")

    return sorted(_list(value), key=key)


def _where(value: Any, name: Any, wanted: Any = None) -> list[Any]:
    if wanted is None or isinstance(wanted, Undefined):
        return [item for item in _list(value) if _member(item, name) not in (None, False)]
    return [item for item in _list(value) if _member(item, name) == wanted]


def _divided(value: Any, by: Any) -> int | float:
    return _number(_number(value) / _number(by))


def _rounded(value: Any, digits: Any = 0) -> int | float:
    return _number(round(_number(value), min(10, max(0, int(_number(digits))))))


def _grouped(value: Any, digits: Any = 0, language: Any = "en") -> str:
    """1234.5 as "1,234.5", in French "1 234,5"."""
    text = f"{_number(value):,.{min(10, max(0, int(_number(digits))))}f}"
    if not str(language).startswith("fr"):
        return text
    return text.replace(",", "\N{NARROW NO-BREAK SPACE}").replace(".", ",")


def _defaulted(value: Any, instead: Any = "") -> Any:
    empty = value is None or value is False or isinstance(value, Undefined) or value in ("", [], {})
    return instead if empty else value


def _with_breaks(value: Any) -> Markup:
    return Markup("<br>\n").join(escape(line) for line in _text(value).splitlines())


def _size(value: Any) -> int:
    return len(value) if isinstance(value, str | list | dict) else 0


_UNBOUNDED: dict[str, Filter] = {
    "append": lambda value, more: _text(value) + _text(more),
    "prepend": lambda value, before: _text(before) + _text(value),
    "capitalize": lambda value: _text(value)[:1].upper() + _text(value)[1:],
    "upcase": lambda value: _text(value).upper(),
    "downcase": lambda value: _text(value).lower(),
    "strip": lambda value: _text(value).strip(),
    "replace": _replaced,
    "remove": _replaced,
    "truncate": _shortened,
    "newline_to_br": _with_breaks,
    "url_encode": lambda value: quote(str(_text(value)), safe=""),
    "default": _defaulted,
    "size": _size,
    "first": lambda value: next(iter(_list(value)), None),
    "last": lambda value: next(reversed(_list(value)), None),
    "join": _joined,
    "sort": _sorted,
    "map": lambda value, name: [_member(item, name) for item in _list(value)],
    "where": _where,
    "reverse": lambda value: _list(value)[::-1],
    "plus": lambda value, other: _number(_number(value) + _number(other)),
    "minus": lambda value, other: _number(_number(value) - _number(other)),
    "times": lambda value, other: _number(_number(value) * _number(other)),
    "divided_by": _divided,
    "modulo": lambda value, by: _number(_number(value) % _number(by)),
    "round": _rounded,
    "abs": lambda value: abs(_number(value)),
    "at_least": lambda value, other: max(_number(value), _number(other)),
    "at_most": lambda value, other: min(_number(value), _number(other)),
    "date": time_in_words,
    "number": _grouped,
}
FILTERS: dict[str, Filter] = {name: _bounded(filter_) for name, filter_ in _UNBOUNDED.items()}
