"""`postroom alert`: what is wrong, who has taken it on, and the rules. Works beside a running instance."""

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from .instance import add_data_argument, open_instance

if TYPE_CHECKING:
    from postroom.store.models import Alert

ACTOR = "command line"
_SHOWN = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="list open alerts")
    listing.add_argument("--all", action="store_true", help="closed ones, too: the newest hundred")
    acknowledge = actions.add_parser("acknowledge", help="take an alert on: no more reminders")
    acknowledge.add_argument("alert", metavar="ID")
    acknowledge.add_argument("--note", default="", metavar="TEXT", help="for whoever looks later")
    rules = actions.add_parser("rules", help="list the rules")
    change = actions.add_parser("set", help="change a rule")
    change.add_argument("rule", metavar="RULE", help="id of a rule; that of a built-in one is its kind")
    switch = change.add_mutually_exclusive_group()
    switch.add_argument("--on", action="store_true", help="watch it")
    switch.add_argument("--off", action="store_true", help="do not; its alerts close")
    change.add_argument("--severity", choices=("warning", "critical"))
    change.add_argument("--to", action="append", metavar="ADDRESS", help="who is told; may be repeated")
    change.add_argument("values", nargs="*", metavar="NAME=NUMBER", help="such as minutes=60")
    reset = actions.add_parser("reset", help="set a rule back to what its kind is at the first start")
    reset.add_argument("rule", metavar="RULE")
    for action in (listing, rules):
        action.add_argument("--json", action="store_true", help="print one JSON object")
    for action in (listing, acknowledge, rules, change, reset):
        add_data_argument(action)


def run(args: argparse.Namespace) -> int:
    if not open_instance(args.data):
        return 1
    from postroom.flow.instance.refusals import NotPossible, SettingsRefused

    actions = {"list": _listed, "acknowledge": _acknowledged, "rules": _rules, "set": _changed, "reset": _reset}
    try:
        return actions[args.action](args)
    except (NotPossible, SettingsRefused) as refused:
        print(refused, file=sys.stderr)
        return 2 if isinstance(refused, SettingsRefused) else 1


def _listed(args: argparse.Namespace) -> int:
    from postroom.flow.alerts.alert_words import title_of_alert
    from postroom.flow.alerts.alerts import open_alerts
    from postroom.store.models import Alert

    rows = list(Alert.objects.order_by("-pk")[:_SHOWN]) if args.all else open_alerts()
    if args.json:
        print(json.dumps({"alerts": [_json(row) for row in rows]}, ensure_ascii=False))
        return 0
    for row in rows:
        state = "closed" if row.closed_at else "acknowledged" if row.acknowledged_at else "open"
        print(f"{row.pk}  {row.opened_at:%Y-%m-%d %H:%M}Z  {state:12}  {row.severity:8}  {title_of_alert(row)}")
    return 0


def _acknowledged(args: argparse.Namespace) -> int:
    from django.utils import timezone

    from postroom.flow.alerts.alert_words import title_of_alert
    from postroom.flow.alerts.alerts import acknowledge

    row = acknowledge(args.alert, ACTOR, timezone.now(), args.note)
    print(f"{title_of_alert(row)}: acknowledged")
    return 0


def _rules(args: argparse.Namespace) -> int:
    from postroom.flow.alerts.alert_rules import rule_json, rules_in_order, settings_of
    from postroom.flow.alerts.alert_words import name_of_rule

    rows = rules_in_order()
    if args.json:
        print(json.dumps({"alert_rules": [{"id": row.pk, **rule_json(row)} for row in rows]}, ensure_ascii=False))
        return 0
    for row in rows:
        values = " ".join(f"{name}={value}" for name, value in settings_of(row).items())
        switch = "on " if row.enabled else "off"
        print(f"{row.pk:26}  {switch}  {row.severity:8}  {name_of_rule(row)}  {values}".rstrip())
    return 0


def _reset(args: argparse.Namespace) -> int:
    from postroom.flow.alerts.alert_rules import reset_rule

    row = reset_rule(args.rule, ACTOR)
    print(f"{row.pk}: {'on' if row.enabled else 'off'}")
    return 0


def _changed(args: argparse.Namespace) -> int:
    from postroom.flow.alerts.alert_rules import change_rule

    values: dict[str, Any] = {"settings": {}}
    for pair in args.values:
        name, _equals, number = pair.partition("=")
        if not (number.isascii() and number.isdigit()):
            print(f"{pair}: write NAME=NUMBER, such as minutes=60.", file=sys.stderr)
            return 2
        values["settings"][name] = int(number)
    if args.on or args.off:
        values["enabled"] = args.on
    if args.severity:
        values["severity"] = args.severity
    if args.to is not None:
        values["addresses"] = [address for address in args.to if address]
    row = change_rule(args.rule, values, ACTOR)
    print(f"{row.pk}: {'on' if row.enabled else 'off'}")
    return 0


def _json(row: "Alert") -> dict[str, Any]:
    from postroom.flow.alerts.alert_words import said, steps_of, title_of_alert

    times = {name: at.isoformat() if (at := getattr(row, name)) else None
             for name in ("opened_at", "closed_at", "acknowledged_at")}
    return {
        "id": row.pk, "rule": row.rule_id, "kind": row.kind, "key": row.key, "subject": row.subject,
        "severity": row.severity, "title": title_of_alert(row), "text": said(row.text), "fix": steps_of(row),
        "evidence": row.evidence, **times, "acknowledged_by": row.acknowledged_by, "note": row.note,
    }
