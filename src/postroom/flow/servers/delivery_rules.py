"""Delivery rules as an administrator keeps them: add, change, remove and put back, put into order. Each is audited."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from postroom.policy.rules import PURPOSES, Rule
from postroom.store import audit
from postroom.store.models import ApiToken, AuditEntry, DeliveryRule, SmtpServer
from postroom.terms.address import AddressProblem, parse_address
from postroom.terms.problem import FieldError
from postroom.terms.wording import worded

from ..domains.domain_pattern import PatternRefused, domain_pattern
from ..instance.refusals import NotPossible, SettingsRefused

# More rules than a person can keep in mind are no help; each costs a look at every message.
RULES = 100
VALUES = 100
ATTEMPTS = 50
NAME_CHARACTERS = 100
LISTS = ("purposes", "senders", "recipient_domains", "clients", "tags")
FIELDS = ("name", "enabled", *LISTS, "min_attempts", "server", "only")


def rule_of(row: DeliveryRule) -> Rule:
    """A row as policy sees it."""
    return Rule(
        row.pk, row.server_id, row.name, row.enabled, frozenset(row.purposes), tuple(row.senders),
        tuple(row.recipient_domains), frozenset(row.clients), frozenset(row.tags), row.min_attempts, row.only,
    )


def rows_in_order() -> list[DeliveryRule]:
    """All rules in the order in which they are asked."""
    return list(DeliveryRule.objects.select_related("server").order_by("position", "pk"))


def add_rule(values: Mapping[str, Any], actor: str) -> DeliveryRule:
    """A new rule, behind the others. `values` by API name; `server` is an id. Raises SettingsRefused, NotPossible."""
    with transaction.atomic():
        last = DeliveryRule.objects.count()
        if last >= RULES:
            raise NotPossible(worded("There are {most} rules already. Remove one first.", most=RULES))
        row = DeliveryRule(position=last)
        _set(row, values)
        row.save()
        audit.record(actor, "rule.add", _called(row), {"rule": rule_json(row)})
    return row


def change_rule(rule_id: str, values: Mapping[str, Any], actor: str) -> DeliveryRule:
    """Change the fields that `values` has. Raises SettingsRefused, NotPossible."""
    with transaction.atomic():
        row = _present(rule_id)
        before = rule_json(row)
        _set(row, values)
        row.save()
        audit.record_change(actor, "rule.change", _called(row), before, rule_json(row))
    return row


def remove_rule(rule_id: str, actor: str) -> str:
    """Remove it; the id under which `put_back` finds it. Raises NotPossible."""
    with transaction.atomic():
        row = _present(rule_id)
        entry = audit.record(actor, "rule.remove", _called(row), {"rule": rule_json(row), "id": row.pk})
        row.delete()
        _number(rows_in_order())
    return entry.pk


def put_back(removal: str, actor: str) -> DeliveryRule:
    """Undo a removal: the rule as it was, at its place. Raises NotPossible where it is back, or cannot be."""
    with transaction.atomic():
        entry = AuditEntry.objects.filter(pk=removal, action="rule.remove").first()
        if entry is None or DeliveryRule.objects.filter(pk=entry.changes["id"]).exists():
            raise NotPossible(worded("This rule is there again already."))
        kept = entry.changes["rule"]
        row = DeliveryRule(pk=entry.changes["id"], position=kept["position"])
        row.server = SmtpServer.objects.filter(pk=kept["server"]).first()
        for name in FIELDS:
            if name != "server":
                setattr(row, name, kept[name])
        order = rows_in_order()
        order.insert(kept["position"], row)
        row.save()
        _number(order)
        audit.record(actor, "rule.put-back", _called(row))
    return row


def move_rule(rule_id: str, to: int, actor: str) -> int:
    """Put it at place `to` (from 0), or as near as there is one; the place it had before. Raises NotPossible."""
    with transaction.atomic():
        row, order = _present(rule_id), rows_in_order()
        before = next(place for place, other in enumerate(order) if other.pk == row.pk)
        moved = order.pop(before)
        order.insert(min(max(to, 0), len(order)), moved)
        if (place := order.index(moved)) != before:
            _number(order)
            audit.record(actor, "rule.move", _called(moved), {"position": [before, place]})
    return before


def rule_json(row: DeliveryRule) -> dict[str, Any]:
    """A rule by its API names; `server` is an id."""
    return {
        "name": row.name, "position": row.position, "enabled": row.enabled, **{n: getattr(row, n) for n in LISTS},
        "min_attempts": row.min_attempts, "server": row.server_id, "only": row.only,
    }


def _set(row: DeliveryRule, values: Mapping[str, Any]) -> None:
    """Take over the values that are there. Raises SettingsRefused naming every field at fault."""
    problems: list[FieldError] = []
    for name in ("name", "enabled", "min_attempts", "only"):
        if name in values:
            setattr(row, name, values[name])
    for name in LISTS:
        if name in values:
            setattr(row, name, _checked_list(name, values[name], problems))
    if "server" in values:
        row.server = SmtpServer.objects.filter(pk=str(values["server"] or "")[:26]).first()
    if row.server is None:
        problems.append(FieldError("server", "required", worded("Choose the server to send these messages through.")))
    if len(row.name) > NAME_CHARACTERS or not (row.name.isprintable() or not row.name):
        text = worded("Enter at most {most} characters, without line breaks.", most=NAME_CHARACTERS)
        problems.append(FieldError("name", "invalid", text))
    if not 0 <= row.min_attempts <= ATTEMPTS:
        text = worded("Enter a number from 0 to {most}.", most=ATTEMPTS)
        problems.append(FieldError("min_attempts", "range", text))
    if not problems and row.min_attempts and row.only:
        text = worded("Choose one: messages of later attempts went through another server before.")
        problems.append(FieldError("only", "contradiction", text))
    if problems:
        raise SettingsRefused(*problems)


def _checked_list(name: str, values: Sequence[str], problems: list[FieldError]) -> list[str]:
    """The values in one form, each once."""
    if len(values) > VALUES:
        text = worded("Enter at most {most} values; a second rule takes more.", most=VALUES)
        problems.append(FieldError(name, "too-many", text))
        return []
    checked: list[str] = []
    for value in values:
        try:
            checked.append(_CHECKS[name](str(value).strip()))
        except _Refused as refused:
            problems.append(FieldError(name, "invalid", refused.args[0]))
            break
    return list(dict.fromkeys(checked))


class _Refused(Exception):
    pass


def _purpose(value: str) -> str:
    if value not in PURPOSES:
        raise _Refused(worded("Choose among notification, report, communication and alert."))
    return value


def _domain(value: str) -> str:
    try:
        return domain_pattern(value)
    except PatternRefused as refused:
        raise _Refused(refused.text) from None


def _sender(value: str) -> str:
    if "@" not in value.removeprefix("@"):
        return _domain(value)
    try:
        return str(parse_address(value)).lower()
    except AddressProblem as problem:
        raise _Refused(worded("{problem}", problem=problem.text)) from None


def _client(value: str) -> str:
    token = ApiToken.objects.filter(pk=value[:26]).first() or ApiToken.objects.filter(name=value[:100]).first()
    if token is None:
        raise _Refused(worded("There is no API token of the name or id “{value}”.", value=value[:100]))
    return token.pk


def _tag(value: str) -> str:
    if not 1 <= len(value) <= 100 or not value.isprintable():
        raise _Refused(worded("A tag has 1 to 100 characters."))
    return value


_CHECKS = {
    "purposes": _purpose, "senders": _sender, "recipient_domains": _domain, "clients": _client, "tags": _tag,
}


def _present(rule_id: str) -> DeliveryRule:
    row = DeliveryRule.objects.select_related("server").filter(pk=rule_id[:26]).first()
    if row is None:
        raise NotPossible(worded("This rule was removed meanwhile."))
    return row


def _called(row: DeliveryRule) -> str:
    return row.name or row.pk


def _number(order: Sequence[DeliveryRule]) -> None:
    for position, row in enumerate(order):
        if row.position != position:
            row.position = position
            DeliveryRule.objects.filter(pk=row.pk).update(position=position)
