"""Every page needs a signed-in person unless it says otherwise, and speaks that person's language and time zone."""

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers

from postroom.flow.instance.instance import LANGUAGES, site
from postroom.flow.instance.reader import accepted_language

LANGUAGE_COOKIE = "postroom_language"


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


class LanguageAndZoneOfReader:
    """Activate the reader's language and, once it is known who reads, the person's own language and time zone.

    Before sign-in the language is the one chosen on the page, else the browser's wish, else the site's. The API speaks
    English unless the request asks for another language.
    """

    sync_capable = True
    async_capable = False

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with timezone.override(None), translation.override(_language_of(request)):
            response = self._get_response(request)
        patch_vary_headers(response, ("Accept-Language",))
        return response

    def process_view(self, request: HttpRequest, view_func: Any, *_: Any) -> None:
        if _is_personal(request, view_func):
            activate_for_person(request)


def activate_for_person(request: HttpRequest) -> None:
    """The signed-in person's language and zone from here on; nothing when nobody is signed in."""
    if not request.user.is_authenticated:
        return
    timezone.activate(_zone(request.user.time_zone))
    if request.user.language in LANGUAGES:
        translation.activate(request.user.language)


def _is_personal(request: HttpRequest, view: Any) -> bool:
    """Whether it is a page behind the sign-in. The others must not even look at the session."""
    match = request.resolver_match
    return match is not None and match.app_name == "pages" and getattr(view, "login_required", True)


def _language_of(request: HttpRequest) -> str:
    wanted = accepted_language(request.headers.get("Accept-Language", ""))
    if request.path.startswith(("/api/", "/health/")):
        return wanted or "en"
    chosen = request.COOKIES.get(LANGUAGE_COOKIE, "")
    return chosen if chosen in LANGUAGES else wanted or site().language


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
