"""Requests read strictly: JSON that has one reading, no unknown field, no unknown query parameter (W11)."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.http import HttpRequest
from ninja.parser import Parser
from ninja.types import DictStrAny
from pydantic import BaseModel

from postroom.flow.messages.submitted import field_error
from postroom.terms.problem import FieldError, Problem, invalid_fields
from postroom.terms.strict_json import JsonProblem, strict_json


class StrictParser(Parser):
    """Reads bodies with `strict_json`."""

    def parse_body(self, request: HttpRequest) -> DictStrAny:
        kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            detail = "Send JSON, as Content-Type: application/json."
            raise Problem(415, "unsupported-type", "The body has another type", detail)
        try:
            value = strict_json(request.body)
        except JsonProblem as problem:
            raise Problem(400, "malformed", "The request can't be read", str(problem)) from None
        if not isinstance(value, dict):
            raise Problem(400, "malformed", "The request can't be read", "The body has to be a JSON object.")
        return value


def refuse_unknown_query(request: HttpRequest, model: type[BaseModel] | None = None) -> None:
    """Raise Problem when the address has parameters that `model` doesn't know, or one of them twice."""
    known = set(model.model_fields) if model else set()
    errors = [
        FieldError(name, "unknown", "There is no such parameter here.") for name in request.GET if name not in known
    ]
    errors += [
        FieldError(name, "twice", "Give this parameter once.")
        for name, values in request.GET.lists()
        if name in known and len(values) > 1
    ]
    if errors:
        raise invalid_fields(errors)


def errors_of(faults: Iterable[Mapping[str, Any]]) -> list[FieldError]:
    """Each fault of a validation by the API's name of the field."""
    errors = []
    for fault in faults:
        # The first parts are where the value stood: "body", and the name of the function's argument.
        place = [str(part) for part in fault["loc"]]
        field = ".".join(place[2:] if place[:1] == ["body"] else place[1:])
        errors.append(field_error(field, str(fault["type"]), str(fault["msg"])))
    return errors
