"""A frame for HTML that a stranger may have written: without cookies, script or network (W4).

The frame's address carries its own short-lived permission, so that no cookie is read or set there.
"""

from collections.abc import Callable
from typing import Any

from csp.decorators import csp
from django.contrib.auth.decorators import login_not_required
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_exempt
from django.views.decorators.http import require_safe

AGE_S = 600
_POLICY = {
    "sandbox": ["allow-popups"],
    "default-src": ["'none'"],
    "img-src": ["data:"],
    "style-src": ["'unsafe-inline'"],
    "frame-ancestors": ["'self'"],
}


def frame_url(view: str, key: str) -> str:
    """The address of a frame with permission to see what `key` names, for ten minutes."""
    signed = signing.dumps(key, salt=_salt(view))
    return f"{reverse(view, args=[key])}?key={signed}"


def sealed(view: str) -> Callable[[Callable[[str], str]], Any]:
    """Make a view of a function that gives the HTML for a key; `view` is the name of its address."""

    def decorated(html_of: Callable[[str], str]) -> Any:
        def frame(request: HttpRequest, key: str) -> HttpResponse:
            try:
                permitted = signing.loads(request.GET.get("key", ""), salt=_salt(view), max_age=AGE_S)
            except signing.BadSignature:
                permitted = None
            if permitted != key:
                text = _("Open the message again to see it.")
                return HttpResponse(text, status=403, content_type="text/plain; charset=utf-8")
            return HttpResponse(html_of(key), content_type="text/html; charset=utf-8")

        guarded: Any = csp(_POLICY)(require_safe(frame))  # type: ignore[arg-type]
        return login_not_required(xframe_options_exempt(never_cache(guarded)))

    return decorated


def download(octets: bytes, name: str) -> HttpResponse:
    """Always a download of no particular type: a stranger's bytes are never rendered."""
    ascii_name = name.encode("ascii", "replace").decode().replace("?", "_").replace('"', "_").replace("\\", "_")
    response = HttpResponse(octets, content_type="application/octet-stream")
    response["Content-Disposition"] = f'attachment; filename="{ascii_name}"'
    return response


def _salt(view: str) -> str:
    return f"postroom.frame.{view}"
