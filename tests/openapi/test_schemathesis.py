"""The whole API as its OpenAPI document describes it, asked by a machine that reads nothing else (W11).

Schemathesis makes requests that fit the document and requests that do not, of every operation, to a real `postroom
run`. No answer may be a fault of Postroom, differ from what the document promises, or take what it forbids.
"""

import ast
import os
import re
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
EXAMPLES = int(os.environ.get("EXAMPLES", "1"))
ASKED = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
    "response_headers_conformance", "unsupported_method",
)


@schemathesis.serializer("message/rfc822")
def as_message(_: Any, value: Any) -> bytes:
    """Whatever the machine makes up is a message: its octets."""
    return value if isinstance(value, bytes) else str(value).encode()


SCHEMA = schemathesis.openapi.from_dict(document())
PATHS: dict[str, Any] = document()["paths"]
# One of each kind of thing to ask about, in this order: the path to make it at, and the body.
MADE: tuple[tuple[str, dict[str, Any]], ...] = (
    ("smtp-servers", {"name": "Relay", "host": "127.0.0.1", "port": 2525, "from_address": "a@b.example",
                      "security": "none", "use_unverified": True, "reason": "asked by a machine"}),
    ("webhooks", {"name": "App", "url": "https://app.example.com/"}),
    ("recipients", {"address": "ann@example.org"}),
    ("groups", {"name": "Everybody"}),
    ("suppressions", {"address": "bob@example.org"}),
    ("dkim-keys", {"domain": "example.org", "algorithm": "ed25519"}),
    ("messages", {"to": "ann@example.org", "subject": "Monday", "text": "Up"}),
    ("report-sources", {"name": "Sales", "kind": "pushed"}),
    ("holiday-calendars", {"name": "Ours", "days": ["2027-01-01"]}),
    ("subscriptions", {"name": "Weekly", "source": "Sales", "subscribers": [{"address": "ann@example.org"}]}),
)
MADE_BELOW = (("/api/v1/webhooks/{webhook_id}/test", {}), ("/api/v1/subscriptions/{subscription_id}/run", {}))


@dataclass(slots=True)
class Asked:
    """A running Postroom, a token that may do everything, an id of what is there, by the path that names it, and the
    operations that were asked without a token."""

    url: str
    token: str
    ids: dict[str, str] = field(default_factory=dict)
    known: set[tuple[str, str]] = field(default_factory=set)

    @property
    def header(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def filled(self, path: str) -> dict[str, str]:
        """An id for each parameter of a path of which there is one."""
        ends = [match.end() for match in re.finditer(r"\{\w+\}", path)]
        found = {path[: end].rpartition("{")[2][:-1]: self.ids.get(path[:end]) for end in ends}
        return {name: id_ for name, id_ in found.items() if id_ is not None}

    def make(self, path: str, body: dict[str, Any]) -> None:
        answer = httpx.post(self.url + path.format_map(self.filled(path)), json=body, headers=self.header, timeout=60)
        assert answer.is_success, f"{path}: {answer.text}"

    def learn(self) -> None:
        """The first thing of each list that there is, and of the lists below that."""
        for path in sorted(PATHS, key=lambda path: path.count("/")):
            below = next((other for other in PATHS if re.fullmatch(re.escape(path) + r"/\{\w+\}", other)), None)
            known = self.filled(path)
            if below is None or "get" not in PATHS[path] or len(known) < path.count("{"):
                continue
            told = httpx.get(self.url + path.format_map(known), headers=self.header, timeout=60).json()
            rows = [row for rows in told.values() if isinstance(rows, list) for row in rows if "id" in row]
            if rows:
                self.ids[below] = str(rows[0]["id"])


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    installation = Installation(tmp_path_factory.mktemp("openapi") / "data")
    with running_postroom(installation) as run:
        made = installation.command("token", "create", "Machine", "--scope", "admin")
        asked = Asked(run.url, made.stdout.strip())
        for path, body in MADE:
            asked.make(f"/api/v1/{path}", body)
        asked.learn()
        for path, body in MADE_BELOW:
            asked.make(path, body)
        asked.learn()
        assert len(asked.ids) > 12
        yield asked


@SCHEMA.parametrize()
@hypothesis.settings(
    max_examples=EXAMPLES, deadline=None, database=None, derandomize=True,
    suppress_health_check=list(hypothesis.HealthCheck),
)
def test_an_operation_answers_as_the_document_says(case: Any, asked: Asked) -> None:
    if case.method != "DELETE":
        case.path_parameters.update(asked.filled(case.path))
    answer = case.call(base_url=asked.url, headers=asked.header)
    checks = [CHECKS.get_one(name) for name in ASKED]
    operation = (case.method, case.path)
    if operation not in asked.known:
        # Makes requests of its own, and what a request holds besides changes nothing of them.
        checks.append(CHECKS.get_one("ignored_auth"))
        asked.known.add(operation)
    case.validate_response(answer, checks=checks)


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
