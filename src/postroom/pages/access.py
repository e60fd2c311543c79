"""Who is behind a request, and who may change what."""

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _

from postroom.store.models import User

View = Callable[..., Any]


def person(request: HttpRequest) -> User:
    """The signed-in user; only for views behind SignInRequired."""
    return cast(User, request.user)


def administrator_only(view: View) -> View:
    """Answer 403 with the reason to everybody else."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if person(request).is_administrator:
            return view(request, *args, **kwargs)
        return _refused(request, _("Only an administrator can do this. Ask one, or log in with another account."))

    return guarded


def operator_only(view: View) -> View:
    """Like `administrator_only`, for what an operator may do too."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if person(request).role in (User.Role.ADMINISTRATOR, User.Role.OPERATOR):
            return view(request, *args, **kwargs)
        return _refused(request, _("Only an operator or an administrator can do this."))

    return guarded


def _refused(request: HttpRequest, text: str) -> HttpResponse:
    return render(request, "pages/problem.html", {"title": _("Not allowed"), "text": text}, status=403)
