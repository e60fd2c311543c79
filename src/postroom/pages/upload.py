"""How large the body of a request to a page may be: small, but for signed-in people who write a message with files."""

from http.cookies import CookieError, SimpleCookie

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore

# Base64 makes a third more of it; most servers take 25 to 35 MB.
UPLOAD_BYTES = 18 * 1024 * 1024
_FORM_BYTES = 3 * 1024 * 1024
_ADDRESS = "/messages/new"


async def takes_upload(method: str, path: str, cookie: str) -> bool:
    """Whether a request may bring files along; asked before its body is read."""
    if method != "POST" or path != _ADDRESS:
        return False
    try:
        found = SimpleCookie(cookie).get(settings.SESSION_COOKIE_NAME)
    except CookieError:
        return False
    return found is not None and await sync_to_async(_is_signed_in)(found.value)


def body_limit() -> int:
    """Bytes of such a request: the files and the rest of the form."""
    return UPLOAD_BYTES + _FORM_BYTES


def _is_signed_in(session_key: str) -> bool:
    return SESSION_KEY in SessionStore(session_key).load()
