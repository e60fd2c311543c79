"""Every refusal of the API is problem+json naming field and remedy; nothing that was entered is repeated."""

import json
import logging
from collections.abc import Callable
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError

from postroom.flow.servers.configure import NotPossible, SettingsRefused
from postroom.terms.problem import MEDIA_TYPE, Problem, invalid_fields

from .strict_parser import errors_of

log = logging.getLogger("postroom.api")


def response_of(problem: Problem) -> HttpResponse:
    """The problem as an HTTP response."""
    body = json.dumps(problem.as_json(), ensure_ascii=False).encode("utf-8", "backslashreplace")
    return HttpResponse(body, status=problem.status, content_type=MEDIA_TYPE, headers=problem.header)


def not_found() -> Problem:
    return Problem(404, "not-found", "There is no such thing", "Check address and id; /api/docs lists every address.")


def add_refusals(api: NinjaAPI) -> None:
    """Have `api` answer each fault of a request, and its own, as a problem."""

    def refuse(kind: type[Exception], problem_of: Callable[[HttpRequest, Exception], Problem]) -> None:
        def answer(request: HttpRequest, error: Any) -> HttpResponse:
            return response_of(problem_of(request, error))

        api.add_exception_handler(kind, answer)

    refuse(Problem, lambda _, error: error if isinstance(error, Problem) else _fault(error))
    refuse(Http404, lambda _, __: not_found())
    refuse(ValidationError, lambda _, error: invalid_fields(errors_of(getattr(error, "errors", []))))
    refuse(SettingsRefused, lambda _, error: _settings_problem(error))
    refuse(NotPossible, lambda _, error: Problem(409, "not-possible", "That is not possible now", str(error)))
    refuse(HttpError, lambda _, error: _unreadable(error))
    refuse(RequestDataTooBig, lambda _, __: Problem(413, "too-large", "The content is too large", "Send less."))
    refuse(OperationalError, lambda _, error: _busy(error))
    refuse(Exception, lambda _, error: _fault(error))


def problems_for_api(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Middleware: what Django refuses by itself below /api/, such as a method, is a problem too."""

    def answered(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if response.status_code == 405 and request.path.startswith("/api/"):
            detail = f"Allowed here: {response.get('Allow', 'another method')}."
            refused = response_of(Problem(405, "method-not-allowed", "This address has no such method", detail))
            refused["Allow"] = response.get("Allow", "")
            return refused
        return response

    return answered


def _unreadable(error: Exception) -> Problem:
    """ninja wraps what our parser raises."""
    cause = error.__cause__
    return cause if isinstance(cause, Problem) else Problem(400, "malformed", "The request can't be read", str(error))


def _settings_problem(error: Exception) -> Problem:
    problems = error.problems if isinstance(error, SettingsRefused) else []
    return invalid_fields(problems)


def _busy(error: Exception) -> Problem:
    log.warning("the database could not be used: %s", error)
    detail = "The database is busy. Ask again in a moment."
    return Problem(503, "storage-busy", "The database is busy", detail, retry_after_s=5)


def _fault(error: Exception) -> Problem:
    log.error("a request of the API failed", exc_info=error)
    return Problem(500, "fault", "Postroom failed", "The fault is written to the log of Postroom.")
