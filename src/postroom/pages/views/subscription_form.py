"""The editor of a subscription: new and changed ones, its recipients while they are put together, and the preview."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from postroom.flow.instance.instance import LANGUAGES
from postroom.flow.instance.reader import translated
from postroom.flow.instance.refusals import NotPossible, SettingsRefused
from postroom.flow.reports.report_sources import add_source, newest_report, sources
from postroom.flow.runs.ask_run import send_to
from postroom.flow.servers.server_order import servers_in_order
from postroom.flow.subscriptions.subscribe import add_subscription, change_subscription
from postroom.flow.subscriptions.subscribers import subscribers_of
from postroom.flow.subscriptions.subscription_values import subscription_values
from postroom.pages.access import operator_only, person
from postroom.pages.forms.report_source import NEW_SOURCE_PREFIX, SourceForm, source_choices
from postroom.pages.forms.subscription import NEW_SOURCE, VALUE_OPERATORS, VALUE_ROWS, SubscriptionForm
from postroom.pages.queries.schedule import schedule_context
from postroom.pages.queries.subscription_preview import FRAME, frame_html, preview_of
from postroom.pages.queries.subscriptions import chips, last_runs, mode_of, reach, suggestions
from postroom.pages.queries.templates import report_templates
from postroom.pages.sealed_frame import sealed
from postroom.store.models import ReportSource, Subscription

FORMS = {
    "attach": gettext_lazy("Attach the file"),
    "embed": gettext_lazy("Show it in the message"),
    "zip": gettext_lazy("Attach it as a ZIP"),
    "link": gettext_lazy("Send a link to it"),
}
_CATCH_UPS = {
    "last": gettext_lazy("Run the last of them once"),
    "all": gettext_lazy("Run all of them"),
    "none": gettext_lazy("Leave them out"),
}
_LABELS = {
    "name": gettext_lazy("Name of the subscription"),
    "source": gettext_lazy("Source"),
    "parameters": gettext_lazy("Parameters"),
    "description": gettext_lazy("Description"),
    "words": gettext_lazy("Run in plain words"),
    "cron": gettext_lazy("Cron expression"),
    "time_zone": gettext_lazy("Time zone"),
    "calendar": gettext_lazy("Calendar"),
    "subscribers": gettext_lazy("Recipients"),
    "subject": gettext_lazy("Subject"),
    "text": gettext_lazy("Text"),
    "least_rows": gettext_lazy("Least number of rows"),
    "value_column": gettext_lazy("Column of the condition"),
    "value_wanted": gettext_lazy("Value of the condition"),
    "retry_times": gettext_lazy("How many more times"),
    "retry_minutes": gettext_lazy("Minutes between tries"),
    "notify_error": gettext_lazy("Then tell"),
    "iteration": gettext_lazy("Who gets which file"),
    "notify_success": gettext_lazy("After a success"),
    "notify_warning": gettext_lazy("After a warning"),
    "template": gettext_lazy("Template"),
    "language": gettext_lazy("Language"),
    "server": gettext_lazy("Server"),
    "priority": gettext_lazy("Priority"),
    "catch_up_hours": gettext_lazy("If they are not older than (hours)"),
    "link_days": gettext_lazy("Links to large reports work for (days)"),
}
_VALUES = (
    ("{{ recipient.name }}", gettext_lazy("Name of the recipient")), ("{{ run.date }}", gettext_lazy("Date")),
    ("{{ run.week }}", gettext_lazy("Week number")), ("{{ run.month }}", gettext_lazy("Month")),
    ("{{ report.rows }}", gettext_lazy("Number of rows")), ("{{ report.name }}", gettext_lazy("File name")),
    ("{{ subscription.name }}", gettext_lazy("Name of the subscription")),
)
_COLUMNS = 20
_FILES, _NOTICES = ("iteration",), ("notify_success", "notify_warning")
_SENDING = ("template", "language", "server", "priority", "catch_up_hours", "link_days")


@operator_only
@require_http_methods(["GET", "HEAD", "POST"])
def new_subscription(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        return _posted(request, None)
    return _page(request, SubscriptionForm.empty(person(request), request.GET.get("source", "")[:26]), None)


@operator_only
@require_http_methods(["GET", "HEAD", "POST"])
def edit_subscription(request: HttpRequest, subscription_id: str) -> HttpResponse:
    row = get_object_or_404(Subscription.objects.select_related("source", "owner", "template"), pk=subscription_id)
    if request.method == "POST":
        return _posted(request, row)
    return _page(request, SubscriptionForm.of_values(subscription_values(row)), row)


@operator_only
@require_POST
def recipients(request: HttpRequest) -> HttpResponse:
    """The card of recipients alone, after one was added or taken away."""
    form = SubscriptionForm.of_post(request.POST)
    context = {"form": form, "is_part": True, **_recipients_context(form, None)}
    return render(request, "pages/parts/subscription_recipients.html", context)


@operator_only
@require_POST
def preview(request: HttpRequest) -> HttpResponse:
    """What the preview shows of a form that nobody has saved."""
    form, now = SubscriptionForm.of_post(request.POST), timezone.now()
    row = Subscription.objects.filter(pk=request.POST.get("of", "")[:26]).first()
    context = {"preview": preview_of(form.values(), now, mode_of(row, now) if row else None)}
    return render(request, "pages/parts/subscription_preview_in.html", context)


@sealed(FRAME)
def preview_frame(key: str) -> str:
    return frame_html(key)


def _posted(request: HttpRequest, row: Subscription | None) -> HttpResponse:
    form, source = SubscriptionForm.of_post(request.POST), SourceForm.posted(request.POST, NEW_SOURCE_PREFIX)
    step = request.POST.get("do", "")
    saved = None
    if step in ("save", "send") and _has_source(request, form, source):
        values = form.values()
        saved = None if form.problems else _saved(request, form, values, row)
    if saved is None:
        return _page(request, form, row, source)
    if step == "send":
        return _sent(request, saved)
    messages.success(request, _("%(name)s is saved.") % {"name": saved.name})
    return redirect("pages:subscription", saved.pk)


def _has_source(request: HttpRequest, form: SubscriptionForm, source: SourceForm) -> bool:
    """Where a new source was filled in, it is made and chosen; False where it was refused."""
    user = person(request)
    if form.typed["source"] != NEW_SOURCE or not user.is_administrator:
        return True
    source.typed["name"] = source.typed["name"].strip() or form.typed["name"].strip()
    try:
        form.typed["source"] = add_source(source.values(), user.email).pk
        if source.typed["kind"] == ReportSource.Kind.PUSHED and not (form.typed["words"] or form.typed["cron"]):
            # What else should set it off?
            form.ticks.add("on_push")
    except SettingsRefused as refused:
        source.take(refused.problems)
    except NotPossible as reason:
        source.problems = {"name": translated(str(reason))}
    return not source.problems


def _saved(
    request: HttpRequest, form: SubscriptionForm, values: dict[str, Any], row: Subscription | None
) -> Subscription | None:
    """None where it was refused; the form knows why."""
    user, now = person(request), timezone.now()
    if not values["name"].strip():
        values["name"] = next((each.name for each in sources() if each.pk == values["source"]), "")
    try:
        if row is None:
            return add_subscription(values, user.email, now, owner=user)
        return change_subscription(row.pk, values, user.email, now)
    except SettingsRefused as refused:
        form.note(refused.problems)
    except NotPossible as reason:
        messages.error(request, translated(str(reason)))
    return None


def _sent(request: HttpRequest, saved: Subscription) -> HttpResponse:
    user = person(request)
    try:
        run = send_to(saved.pk, user.email, user.email, timezone.now())
    except NotPossible as reason:
        messages.success(request, _("%(name)s is saved.") % {"name": saved.name})
        messages.error(request, translated(str(reason)))
        return redirect("pages:subscription", saved.pk)
    messages.success(request, _("Saved. The report is on its way to %(address)s.") % {"address": user.email})
    return redirect("pages:run", saved.pk, run.pk)


def _page(
    request: HttpRequest, form: SubscriptionForm, row: Subscription | None, source: SourceForm | None = None
) -> HttpResponse:
    source = source if source is not None and source.typed["kind"] else SourceForm.empty(NEW_SOURCE_PREFIX)
    back = reverse("pages:subscription", args=[row.pk]) if row else reverse("pages:subscriptions")
    crumbs = [(_("Subscriptions"), reverse("pages:subscriptions"))]
    crumbs += [(row.name, back), (_("Change"), "")] if row else [(_("New subscription"), "")]
    columns = _columns(form.typed["source"])
    context = {
        "crumbs": crumbs, "back": back, "form": form, "subscription": row, "may_operate": True,
        "part_url": request.path, "mode": mode_of(row, timezone.now()) if row else None,
        "last_run": last_runs([row.pk]).get(row.pk) if row else None,
        "summary": [
            *((name, label, form.problems[name]) for name, label in _LABELS.items() if name in form.problems),
            *source.summary(),
        ],
        "sources": sources(), "may_add_source": person(request).is_administrator, "source_form": source,
        "templates": report_templates(), "servers": servers_in_order(),
        "languages": LANGUAGES, "forms": FORMS.items(), "catch_ups": _CATCH_UPS.items(),
        "value_codes": [*_VALUES, *columns], "columns": [name for _code, name in columns],
        "value_rows": VALUE_ROWS.items(), "value_operators": VALUE_OPERATORS.items(),
        "opens": _opened(form), **_recipients_context(form, row), **schedule_context(form.typed),
        **source_choices(),
    }
    return render(request, "pages/subscription_form.html", context, status=422 if context["summary"] else 200)


def _recipients_context(form: SubscriptionForm, row: Subscription | None) -> dict[str, Any]:
    subscribers = subscribers_of(form.entries, [])
    return {
        "chips": chips(form.entries, form.tokens), "suggestions": suggestions(),
        "reach": reach(subscribers, row.list_name if row else ""),
    }


def _columns(source_id: str) -> list[tuple[str, str]]:
    """How a text names the columns of the source's newest report, of its first row."""
    source = next((each for each in sources() if each.pk == source_id), None)
    report = newest_report(source) if source is not None else None
    columns = (report.sample or {}).get("columns", []) if report is not None else []
    return [
        (f"{{{{ first.{name} }}}}" if name.isidentifier() and name.isascii() else f'{{{{ first["{name}"] }}}}', name)
        for name in map(str, columns[:_COLUMNS]) if '"' not in name
    ]


def _opened(form: SubscriptionForm) -> dict[str, bool]:
    """Which folded parts have something that is not as usual, or is wrong."""
    typed, wrong = form.typed, form.problems
    return {
        "files": bool(typed["iteration"]) or any(name in wrong for name in _FILES),
        "notices": bool(typed["notify_success"]) or any(name in wrong for name in _NOTICES),
        "sending": any(typed[name] for name in ("template", "language", "server"))
        or "on_push" in form.ticks or any(name in wrong for name in _SENDING),
    }
