"""The whole API as its OpenAPI document describes it, asked by a machine that reads nothing else (W11).

Schemathesis makes requests that fit the document and requests that do not, of every operation, to a real `postroom
run`. No answer may be a fault of Postroom, differ from what the document promises, or take what it forbids.
"""

import ast
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import hypothesis
import pytest
import schemathesis
from schemathesis.checks import CHECKS
from tests.house.sources import PACKAGE, tree_of
from tests.rig.installation import Installation, running_postroom

from postroom.api.openapi import document

# Beside the borders of each parameter, which are asked anyhow. EXAMPLES=100 asks for longer.
EXAMPLES = int(os.environ.get("EXAMPLES", "3"))
ASKED = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
    "response_headers_conformance", "ignored_auth", "unsupported_method",
)


@schemathesis.serializer("message/rfc822")
def as_message(_: Any, value: Any) -> bytes:
    """Whatever the machine makes up is a message: its octets."""
    return value if isinstance(value, bytes) else str(value).encode()


SCHEMA = schemathesis.openapi.from_dict(document())
_IDS = {
    "server_id": ("smtp-servers", {"name": "Relay", "host": "127.0.0.1", "port": 2525, "from_address": "a@b.example",
                                   "security": "none", "use_unverified": True, "reason": "asked by a machine"}),
    "webhook_id": ("webhooks", {"name": "App", "url": "https://app.example.com/"}),
    "recipient_id": ("recipients", {"address": "ann@example.org"}),
    "group_id": ("groups", {"name": "Everybody"}),
    "suppression_id": ("suppressions", {"address": "bob@example.org"}),
    "key_id": ("dkim-keys", {"domain": "example.org", "algorithm": "ed25519"}),
    "message_id": ("messages", {"to": "ann@example.org", "subject": "Monday", "text": "Up"}),
}


@dataclass(slots=True)
class Asked:
    """A running Postroom, a token that may do everything, and an id for each kind of thing that there is."""

    url: str
    token: str
    ids: dict[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    installation = Installation(tmp_path_factory.mktemp("openapi") / "data")
    with running_postroom(installation) as run:
        made = installation.command("token", "create", "Machine", "--scope", "admin")
        asked = Asked(run.url, made.stdout.strip())
        for name, (path, body) in _IDS.items():
            answer = httpx.post(f"{asked.url}/api/v1/{path}", json=body, headers=_header(asked))
            assert answer.is_success, answer.text
            asked.ids[name] = answer.json()["id"]
        yield asked


def _header(asked: Asked) -> dict[str, str]:
    return {"Authorization": f"Bearer {asked.token}"}


@SCHEMA.parametrize()
@hypothesis.settings(
    max_examples=EXAMPLES, deadline=None, database=None, derandomize=True,
    suppress_health_check=list(hypothesis.HealthCheck),
)
def test_an_operation_answers_as_the_document_says(case: Any, asked: Asked) -> None:
    if case.method != "DELETE":
        case.path_parameters.update({name: id_ for name, id_ in asked.ids.items() if name in case.path_parameters})
    answer = case.call(base_url=asked.url, headers=_header(asked))
    case.validate_response(answer, checks=[CHECKS.get_one(name) for name in ASKED])


def test_no_two_models_share_a_name() -> None:
    """Of two that do, the document would describe one."""
    names = Counter(
        name
        for path in sorted((PACKAGE / "api").glob("*.py"))
        for name in {node.name for node in tree_of(path).body if isinstance(node, ast.ClassDef)}
        if name in document()["components"]["schemas"]
    )
    assert [name for name, count in names.items() if count > 1] == []
    assert len(names) > 50
