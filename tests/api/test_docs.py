"""The API documents itself: every address, every problem, nothing from outside, nothing that runs."""

import ast
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

import postroom
from postroom.api.docs_page import PROBLEMS
from postroom.api.openapi import document

from .conftest import caller

SOURCES = sorted(Path(postroom.__file__).parent.rglob("*.py"))
# Raw messages come in over SMTP only: what is a Problem there is a reply, and no answer of the API.
OVER_SMTP = Path(postroom.__file__).parent / "flow" / "acceptance" / "accept_raw.py"
GUIDE = Path(__file__).parents[2] / "docs" / "api.md"


def test_the_document_names_every_address_with_its_refusals() -> None:
    made = caller(None)("get", "/api/v1/openapi.json").json()
    assert made["openapi"].startswith("3.1")
    assert {"/api/v1/messages", "/api/v1/messages/batch"} < set(made["paths"])
    for path, item in made["paths"].items():
        for method, operation in item.items():
            assert operation["summary"], (method, path)
            assert operation["security"], (method, path)
            assert {"401", "403", "422"} <= set(operation["responses"]), (method, path)


def test_whoever_sends_a_body_or_adds_to_the_queue_reads_what_that_may_be_answered() -> None:
    storing = {
        "/api/v1/messages", "/api/v1/messages/batch", "/api/v1/blobs", "/api/v1/report-sources/{source_id}/report",
        "/api/v1/notifications", "/api/v1/messages/{message_id}/resend",
    }
    for path, item in caller(None)("get", "/api/v1/openapi.json").json()["paths"].items():
        for method, operation in item.items():
            told = set(operation["responses"]) & {"408", "429", "507"}
            wanted = {"408"} if "requestBody" in operation else set()
            assert told == wanted | ({"429", "507"} if method == "post" and path in storing else set()), (method, path)


def test_every_reference_of_the_document_leads_somewhere() -> None:
    text = str(document())
    schemas = document()["components"]["schemas"]
    assert set(re.findall(r"#/components/schemas/(\w+)", text)) <= set(schemas)


def test_the_page_shows_every_address_and_field_and_loads_nothing_from_outside() -> None:
    answer = caller(None)("get", "/api/docs")
    page = answer.content.decode()
    for path, item in document()["paths"].items():
        for operation in item.values():
            assert f'id="{operation["operationId"]}"' in page, path
    for field in ("content_base64", "reply_to", "Idempotency-Key", "allow_plain_auth", "based_on"):
        assert field in page
    assert "<script" not in page
    assert " style=" not in page
    assert re.findall(r'(?:href|src)="(?!/|#)', page) == []
    assert "default-src 'none'" in answer["Content-Security-Policy"]


def problem_slugs(paths: Iterable[Path]) -> set[str]:
    """The slug of each Problem that these sources make."""
    found = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Problem":
                slug = node.args[1]
                assert isinstance(slug, ast.Constant), path
                found.add(str(slug.value))
    return found


def test_every_problem_of_the_api_is_explained_and_every_explanation_is_one() -> None:
    assert problem_slugs(path for path in SOURCES if path != OVER_SMTP) == set(PROBLEMS)


def test_what_is_refused_over_smtp_alone_is_no_problem_of_the_api() -> None:
    importers = [path for path in SOURCES if re.search(r"import.*\baccept_raw\b|\baccept_raw import", path.read_text())]
    assert {path.parent.name for path in importers} == {"submission"}
    assert problem_slugs([OVER_SMTP]) - set(PROBLEMS) == {"domain-not-allowed", "from-address-unusable"}


@pytest.mark.parametrize("slug", sorted(PROBLEMS))
def test_the_guide_and_the_page_name_each_problem(slug: str) -> None:
    assert f'id="problem-{slug}"' in caller(None)("get", "/api/docs").content.decode()
    assert f"`{slug}`" in GUIDE.read_text()


def test_the_guide_names_every_address() -> None:
    guide = GUIDE.read_text()
    for path, item in document()["paths"].items():
        for method in item:
            assert re.search(rf"`{method.upper()} {re.escape(path)}`", guide), (method, path)


def test_the_contents_of_the_guide_name_every_section() -> None:
    guide = GUIDE.read_text()
    sections = {title.lower().replace(" ", "-") for title in re.findall(r"^## (.+)$", guide, re.MULTILINE)}
    assert sections - {"contents"} == set(re.findall(r"\]\(#([a-z-]+)\)", guide.split("## Tokens")[0]))


def test_the_guide_names_every_field_of_a_message_and_of_a_server() -> None:
    guide = GUIDE.read_text()
    for model in ("SubmittedMessage", "SubmittedAttachment", "ServerIn", "TestIn", "LimitsIn"):
        for field in document()["components"]["schemas"][model]["properties"]:
            assert f"`{field}`" in guide, (model, field)
