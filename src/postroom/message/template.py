"""Texts with places for values, in a closed language: a part of Liquid (https://shopify.github.io/liquid/).

A template sees the values it is given, conditions, and loops over given lists; no attributes, calls, files, clock or
environment (M2). What it may take is bounded in steps, output and, by a clock that the caller brings, in time (M3).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from liquid import BoundTemplate, Environment
from liquid.builtin import content, illegal, output
from liquid.builtin.tags import (
    assign_tag,
    capture_tag,
    case_tag,
    comment_tag,
    cycle_tag,
    for_tag,
    if_tag,
    inline_comment_tag,
    unless_tag,
)
from liquid.exceptions import LiquidError, ResourceLimitError, UnknownFilterError

from postroom.terms.wording import Wording, worded

from .template_filters import FILTERS
from .template_scope import OUTPUT_BYTES, Scope, SpentFault
from .template_values import ValuesFault, plain

SOURCE_CHARACTERS = 200_000
MARKS = 4_000
MARK_CHARACTERS = 500
_TAGS = (
    content.Literal, output.Output, illegal.Illegal, if_tag.IfTag, comment_tag.CommentTag, unless_tag.UnlessTag,
    case_tag.CaseTag, for_tag.ForTag, for_tag.BreakTag, for_tag.ContinueTag, capture_tag.CaptureTag,
    cycle_tag.CycleTag, assign_tag.AssignTag, inline_comment_tag.InlineCommentTag,
)
_MARK = re.compile(r"\{([{%])-?\s*(\w*)")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")


class TemplateFault(Exception):
    """A template that can't be read or filled in. `text` says what to change, `line` where (0: nowhere special)."""

    def __init__(self, text: Wording, line: int = 0) -> None:
        super().__init__(str(text))
        self.text = text if line == 0 else worded("Line {line}: {text}", line=line, text=text)
        self.line = line


@dataclass(frozen=True, slots=True)
class Filled:
    """A template with its values in place. `missing` are the names it asked for that were not given, in order."""

    text: str
    missing: tuple[str, ...]


def checked(source: str, *, is_html: bool = False) -> None:
    """Raises TemplateFault for a source that can never be filled in."""
    _parsed(source, is_html)


def filled(
    source: str, values: Mapping[str, Any], *, is_html: bool = False, is_late: Callable[[], bool] = lambda: False
) -> Filled:
    """`source` with `values` in place, as `template_values.plain` takes them; for HTML, values are text unless they
    are `SafeHtml`. Rendering ends once `is_late` is true. Raises TemplateFault."""
    template = _parsed(source, is_html)
    try:
        scope = Scope(template, plain(values, is_html=is_html), is_late)
        buffer = scope.get_buffer()
        template.render_with_context(scope, buffer)
    except ValuesFault as fault:
        raise TemplateFault(fault.text) from None
    except SpentFault as fault:
        raise TemplateFault(fault.text) from None
    except LiquidError as error:
        raise _fault(error) from None
    except (ArithmeticError, RecursionError, ValueError, TypeError):
        raise TemplateFault(worded("A value does not fit what the template does with it.")) from None
    return Filled(buffer.getvalue(), tuple(scope.missing))


@lru_cache(maxsize=256)
def _parsed(source: str, is_html: bool) -> BoundTemplate:
    _check_marks(source)
    try:
        return _environment(is_html).from_string(source)
    except LiquidError as error:
        raise _fault(error) from None
    except RecursionError:
        raise TemplateFault(worded("The template is nested too deeply.")) from None


@cache
def _environment(is_html: bool) -> Environment:
    environment = _Closed(autoescape=is_html)
    for tag in _TAGS:
        environment.add_tag(tag)
    environment.filters.update(FILTERS)
    return environment


class _Closed(Environment):
    """Knows nothing but what is added to it, and loads nothing."""

    output_stream_limit = OUTPUT_BYTES
    local_namespace_limit = 2 * OUTPUT_BYTES
    suppress_blank_control_flow_blocks = False

    def setup_tags_and_filters(self, *, extra: bool = False) -> None:
        del extra


def _check_marks(source: str) -> None:
    """Refuse what the reader of Liquid would take long over: too much, marks that nobody closes, ranges of numbers."""
    if len(source) > SOURCE_CHARACTERS:
        raise TemplateFault(worded("Shorten the template to at most {most} characters.", most=SOURCE_CHARACTERS))
    at, count, closed_by = 0, 0, {"{": "}}", "%": "%}"}
    while (mark := _MARK.search(source, at)) is not None:
        line, count = source.count("\n", 0, mark.start()) + 1 if count < MARKS else 0, count + 1
        if count > MARKS:
            raise TemplateFault(worded("The template has more than {most} marks.", most=MARKS))
        end = source.find(closed_by[mark[1]], mark.start() + 2, mark.start() + MARK_CHARACTERS)
        if end < 0:
            said = worded("Close what begins with {mark}, after at most {most} characters.",
                          mark="{" + mark[1], most=MARK_CHARACTERS)
            raise TemplateFault(said, line)
        if mark[1] == "%" and mark[2] in ("raw", "doc"):
            raise TemplateFault(worded("There is no tag “{name}” here.", name=mark[2]), line)
        if ".." in _QUOTED.sub("", source[mark.start() : end]):
            raise TemplateFault(worded("Loops go over given lists, not over ranges of numbers."), line)
        at = end + 2


def _fault(error: LiquidError) -> TemplateFault:
    line = 0
    if error.token is not None and error.token.start_index >= 0:
        line = error.token.source.count("\n", 0, error.token.start_index) + 1
    said = str(error.message)[:200]
    if isinstance(error, ResourceLimitError):
        return TemplateFault(worded("The template is nested too deeply or its result is too large."), line)
    name = said.split("'")[1] if said.count("'") >= 2 else ""
    if isinstance(error, UnknownFilterError):
        return TemplateFault(worded("There is no filter “{name}” here.", name=name), line)
    if said.startswith(("unexpected tag", "unknown tag", "illegal tag")) and name:
        return TemplateFault(worded("There is no tag “{name}” here.", name=name), line)
    return TemplateFault(worded("This can't be read: {said}.", said=said.rstrip(".")), line)
