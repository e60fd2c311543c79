"""Pages for what goes wrong before a page could answer."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _

from postroom import __version__
from postroom.pages.middleware import activate_for_person


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001 - Django calls it by name
    activate_for_person(request)
    text = _("The form was open too long, or came from elsewhere. Go back, load the page anew and try again.")
    return _page(request, _("Nothing was changed"), text, 403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django calls it by name
    activate_for_person(request)
    return _page(request, _("Not found"), _("There is nothing at this address, or it has been removed."), 404)


def failed(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - Django calls it by name
    """Without anything that reads the database, which may be what failed."""
    text = _("Postroom failed to answer. The cause is in the service's log; nothing that was accepted is lost.")
    values = {"title": _("Something failed here"), "text": text, "version": __version__}
    page = render_to_string("pages/problem_bare.html", values)
    return HttpResponse(page, status=500)


def _page(request: HttpRequest, title: str, text: str, status: int) -> HttpResponse:
    template = "pages/problem.html" if request.user.is_authenticated else "pages/problem_bare.html"
    return render(request, template, {"title": title, "text": text}, status=status)
