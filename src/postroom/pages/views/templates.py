"""Templates: the list, the editor with its preview, versions, a test mail, removing one."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from postroom.flow.instance.reader import translated
from postroom.flow.instance.refusals import NotPossible, SettingsRefused
from postroom.flow.messages.request import Person
from postroom.flow.notices.account_mail import ACCOUNT_TEMPLATES
from postroom.flow.notices.hand_in import handed_in
from postroom.flow.templates.template_edit import change_template, new_template, remove_template, use_version
from postroom.flow.templates.template_preview import TemplatePreview
from postroom.flow.templates.templates import attachments_of, sources_of
from postroom.pages.access import administrator_only, operator_only, person
from postroom.pages.forms.template import TemplateForm
from postroom.pages.queries.templates import (
    FRAME,
    USES,
    Shown,
    drafts,
    shown_of,
    template_rows,
    title_of,
    version_lines,
)
from postroom.pages.sealed_frame import sealed
from postroom.store.blobs import DamagedBlob
from postroom.store.models import Template, User
from postroom.terms.problem import Problem

_LIST = gettext_lazy("Templates")
_CRUMBS = [(gettext_lazy("Administration"), ""), (gettext_lazy("Reports"), "")]


@require_safe
def templates(request: HttpRequest) -> HttpResponse:
    context = {"crumbs": [*_CRUMBS, (_LIST, "")], "rows": template_rows(), "may_operate": _may_operate(request)}
    return render(request, "pages/templates.html", context)


@operator_only
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    return _posted(request, None) if request.method == "POST" else _page(request, None, TemplateForm.of_row(None))


@require_http_methods(["GET", "HEAD", "POST"])
def template(request: HttpRequest, template_id: str) -> HttpResponse:
    """Everybody may read it; with `?version=` an earlier one."""
    row = get_object_or_404(Template, pk=template_id)
    if request.method == "POST":
        answer: HttpResponse = _guard_of(row)(_posted)(request, row)
        return answer
    typed = request.GET.get("version", "")
    version = int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 9 else None
    if version is not None and not sources_of(row, version):
        raise Http404("no such version")
    return _page(request, row, TemplateForm.of_row(row, version), version=version)


@operator_only
@require_POST
def preview(request: HttpRequest) -> HttpResponse:
    """The preview of a form that nobody has saved."""
    form = TemplateForm.of_post(request.POST, None)
    return render(request, "pages/parts/template_preview_in.html", {"preview": _shown(form)})


@sealed(FRAME)
def preview_frame(key: str) -> str:
    digest, _dash, size = key.partition("-")
    try:
        return drafts().read(digest, int(size)).decode("utf-8", "replace")
    except (DamagedBlob, ValueError) as damage:
        raise Http404("the preview is gone") from damage


@require_POST
def use(request: HttpRequest, template_id: str) -> HttpResponse:
    answer: HttpResponse = _guard_of(Template.objects.filter(pk=template_id).first())(_used)(request, template_id)
    return answer


def _used(request: HttpRequest, template_id: str) -> HttpResponse:
    typed = request.POST.get("version", "")
    version = int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 9 else -1
    try:
        use_version(template_id, version, person(request).email)
    except NotPossible as reason:
        messages.error(request, translated(str(reason)))
        return redirect("pages:templates")
    messages.success(request, _("This version is in use now. The others stay, so that you can go back."))
    return redirect("pages:template", template_id)


@operator_only
@require_http_methods(["GET", "HEAD", "POST"])
def remove(request: HttpRequest, template_id: str) -> HttpResponse:
    """Asks first: all versions go with it."""
    row = get_object_or_404(Template, pk=template_id)
    if request.method == "POST":
        try:
            remove_template(row.pk, person(request).email)
        except NotPossible as reason:
            messages.error(request, translated(str(reason)))
            return redirect("pages:template", row.pk)
        messages.success(request, _("%(name)s was removed.") % {"name": row.title})
        return redirect("pages:templates")
    context = {"crumbs": [*_CRUMBS, (_LIST, reverse("pages:templates")), (title_of(row), "")], "template": row}
    return render(request, "pages/template_remove.html", context)


def _posted(request: HttpRequest, row: Template | None) -> HttpResponse:
    form, do = TemplateForm.of_post(request.POST, row), request.POST.get("do", "save")
    if do == "test":
        return _tested(request, row, form)
    values = form.values() if do == "save" else None
    if values is None:
        return _page(request, row, form, status=422 if form.problems else 200)
    actor = person(request).email
    try:
        if row is None:
            texts = {language: parts for language, parts in form.texts.items() if parts is not None}
            saved = new_template(values, texts, actor)
        else:
            saved = change_template(row.pk, values, form.texts, actor)
    except SettingsRefused as refused:
        form.problems += refused.problems
        return _page(request, row, form, status=422)
    except NotPossible as reason:
        messages.error(request, translated(str(reason)))
        return _page(request, row, form, status=409)
    messages.success(request, _("Template saved."))
    return redirect("pages:template", saved.pk)


def _tested(request: HttpRequest, row: Template | None, form: TemplateForm) -> HttpResponse:
    """What was typed goes to whoever typed it, on the way of every mail."""
    shown, user = _shown(form), person(request)
    if shown.made is None:
        messages.error(request, shown.fault)
        return _page(request, row, form, status=422)
    try:
        accepted = handed_in([_test_mail(shown.made, user)], Person(user.pk, user.name or user.email))
    except Problem as problem:
        text = problem.errors[0].text if problem.errors else problem.detail
        messages.error(request, translated(text))
        return _page(request, row, form, status=422)
    address = reverse("pages:message", args=[accepted[0].enqueued.id])
    text = _("A test is on its way to %(address)s.") % {"address": user.email}
    return _page(request, row, form, said={"text": text, "address": address})


def _test_mail(made: TemplatePreview, user: User) -> dict[str, Any]:
    rendered = made.rendered
    body: dict[str, Any] = {
        "to": user.email, "subject": rendered.subject, "text": rendered.text or None, "html": rendered.html or None,
        "attachments": attachments_of(rendered), "purpose": "communication", "tags": ["template-test"],
    }
    return {name: value for name, value in body.items() if value}


def _shown(form: TemplateForm) -> Shown:
    source, values = form.source(), form.sample_values()
    if form.problems:
        return Shown(None, "", (), " ".join(translated(problem.text) for problem in form.problems[:3]))
    return shown_of(source, values or {})


def _page(
    request: HttpRequest, row: Template | None, form: TemplateForm, *, status: int = 200, version: int | None = None,
    said: dict[str, str] | None = None,
) -> HttpResponse:
    problems = list(form.problems)
    shown = _shown(form)
    form.problems = problems
    context = {
        "crumbs": [*_CRUMBS, (_LIST, reverse("pages:templates")), (title_of(row) if row else _("Add template"), "")],
        "template": row,
        "title": title_of(row) if row else "",
        "form": form,
        "problems": form.problems_of_facts(),
        "summary": form.summary(),
        "preview": shown,
        "uses": USES.items(),
        "versions": version_lines(row) if row else [],
        "version": version,
        "is_old": row is not None and version is not None and version != row.version,
        "may_operate": _may_operate(request) and (person(request).is_administrator or not _is_of_accounts(row)),
        "said": said,
    }
    return render(request, "pages/template.html", context, status=status)


def _may_operate(request: HttpRequest) -> bool:
    return person(request).role != User.Role.VIEWER


def _guard_of(row: Template | None) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """Whoever writes the mails that set passwords could send the links in them elsewhere, an administrator's too."""
    return administrator_only if _is_of_accounts(row) else operator_only


def _is_of_accounts(row: Template | None) -> bool:
    return row is not None and row.name in ACCOUNT_TEMPLATES
