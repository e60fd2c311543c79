"""The form of a subscription: what was typed, the values that `flow.subscriptions.subscribe` takes, and what is wrong,
by field."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from postroom.flow.instance.instance import site
from postroom.flow.instance.reader import translated
from postroom.flow.subscriptions.subscribers import read_entry
from postroom.flow.subscriptions.subscription_fields import OUTCOMES, RETRY
from postroom.store.models import User
from postroom.terms.problem import FieldError

TEXTS = (
    "name", "description", "source", "parameters", "words", "cron", "time_zone", "calendar", "catch_up",
    "catch_up_hours", "template", "subject", "text", "language", "form", "link_days", "least_rows", "retry_times",
    "retry_minutes", "iteration", "column", "fact", "mapping", "notify_success", "notify_warning", "notify_error",
    "server", "priority", "add", "add_place", "value_rows", "value_column", "value_operator", "value_wanted",
)
# In place of a source's id: one that is filled in on the same page.
NEW_SOURCE = "new"
TICKS = ("on_push", "link_when_large", "asks_rows", "asks_value", "only_if_changed", "retries", "with_log")
_TYPED_CHARACTERS = 30_000
_ENTRIES = 500
# Where the page shows a fault of the API's field.
_PLACES = {
    "schedule": "words", "catch_up_within_s": "catch_up_hours", "conditions": "least_rows", "retry": "retry_times",
    "subscribers": "subscribers", "schedule.words": "words", "schedule.cron": "cron",
    "schedule.time_zone": "time_zone", "conditions.column_value.column": "value_column",
    "conditions.column_value.value": "value_wanted",
}
_COLUMN_VALUE = {
    "rows": "value_rows", "column": "value_column", "operator": "value_operator", "value": "value_wanted",
}
VALUE_ROWS = {"any": gettext_lazy("a row has"), "no": gettext_lazy("no row has")}
VALUE_OPERATORS = {
    "below": gettext_lazy("below"), "at-most": gettext_lazy("at most"), "above": gettext_lazy("above"),
    "at-least": gettext_lazy("at least"), "is": gettext_lazy("equal to"), "is-not": gettext_lazy("other than"),
    "contains": gettext_lazy("containing"),
}
_SEPARATORS = r"[\s,;]+"


@dataclass(slots=True)
class SubscriptionForm:
    """`typed` and `ticks` by field; `entries` are the subscribers as the API takes them; `problems` are texts."""

    typed: dict[str, str]
    ticks: set[str]
    entries: list[dict[str, Any]] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)

    @classmethod
    def empty(cls, user: User, source: str = "") -> "SubscriptionForm":
        """To begin with: what most people want, and their own address where a report fails or is missing."""
        typed = dict.fromkeys(TEXTS, "") | {
            "source": source, "time_zone": user.time_zone or site().time_zone, "catch_up": "last",
            "catch_up_hours": "24", "form": "attach", "link_days": "14", "least_rows": "1",
            "retry_times": str(RETRY["times"]), "retry_minutes": str(RETRY["pause_s"] // 60), "priority": "0",
            "notify_error": user.email, "notify_warning": user.email, "add_place": "to",
            **_column_value_texts({}),
        }
        return cls(typed, {"link_when_large", "asks_rows", "retries", "with_log"})

    @classmethod
    def of_values(cls, values: Mapping[str, Any]) -> "SubscriptionForm":
        """As it is stored: `subscription_values` of its row."""
        notices = {each["outcome"]: each for each in values["notices"]}
        retry, conditions, schedule = values["retry"], values["conditions"], values["schedule"] or {}
        typed = dict.fromkeys(TEXTS, "") | {
            name: str(values[name] or "") for name in
            ("name", "description", "source", "calendar", "template", "subject", "text", "language", "form", "server")
        } | {
            "parameters": "\n".join(f"{name} = {value}" for name, value in values["parameters"].items()),
            "words": schedule.get("words", ""), "cron": schedule.get("cron", ""),
            "time_zone": schedule.get("time_zone") or site().time_zone, "catch_up": values["catch_up"],
            "catch_up_hours": _number_text(values["catch_up_within_s"] / 3_600), "link_days": str(values["link_days"]),
            "least_rows": str(conditions.get("least_rows", 1)), "retry_times": str(retry.get("times", 0)),
            "retry_minutes": _number_text(retry.get("pause_s", RETRY["pause_s"]) / 60),
            "priority": str(values["priority"]), "add_place": "to", **_iteration_texts(values["iteration"] or {}),
            **_column_value_texts(conditions.get("column_value") or {}),
            **{f"notify_{outcome}": ", ".join(each["addresses"]) for outcome, each in notices.items()},
        }
        ticks = {name for name in ("on_push", "link_when_large") if values[name]}
        ticks |= {"asks_rows"} if "least_rows" in conditions else set()
        ticks |= {"asks_value"} if conditions.get("column_value") else set()
        ticks |= {"only_if_changed"} if conditions.get("only_if_changed") else set()
        ticks |= {"retries"} if retry.get("times") else set()
        ticks |= {"with_log"} if not notices or any(each["with_log"] for each in notices.values()) else set()
        return cls(typed, ticks, [{name: value for name, value in each.items() if value} for each in
                                  values["subscribers"]])

    @classmethod
    def of_post(cls, post: QueryDict) -> "SubscriptionForm":
        typed = {name: post.get(name, "")[:_TYPED_CHARACTERS] for name in TEXTS}
        entries = [entry for token in post.getlist("subscriber")[:_ENTRIES] if (entry := _entry_of(token))]
        form = cls(typed, {name for name in TICKS if name in post}, entries)
        if gone := post.get("remove"):
            form.entries = [entry for entry in form.entries if token_of(entry) != gone]
        form.take_added()
        return form

    def take_added(self) -> None:
        """Turn what was typed beside the recipients into entries; what is none of ours stays where it was typed."""
        place = "bcc" if self.typed["add_place"] == "bcc" else "to"
        left: list[str] = []
        for text in self._added_texts():
            entry = read_entry(text, place)
            if entry is None:
                left.append(text)
            elif entry not in self.entries:
                self.entries.append(entry)
        self.typed["add"] = ", ".join(left)
        if left:
            text = _("“%(name)s” is no group, recipient or address. Enter an address such as lena@example.org, or add "
                     "the person on the page Recipients.")
            self.problems["subscribers"] = text % {"name": left[0][:100]}

    def _added_texts(self) -> list[str]:
        """A group may have a comma in its name; else commas and semicolons separate."""
        whole = self.typed["add"].strip()
        if whole and read_entry(whole) is not None:
            return [whole]
        return [part.strip() for part in re.split(r"[,;\n]+", whole) if part.strip()]

    @property
    def tokens(self) -> list[str]:
        return [token_of(entry) for entry in self.entries]

    def values(self) -> dict[str, Any]:
        """As `flow.subscriptions.subscribe` takes them; numbers that are none are noted as problems."""
        typed = self.typed
        whole = {
            name: self._whole(name, typed[name] or default)
            for name, default in (("link_days", "14"), ("priority", "0"), ("least_rows", "1"), ("retry_times", "0"))
        }
        schedule = {name: typed[name].strip() for name in ("words", "cron") if typed[name].strip()}
        conditions: dict[str, Any] = {"only_if_changed": "only_if_changed" in self.ticks}
        if "asks_rows" in self.ticks:
            conditions["least_rows"] = whole["least_rows"]
        if "asks_value" in self.ticks:
            conditions["column_value"] = {name: typed[field] for name, field in _COLUMN_VALUE.items()}
        retry = {"times": whole["retry_times"], "pause_s": round(self._number("retry_minutes", "10") * 60)}
        return {
            **{name: typed[name] for name in ("name", "description", "text", "catch_up", "form", "language")},
            **{name: typed[name] or None for name in ("source", "calendar", "template", "server")},
            **{name: name in self.ticks for name in ("on_push", "link_when_large")},
            "subject": " ".join(typed["subject"].split()),
            "parameters": self._parameters(),
            "schedule": {**schedule, "time_zone": typed["time_zone"]} if schedule else None,
            "catch_up_within_s": round(self._number("catch_up_hours", "24") * 3_600),
            "conditions": conditions, "retry": retry if "retries" in self.ticks else {**retry, "times": 0},
            "iteration": self._iteration(), "link_days": whole["link_days"], "priority": whole["priority"],
            "subscribers": self.entries, "notices": self._notices(),
        }

    def note(self, faults: Sequence[FieldError]) -> None:
        """Put each fault beside its field."""
        outcomes = [outcome for outcome in OUTCOMES if self.typed[f"notify_{outcome}"].strip()]
        for fault in faults:
            first, _dot, rest = fault.field.partition(".")
            name = _PLACES.get(fault.field) or _PLACES.get(first, first)
            if first == "notices" and rest.isdigit() and int(rest) < len(outcomes):
                name = f"notify_{outcomes[int(rest)]}"
            self.problems.setdefault(name, translated(fault.text))

    def _notices(self) -> list[dict[str, Any]]:
        return [
            {
                "outcome": outcome, "with_log": "with_log" in self.ticks,
                "addresses": [each for each in re.split(_SEPARATORS, self.typed[f"notify_{outcome}"]) if each],
            }
            for outcome in OUTCOMES if self.typed[f"notify_{outcome}"].strip()
        ]

    def _parameters(self) -> dict[str, str]:
        """Lines of the form "name = value"."""
        found = {}
        for line in self.typed["parameters"].splitlines():
            name, sign, value = line.partition("=")
            if line.strip() and not sign:
                self.problems["parameters"] = _("Write one parameter on a line, such as region = Nordics.")
            elif line.strip():
                found[name.strip()] = value.strip()
        return found

    def _iteration(self) -> dict[str, Any] | None:
        way = self.typed["iteration"]
        if way not in ("fact", "mapping"):
            return None
        column = self.typed["column"].strip()
        if way == "fact":
            return {"column": column, "value": self.typed["fact"].strip()}
        to = {}
        for line in self.typed["mapping"].splitlines():
            value, sign, addresses = line.partition(":")
            if line.strip() and not sign:
                self.problems["iteration"] = _("Write one value on a line, such as North: anna@example.org.")
            elif line.strip():
                to[value.strip()] = [each for each in re.split(_SEPARATORS, addresses) if each]
        return {"column": column, "to": to}

    def _whole(self, name: str, text: str) -> int:
        if not re.fullmatch(r"-?\d{1,9}", text.strip(), re.ASCII):
            self.problems[name] = _("Enter a whole number.")
            return 0
        return int(text)

    def _number(self, name: str, default: str) -> float:
        text = (self.typed[name].strip() or default).replace(",", ".")
        if not re.fullmatch(r"\d{1,7}(\.\d{1,3})?", text, re.ASCII):
            self.problems[name] = _("Enter a number.")
            return float(default)
        return float(text)


def token_of(entry: Mapping[str, Any]) -> str:
    """An entry as the form carries it: "to group 01J…"."""
    kind = next(kind for kind in ("recipient", "group", "address") if entry.get(kind))
    return f"{entry.get('place', 'to')} {kind} {entry[kind]}"


def _entry_of(token: str) -> dict[str, Any] | None:
    parts = token.split(" ", 2)
    if len(parts) != 3 or parts[0] not in ("to", "bcc") or parts[1] not in ("recipient", "group", "address"):
        return None
    return {parts[1]: parts[2], "place": parts[0]}


def _iteration_texts(iteration: Mapping[str, Any]) -> dict[str, str]:
    if not iteration:
        return {}
    way = "fact" if "value" in iteration else "mapping"
    lines = [f"{value}: {', '.join(addresses)}" for value, addresses in iteration.get("to", {}).items()]
    return {
        "iteration": way, "column": iteration["column"], "fact": iteration.get("value", ""),
        "mapping": "\n".join(lines),
    }


def _column_value_texts(condition: Mapping[str, str]) -> dict[str, str]:
    usual = {"rows": "any", "column": "", "operator": "below", "value": ""}
    return {field: condition.get(name, usual[name]) for name, field in _COLUMN_VALUE.items()}


def _number_text(value: float) -> str:
    """ "24" and "1.5"."""
    return f"{value:.3f}".rstrip("0").rstrip(".")
