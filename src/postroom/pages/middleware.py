"""Every page needs a signed-in person unless it says otherwise; times are shown in that person's zone."""

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone


class SignInRequired(LoginRequiredMiddleware):
    """Django's own, for the addresses of this room; the API has its tokens."""

    def process_view(self, request: HttpRequest, view_func: Any, view_args: Any, view_kwargs: Any) -> Any:
        if not _is_personal(request, view_func):
            return None
        return super().process_view(request, view_func, view_args, view_kwargs)

    def handle_no_permission(self, request: HttpRequest, view_func: Any) -> Any:
        """A poll of a page whose session has ended loads the page anew, which leads to the sign-in."""
        if request.headers.get("HX-Request"):
            return HttpResponse(status=401, headers={"HX-Refresh": "true"})
        return super().handle_no_permission(request, view_func)


class TimeZoneOfUser:
    """Activate the signed-in person's time zone for the request."""

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with timezone.override(None):
            return self._get_response(request)

    def process_view(self, request: HttpRequest, view_func: Any, *_: Any) -> None:
        if _is_personal(request, view_func):
            timezone.activate(_zone_of(request))


def _is_personal(request: HttpRequest, view: Any) -> bool:
    """Whether it is a page behind the sign-in. The others must not even look at the session."""
    match = request.resolver_match
    return match is not None and match.app_name == "pages" and getattr(view, "login_required", True)


def _zone_of(request: HttpRequest) -> ZoneInfo:
    name = getattr(request.user, "time_zone", "UTC") if request.user.is_authenticated else "UTC"
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
