"""The fields of a subscription as clients and pages give them: checked, and taken over into its row."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from postroom.policy.column_value import (
    COLUMN_CHARACTERS,
    ROWS,
    VALUE_CHARACTERS,
    ColumnJudge,
    ColumnValue,
    Operator,
    ValueFault,
)
from postroom.smtp.text import printable
from postroom.store.models import HolidayCalendar, OutcomeNotice, ReportSource, SmtpServer, Subscription, User
from postroom.terms.address import AddressProblem, parse_address
from postroom.terms.problem import FieldError
from postroom.terms.wording import Wording, worded

from ..templates.template_edit import template_named

NAME_CHARACTERS = 100
DESCRIPTION_CHARACTERS = 300
SUBJECT_CHARACTERS = 998
TEXT_CHARACTERS = 20_000
LANGUAGE_CHARACTERS = 8
PARAMETERS = 50
PARAMETER_CHARACTERS = 1_000
NOTICE_ADDRESSES = 50
ITERATION_VALUES = 1_000
FORMS = tuple(str(form) for form in Subscription.Form)
CATCH_UPS = tuple(str(rule) for rule in Subscription.CatchUp)
OUTCOMES = tuple(str(outcome) for outcome in OutcomeNotice.Outcome)
# What they are unless somebody says otherwise; the page tells them in words.
RETRY = {"times": 3, "pause_s": 600}
CONDITIONS = {"least_rows": None, "only_if_changed": False, "column_value": None}
_RANGES = {
    "catch_up_within_s": (60, 31 * 86_400), "link_days": (1, 365), "priority": (-10, 10),
}
_Problems = list[FieldError]


class Refused(Exception):
    """One value can't be taken; the text says what to enter instead. `part` is the one within the field, "" for all."""

    def __init__(self, text: Wording, code: str = "invalid", part: str = "") -> None:
        super().__init__(text)
        self.text, self.code, self.part = text, code, part


def set_fields(row: Subscription, values: Mapping[str, Any], problems: _Problems) -> None:
    """Take over the values that are there, apart from its schedule, subscribers and notices."""
    for name, check in _CHECKS.items():
        if name in values:
            try:
                setattr(row, name, check(values[name]))
            except Refused as refused:
                field = f"{name}.{refused.part}" if refused.part else name
                problems.append(FieldError(field, refused.code, refused.text))
    for name, (least, most) in _RANGES.items():
        if not least <= getattr(row, name) <= most:
            text = worded("Enter a number from {least} to {most}.", least=least, most=most)
            problems.append(FieldError(name, "range", text))


def notices_of(given: list[Mapping[str, Any]], problems: _Problems) -> list[OutcomeNotice]:
    """Rows, not saved, one for each outcome that somebody is told of."""
    rows: dict[str, OutcomeNotice] = {}
    for place, entry in enumerate(given):
        outcome = str(entry.get("outcome", ""))
        try:
            if outcome not in OUTCOMES or outcome in rows:
                raise Refused(worded("Name each of success, warning and error at most once."))
            addresses = _addresses(entry.get("addresses") or [])
        except Refused as refused:
            problems.append(FieldError(f"notices.{place}", refused.code, refused.text))
            continue
        if addresses:
            rows[outcome] = OutcomeNotice(
                outcome=outcome, addresses=addresses, with_log=bool(entry.get("with_log", True))
            )
    return list(rows.values())


def _name(value: Any) -> str:
    name = str(value).strip()
    if not name or len(name) > NAME_CHARACTERS or not name.isprintable() or name == "*":
        raise Refused(worded("Enter a name of 1 to {most} characters, such as Weekly sales.", most=NAME_CHARACTERS))
    return name


def _line(most: int) -> Callable[[Any], str]:
    def checked(value: Any) -> str:
        text = str(value).strip()
        if len(text) > most or not (text.isprintable() or not text):
            raise Refused(worded("Enter at most {most} characters, without line breaks.", most=most))
        return text

    return checked


def _text(value: Any) -> str:
    text = _storable(str(value).replace("\r\n", "\n"))
    if len(text) > TEXT_CHARACTERS:
        raise Refused(worded("Shorten the text to at most {most} characters.", most=TEXT_CHARACTERS))
    return text


def _storable(text: str) -> str:
    """The text; refused where no database takes it."""
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise Refused(worded("Leave out the character NUL and halves of characters."))
    return text


def _owner(value: Any) -> User | None:
    if not value:
        return None
    value = _storable(str(value))
    found = User.objects.filter(pk=str(value)[:26]).first() or User.objects.filter(email__iexact=str(value)).first()
    if found is None:
        raise Refused(worded("There is no user of this address."), "not-found")
    return found


def _source(value: Any) -> ReportSource:
    found: ReportSource | None = _named(ReportSource, value)
    if found is None:
        raise Refused(worded("Choose the report to send."), "required" if not value else "not-found")
    return found


def _one_of_many(kind: Any, text: Wording) -> Callable[[Any], Any]:
    def checked(value: Any) -> Any:
        found = _named(kind, value)
        if value and found is None:
            raise Refused(text, "not-found")
        return found

    return checked


def _template(value: Any) -> Any:
    """Those that came with Postroom have no row before somebody asks for them."""
    found = template_named(str(value)) if value and str(value).isprintable() else None
    if value and found is None:
        raise Refused(worded("There is no template of this name."), "not-found")
    return found


def _named(kind: Any, value: Any) -> Any:
    """The row of that id or name; None where there is none."""
    if not value or not str(value).isprintable():
        return None
    return kind.objects.filter(pk=str(value)[:26]).first() or kind.objects.filter(name=str(value)[:100]).first()


def _choice(choices: tuple[str, ...]) -> Callable[[Any], str]:
    def checked(value: Any) -> str:
        if value not in choices:
            raise Refused(worded("Enter one of {choices}.", choices=", ".join(choices)))
        return str(value)

    return checked


def _language(value: Any) -> str:
    language = str(value or "").strip()
    if len(language) > LANGUAGE_CHARACTERS or (not language.replace("-", "").isalnum() and language):
        raise Refused(worded("Enter a language such as en or fr, or nothing for each recipient's own."))
    return language.lower()


def _parameters(value: Any) -> dict[str, Any]:
    given = dict(value or {})
    if len(given) > PARAMETERS:
        raise Refused(worded("Enter at most {most} parameters.", most=PARAMETERS))
    for name, each in given.items():
        _storable(f"{name}{each}")
        if not name.isidentifier() or len(name) > 64 or len(str(each)) > PARAMETER_CHARACTERS:
            text = worded("“{name}” can't be a parameter: names have letters, digits and underscores, values up to "
                          "{most} characters.", name=printable(name, 64), most=PARAMETER_CHARACTERS)
            raise Refused(text)
    return given


def _conditions(value: Any) -> dict[str, Any]:
    """Without `least_rows`, a report without rows is a warning and leaves nobody a mail; 0 mails it all the same."""
    given = {**CONDITIONS, **(value or {})}
    least = given["least_rows"]
    if least is not None and not 0 <= least <= 10**9:
        raise Refused(worded("Enter a number of rows, 0 to send an empty report, too."), "range")
    kept: dict[str, Any] = {"only_if_changed": bool(given["only_if_changed"])}
    if given["column_value"]:
        kept["column_value"] = _column_value(given["column_value"])
    return kept if least is None else {"least_rows": int(least), **kept}


def _column_value(value: Mapping[str, Any]) -> dict[str, str]:
    """As it is stored. Raises Refused naming `column_value.column` or `column_value.value`."""
    column, wanted = (" ".join(_storable(str(value.get(name) or "")).split()) for name in ("column", "value"))
    operator, rows = str(value.get("operator") or ""), str(value.get("rows") or ROWS[0])
    if not column or len(column) > COLUMN_CHARACTERS:
        raise Refused(worded("Enter the column that the condition looks at, such as on-time rate."),
                      part="column_value.column")
    if rows not in ROWS or operator not in tuple(Operator) or len(wanted) > VALUE_CHARACTERS:
        raise Refused(worded("Enter a comparison with a value of at most {most} characters.", most=VALUE_CHARACTERS),
                      part="column_value.value")
    condition = ColumnValue(column, Operator(operator), wanted, rows)
    if not wanted and condition.operator not in (Operator.IS, Operator.IS_NOT):
        raise Refused(worded("Enter the value to compare with."), "required", "column_value.value")
    try:
        ColumnJudge(condition, datetime.now(UTC))
    except ValueFault as fault:
        raise Refused(fault.text, part="column_value.value") from None
    return condition.as_json()


def _retry(value: Any) -> dict[str, Any]:
    given = {**RETRY, **(value or {})}
    if not 0 <= given["times"] <= 20 or not 10 <= given["pause_s"] <= 86_400:
        raise Refused(worded("Try again up to 20 times, 10 seconds to one day apart."), "range")
    return {"times": int(given["times"]), "pause_s": int(given["pause_s"])}


def _iteration(value: Any) -> dict[str, Any]:
    """{} for the same file for everybody; else the column that tells files apart, and either `to`, who gets the file of
    which value, or `value`, the fact about a recipient that has to equal it."""
    given = {name: each for name, each in (value or {}).items() if each}
    if not given:
        return {}
    column, fact = (_storable(str(given.get(name, "")).strip()) for name in ("column", "value"))
    to = given.get("to")
    if not column or len(column) > 100:
        raise Refused(worded("Enter the column of the report that tells the files apart, such as region."))
    if bool(to) == bool(fact) or len(fact) > 100:
        raise Refused(worded("Tell who gets which file: by a value of each recipient, or by a list of addresses."))
    if fact:
        return {"column": column, "value": fact}
    to = dict(to or {})
    if len(to) > ITERATION_VALUES:
        raise Refused(worded("Enter at most {most} values.", most=ITERATION_VALUES))
    named = {_storable(str(name)[:200]): _addresses(addresses) for name, addresses in to.items()}
    return {"column": column, "to": named}


def _addresses(given: Any) -> list[str]:
    """Each address once, as it was entered. Raises Refused for the first that is none."""
    if len(given) > NOTICE_ADDRESSES:
        raise Refused(worded("Enter at most {most} addresses.", most=NOTICE_ADDRESSES))
    found: dict[str, None] = {}
    for text in given:
        try:
            found[str(parse_address(str(text).strip()))] = None
        except AddressProblem as problem:
            said = worded("{address}: {problem}", address=printable(str(text), 254), problem=problem.text)
            raise Refused(said) from None
    return list(found)


_CHECKS: Mapping[str, Callable[[Any], Any]] = {
    "name": _name, "description": _line(DESCRIPTION_CHARACTERS), "owner": _owner, "source": _source,
    "parameters": _parameters, "on_push": bool, "catch_up": _choice(CATCH_UPS), "catch_up_within_s": int,
    "calendar": _one_of_many(HolidayCalendar, worded("There is no calendar of this name.")),
    "template": _template,
    "subject": _line(SUBJECT_CHARACTERS), "text": _text, "language": _language, "form": _choice(FORMS),
    "link_when_large": bool, "link_days": int, "conditions": _conditions, "iteration": _iteration, "retry": _retry,
    "server": _one_of_many(SmtpServer, worded("There is no SMTP server of this name.")), "priority": int,
}
