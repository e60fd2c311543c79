"""The addresses of the API, its documentation and health."""

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import URLPattern, URLResolver, path, re_path
from django.views.decorators.csrf import csrf_exempt

from .health import live, ready
from .metrics import metrics
from .openapi import docs, openapi
from .refusals import not_found, response_of
from .v1 import api


@csrf_exempt
def nothing(request: HttpRequest) -> HttpResponse:
    """Any other address below /api/: a problem, not a page."""
    del request
    return response_of(not_found())


@csrf_exempt
def only_post(request: HttpRequest, **_: str) -> HttpResponse:
    """An address whose POST the intake answers in front of Django, unless it names what there can't be."""
    return response_of(not_found()) if request.method == "POST" else HttpResponseNotAllowed(["POST"])


urlpatterns: list[URLPattern | URLResolver] = [
    path("health/live", live),
    path("health/ready", ready),
    path("metrics", metrics),
    path("api/docs", docs),
    path("api/v1/openapi.json", openapi),
    re_path(r"^api/v1/$", nothing),
    path("api/v1/blobs", only_post),
    path("api/v1/report-sources/<str:source_id>/report", only_post),
    path("api/v1/", api.urls),
    re_path(r"^api(?:/|$)", nothing),
]
