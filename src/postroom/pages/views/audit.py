"""The audit trail: who changed what, when. Everybody who may sign in may read it."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from postroom.pages.queries.audit import trail


@require_safe
def audit(request: HttpRequest) -> HttpResponse:
    context = {"crumbs": [(_("Administration"), ""), (_("Audit trail"), "")], "trail": trail(request.GET)}
    return render(request, "pages/audit.html", context)
