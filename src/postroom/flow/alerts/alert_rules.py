"""Rules for alerts, as an administrator keeps them; those that are built in are there from the first start."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from postroom.policy.alert_kinds import KINDS, Kind, Severity
from postroom.store import audit
from postroom.store.models import AlertRule
from postroom.terms.address import AddressProblem, parse_address
from postroom.terms.problem import FieldError
from postroom.terms.wording import worded

from ..instance.refusals import NotPossible, SettingsRefused

RULES = 100
ADDRESSES = 50
NAME_CHARACTERS = 100


def rules_in_order() -> list[AlertRule]:
    """The built-in ones in the order of their kinds, each made where it is missing, then the others."""
    rows = {row.pk: row for row in AlertRule.objects.all()}
    missing = [_built_in(kind) for kind in KINDS.values() if kind.slug not in rows]
    if missing:
        AlertRule.objects.bulk_create(missing, ignore_conflicts=True)
        rows = {row.pk: row for row in AlertRule.objects.all()}
    own = sorted((row for row in rows.values() if not row.built_in), key=lambda row: row.pk)
    return [*(rows[slug] for slug in KINDS if slug in rows), *own]


def settings_of(rule: AlertRule) -> dict[str, int]:
    """Its parameters, with defaults for what nobody has set."""
    kind = KINDS[rule.kind]
    return {**kind.defaults, **{name: value for name, value in rule.settings.items() if name in kind.defaults}}


def add_rule(kind: str, values: Mapping[str, Any], actor: str) -> AlertRule:
    """One more rule of a kind. Raises SettingsRefused, NotPossible."""
    if kind not in KINDS:
        text = worded("Choose one of: {kinds}.", kinds=", ".join(KINDS))
        raise SettingsRefused(FieldError("kind", "invalid", text))
    with transaction.atomic():
        if AlertRule.objects.count() >= RULES:
            raise NotPossible(worded("There are {most} rules already. Remove one first.", most=RULES))
        row = AlertRule(kind=kind, name="", severity=KINDS[kind].severity)
        _set(row, values)
        row.save()
        audit.record(actor, "alert-rule.add", _called(row), {"rule": rule_json(row)})
    return row


def change_rule(rule_id: str, values: Mapping[str, Any], actor: str) -> AlertRule:
    """Change what `values` has. Raises SettingsRefused, NotPossible."""
    with transaction.atomic():
        row = _present(rule_id)
        before = rule_json(row)
        _set(row, values)
        row.save()
        audit.record_change(actor, "alert-rule.change", _called(row), before, rule_json(row))
    return row


def remove_rule(rule_id: str, actor: str) -> None:
    """Remove one with its alerts. Raises NotPossible for what is built in, which can be switched off."""
    with transaction.atomic():
        row = _present(rule_id)
        if row.built_in:
            raise NotPossible(worded("This rule is built in. Switch it off instead."))
        audit.record(actor, "alert-rule.remove", _called(row), {"rule": rule_json(row), "id": row.pk})
        row.delete()


def reset_rule(rule_id: str, actor: str) -> AlertRule:
    """A built-in rule as it was at the first start. Raises NotPossible."""
    kind = KINDS[_present(rule_id).kind]
    values = {"enabled": kind.enabled, "severity": str(kind.severity), "settings": kind.defaults, "addresses": []}
    return change_rule(rule_id, values, actor)


def rule_json(row: AlertRule) -> dict[str, Any]:
    """A rule by its API names."""
    return {
        "kind": row.kind, "name": row.name, "enabled": row.enabled, "severity": str(row.severity),
        "settings": settings_of(row), "addresses": list(row.addresses),
    }


def checked_addresses(field: str, given: Any, problems: list[FieldError]) -> list[str]:
    """Addresses in one form, each once; what is wrong is added to `problems`."""
    if len(given) > ADDRESSES:
        problems.append(FieldError(field, "too-many", worded("Enter at most {most} addresses.", most=ADDRESSES)))
        return []
    found: dict[str, None] = {}
    for value in given:
        try:
            found[str(parse_address(str(value).strip()))] = None
        except AddressProblem as problem:
            text = worded("“{address}”: {problem}", address=str(value)[:100], problem=problem.text)
            problems.append(FieldError(field, "invalid", text))
            break
    return list(found)


def _built_in(kind: Kind) -> AlertRule:
    return AlertRule(
        pk=kind.slug, kind=kind.slug, name="", built_in=True, enabled=kind.enabled, severity=kind.severity,
        settings=kind.defaults,
    )


def _set(row: AlertRule, values: Mapping[str, Any]) -> None:
    """Take over the values that are there. Raises SettingsRefused naming every field at fault."""
    problems: list[FieldError] = []
    for name in ("name", "enabled"):
        if name in values:
            setattr(row, name, values[name])
    if len(row.name) > NAME_CHARACTERS or not (row.name.isprintable() or not row.name):
        text = worded("Enter at most {most} characters, without line breaks.", most=NAME_CHARACTERS)
        problems.append(FieldError("name", "invalid", text))
    if "severity" in values:
        if values["severity"] in tuple(Severity):
            row.severity = values["severity"]
        else:
            problems.append(FieldError("severity", "invalid", worded("Choose warning or critical.")))
    if "addresses" in values:
        row.addresses = checked_addresses("addresses", values["addresses"], problems)
    row.settings = _checked_settings(row, values.get("settings") or {}, problems)
    if problems:
        raise SettingsRefused(*problems)


def _checked_settings(row: AlertRule, given: Mapping[str, Any], problems: list[FieldError]) -> dict[str, int]:
    kind = KINDS[row.kind]
    known = {parameter.name: parameter for parameter in kind.parameters}
    found = {**kind.defaults, **row.settings}
    for name, value in given.items():
        parameter = known.get(name)
        if parameter is None:
            text = worded("There is no such setting for this kind.")
            problems.append(FieldError(f"settings.{name[:50]}", "unknown", text))
        elif type(value) is not int or not parameter.least <= value <= parameter.most:
            text = worded("Enter a whole number from {least} to {most}.", least=parameter.least, most=parameter.most)
            problems.append(FieldError(f"settings.{name}", "range", text))
        else:
            found[name] = value
    return found


def _present(rule_id: str) -> AlertRule:
    rules_in_order()
    row = AlertRule.objects.filter(pk=rule_id[:26]).first()
    if row is None:
        raise NotPossible(worded("This rule was removed meanwhile."))
    return row


def _called(row: AlertRule) -> str:
    return row.name or row.kind
