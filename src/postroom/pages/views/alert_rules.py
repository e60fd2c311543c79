"""Rules for alerts, and whom alerts go to."""

import re
from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from postroom.flow.alerts.alert_rules import (
    NAME_CHARACTERS,
    add_rule,
    change_rule,
    remove_rule,
    reset_rule,
    rule_json,
    rules_in_order,
    settings_of,
)
from postroom.flow.alerts.alert_settings import alert_settings, change_alert_settings
from postroom.flow.alerts.alert_words import name_of_rule
from postroom.flow.instance.instance import site
from postroom.flow.instance.reader import translated
from postroom.flow.instance.refusals import NotPossible, SettingsRefused
from postroom.pages.access import administrator_only, person
from postroom.pages.queries.alerts import kinds_to_add, numbers_of, rule_lines, severities
from postroom.policy.alert_kinds import KINDS
from postroom.store.models import AlertRule
from postroom.terms.problem import FieldError

_LIST = gettext_lazy("Alert rules")
_CRUMBS = [(gettext_lazy("Administration"), ""), (gettext_lazy("Who is told"), "")]
_LABELS = {
    "name": gettext_lazy("Name"), "severity": gettext_lazy("Severity"), "addresses": gettext_lazy("Who is told"),
    "digest_minutes": gettext_lazy("Minutes that warnings wait for others"),
    "remind_hours": gettext_lazy("Hours until a reminder"), "quiet_from": gettext_lazy("Quiet from"),
    "quiet_until": gettext_lazy("Quiet until"), "escalate_to": gettext_lazy("Who is told then"),
    "escalate_minutes": gettext_lazy("Minutes until somebody else is told"),
}
_NUMBERS = ("digest_minutes", "remind_hours", "escalate_minutes")
_TYPED_CHARACTERS = 20_000


@require_safe
def alert_rules(request: HttpRequest) -> HttpResponse:
    """Everybody may read them."""
    return _page(request, alert_settings().as_json(), [])


@administrator_only
@require_POST
def settings(request: HttpRequest) -> HttpResponse:
    """Whom alerts go to, and when."""
    post = request.POST
    typed: dict[str, Any] = {
        **{name: _addresses(post.get(name, "")) for name in ("addresses", "escalate_to")},
        **{name: _number(post.get(name, "")) for name in _NUMBERS},
        **{name: post.get(name, "").strip()[:20] for name in ("quiet_from", "quiet_until")},
        "tell_closed": "tell_closed" in post,
    }
    try:
        change_alert_settings(typed, person(request).email)
    except SettingsRefused as refused:
        return _page(request, typed, refused.problems)
    messages.success(request, _("Saved. It holds from now on."))
    return redirect("pages:alert-rules")


@administrator_only
@require_http_methods(["GET", "HEAD", "POST"])
def new_alert_rule(request: HttpRequest) -> HttpResponse:
    """First a kind, then what it is set to."""
    kind = KINDS.get(request.POST.get("kind", request.GET.get("kind", "")))
    if kind is None:
        crumbs = [*_CRUMBS, (_LIST, reverse("pages:alert-rules")), (_("Add rule"), "")]
        return render(request, "pages/alert_rule_kinds.html", {"crumbs": crumbs, "kinds": kinds_to_add()})
    return _form(request, AlertRule(kind=kind.slug, name="", severity=kind.severity, settings=kind.defaults), True)


@administrator_only
@require_http_methods(["GET", "HEAD", "POST"])
def alert_rule(request: HttpRequest, rule_id: str) -> HttpResponse:
    rules_in_order()
    return _form(request, get_object_or_404(AlertRule, pk=rule_id), False)


@administrator_only
@require_POST
def switch(request: HttpRequest, rule_id: str) -> HttpResponse:
    """On or off, from the list."""
    rules_in_order()
    row = get_object_or_404(AlertRule, pk=rule_id)
    row = change_rule(row.pk, {"enabled": request.POST.get("enabled") == "yes"}, person(request).email)
    text = _("%(name)s is watched.") if row.enabled else _("%(name)s is not watched any more.")
    messages.success(request, text % {"name": name_of_rule(row)})
    return redirect(f"{reverse('pages:alert-rules')}#rule-{row.pk}")


@administrator_only
@require_POST
def remove(request: HttpRequest, rule_id: str) -> HttpResponse:
    """Remove one that was added, or set a built-in one back."""
    row = get_object_or_404(AlertRule, pk=rule_id)
    try:
        if row.built_in:
            reset_rule(row.pk, person(request).email)
            messages.success(request, _("The rule is as it was at the first start."))
        else:
            remove_rule(row.pk, person(request).email)
            messages.success(request, _("The rule was removed, with its alerts."))
    except NotPossible as reason:
        messages.error(request, translated(str(reason)))
    return redirect("pages:alert-rules")


def _page(request: HttpRequest, typed: Mapping[str, Any], problems: list[FieldError]) -> HttpResponse:
    context = {
        "crumbs": [*_CRUMBS, (_LIST, "")], "lines": rule_lines(), "typed": typed,
        "addresses": "\n".join(typed["addresses"]), "escalate_to": "\n".join(typed["escalate_to"]),
        "zone": site().time_zone, "opens": bool(problems) or bool(typed["escalate_to"]) or bool(typed["quiet_from"]),
        **_told(problems),
    }
    return render(request, "pages/alert_rules.html", context, status=422 if problems else 200)


def _form(request: HttpRequest, row: AlertRule, is_new: bool) -> HttpResponse:
    typed, problems = rule_json(row), list[FieldError]()
    if request.method == "POST":
        typed = _typed(request, row)
        try:
            actor = person(request).email
            saved = add_rule(row.kind, typed, actor) if is_new else change_rule(row.pk, typed, actor)
        except SettingsRefused as refused:
            problems = refused.problems
        except NotPossible as reason:
            messages.error(request, translated(str(reason)))
            return redirect("pages:alert-rules")
        else:
            messages.success(request, _("Rule saved."))
            return redirect(f"{reverse('pages:alert-rules')}#rule-{saved.pk}")
    kind = KINDS[row.kind]
    context = {
        "crumbs": [*_CRUMBS, (_LIST, reverse("pages:alert-rules")), (translated(kind.title), "")],
        "rule": row, "is_new": is_new, "title": translated(kind.title), "explanation": translated(kind.explanation),
        "typed": typed, "numbers": numbers_of(row, typed["settings"]), "severities": severities(),
        "addresses": "\n".join(typed["addresses"]), "usual": alert_settings().recipients,
        "most_name": NAME_CHARACTERS, "differs": not is_new and row.built_in and _differs(row), **_told(problems),
    }
    return render(request, "pages/alert_rule.html", context, status=422 if problems else 200)


def _typed(request: HttpRequest, row: AlertRule) -> dict[str, Any]:
    post = request.POST
    return {
        "name": post.get("name", "").strip()[:1_000],
        "severity": post.get("severity", "")[:20],
        "enabled": post.get("enabled") != "no",
        "addresses": _addresses(post.get("addresses", "")),
        "settings": {each.name: _number(post.get(f"settings.{each.name}", "")) for each in KINDS[row.kind].parameters},
    }


def _differs(row: AlertRule) -> bool:
    """Whether it is not as it was at the first start."""
    kind = KINDS[row.kind]
    now = (row.enabled, row.severity, settings_of(row), list(row.addresses), row.name)
    return now != (kind.enabled, str(kind.severity), kind.defaults, [], "")


def _told(problems: list[FieldError]) -> dict[str, Any]:
    return {
        "problems": {problem.field: problem.text for problem in problems},
        "summary": [(each.field, _LABELS.get(each.field, _("Number")), each.text) for each in problems],
    }


def _number(text: str) -> int:
    """-1, which no setting takes, for what is no number."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else -1


def _addresses(text: str) -> list[str]:
    return [value for value in re.split(r"[\s,;]+", text[:_TYPED_CHARACTERS]) if value]
