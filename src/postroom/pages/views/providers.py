"""What choosing a provider fills in and asks for, as a part of the form Configure SMTP server."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from postroom.pages.access import administrator_only
from postroom.pages.queries.providers import chosen


def asked_provider(request: HttpRequest) -> tuple[str, str]:
    """(slug, region) as the form's provider card asks: a tile, or one of the further ones, which wins."""
    return (request.GET.get("more") or request.GET.get("provider") or "")[:60], request.GET.get("region", "")[:253]


@administrator_only
@require_GET
def provider(request: HttpRequest) -> HttpResponse:
    found = chosen(*asked_provider(request))
    if found is None:
        raise Http404
    return render(request, "pages/parts/provider_answer.html", {"chosen": found})
