"""Pages for what goes wrong before a page could answer."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001 - Django calls it by name
    text = "The form was open too long, or came from elsewhere. Go back, load the page anew and try again."
    return _page(request, "Nothing was changed", text, 403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - Django calls it by name
    text = "There is nothing at this address, or it has been removed."
    return _page(request, "Not found", text, 404)


def failed(request: HttpRequest) -> HttpResponse:
    text = "Postroom failed to answer. The cause is in the service's log; nothing that was accepted is lost."
    return render(request, "pages/problem_bare.html", {"title": "Something failed here", "text": text}, status=500)


def _page(request: HttpRequest, title: str, text: str, status: int) -> HttpResponse:
    template = "pages/problem.html" if request.user.is_authenticated else "pages/problem_bare.html"
    return render(request, template, {"title": title, "text": text}, status=status)
