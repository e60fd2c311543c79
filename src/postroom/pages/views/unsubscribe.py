"""Leaving a list by the link in a message: a page with one button for people, and a POST for their mail programs."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from postroom.flow.recipients.unsubscribe import ONE_CLICK, leave, link_of


@csrf_exempt  # the signed token in the address is what allows it; mail programs have no cookie (RFC 8058 section 3.2)
@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """GET changes nothing, whoever fetches it (S5); POST with the field of RFC 8058 leaves the list."""
    link = link_of(token)
    if link is None:
        text = _("This link is not complete, or it was not made here. Use the link in the message as it is.")
        return render(request, "pages/unsubscribe.html", {"title": _("Nothing was changed"), "text": text}, status=404)
    if request.method != "POST":
        return render(request, "pages/unsubscribe.html", {"list": link.list_name, "field": ONE_CLICK})
    name, value = ONE_CLICK
    if request.POST.get(name) != value:
        text = _("The request does not say that it means to unsubscribe.")
        return render(request, "pages/unsubscribe.html", {"title": _("Nothing was changed"), "text": text}, status=400)
    leave(link, timezone.now())
    text = _("You get no more messages of “%(list)s”.") % {"list": link.list_name}
    return render(request, "pages/unsubscribe.html", {"title": _("You are unsubscribed"), "text": text})
