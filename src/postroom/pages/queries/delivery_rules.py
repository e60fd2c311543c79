"""Delivery rules as the page shows them: each condition in words, and what is the matter with a rule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from postroom.flow.servers.delivery_rules import rows_in_order
from postroom.store.models import ApiToken, DeliveryRule

from .message_filters import PURPOSES


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A rule of the list. `problem` says why it is passed over, "" when it is not."""

    rule: DeliveryRule
    place: int
    title: str
    conditions: list[str]
    problem: str

    @property
    def is_first(self) -> bool:
        return self.place == 1


def rule_rows() -> list[RuleRow]:
    """All rules in their order."""
    rows = rows_in_order()
    clients = client_names(id_ for row in rows for id_ in row.clients)
    return [_row(row, place, clients) for place, row in enumerate(rows, 1)]


def client_names(ids: object) -> dict[str, str]:
    """Names of API tokens by id."""
    wanted = {str(id_) for id_ in ids}  # type: ignore[attr-defined]
    return dict(ApiToken.objects.filter(pk__in=wanted).values_list("pk", "name")) if wanted else {}


def title_of(rule: DeliveryRule, conditions: Sequence[str]) -> str:
    """Its name, or its conditions where it has none."""
    return rule.name or "; ".join(conditions) or _("Every message")


def conditions_of(rule: DeliveryRule, clients: Mapping[str, str]) -> list[str]:
    """Each condition in words; none for a rule that fits every message."""
    words = []
    if rule.purposes:
        words.append(_("Purpose: %(list)s") % {"list": _list([str(PURPOSES.get(p, p)) for p in rule.purposes])})
    if rule.recipient_domains:
        words.append(_("All recipients in %(list)s") % {"list": _list(rule.recipient_domains)})
    if rule.senders:
        words.append(_("From %(list)s") % {"list": _list(rule.senders)})
    if rule.clients:
        names = [clients.get(id_, _("a token that is gone")) for id_ in rule.clients]
        words.append(_("Application: %(list)s") % {"list": _list(names)})
    if rule.tags:
        words.append(_("Tag: %(list)s") % {"list": _list(rule.tags)})
    if rule.min_attempts:
        text = ngettext("After %(n)s try without success", "After %(n)s tries without success", rule.min_attempts)
        words.append(text % {"n": rule.min_attempts})
    return words


def _list(values: Sequence[str]) -> str:
    return values[0] if len(values) == 1 else _("%(first)s or %(last)s") % {
        "first": ", ".join(values[:-1]), "last": values[-1]
    }


def _row(rule: DeliveryRule, place: int, clients: Mapping[str, str]) -> RuleRow:
    conditions = conditions_of(rule, clients)
    return RuleRow(rule, place, title_of(rule, conditions), conditions, _problem(rule))


def _problem(rule: DeliveryRule) -> str:
    if not rule.enabled:
        return _("Switched off")
    if rule.server is None:
        return _("Passed over: its server was removed.")
    if not rule.server.takes_deliveries and rule.only:
        return _("Its messages wait: %(server)s takes no deliveries now.") % {"server": rule.server.name}
    if not rule.server.takes_deliveries:
        return _("Passed over: %(server)s takes no deliveries now.") % {"server": rule.server.name}
    return ""
