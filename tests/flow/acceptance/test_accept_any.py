"""Whatever JSON arrives becomes a well-formed message or a refusal that names fields, never a fault (B12, M1, P3)."""

import email
import email.policy
from datetime import UTC, datetime
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.flow.acceptance.current import current_of
from postroom.flow.acceptance.ready import Refused, ready_message
from postroom.flow.messages.request import Request
from postroom.store.models import SmtpServer
from postroom.terms.problem import Problem
from postroom.terms.server import ServerSettings

NOW = datetime(2026, 11, 22, tzinfo=UTC)
RELAY = ServerSettings(name="Relay", from_name="Reports, daily", from_address="r@company.example", host="relay.example")
SERVER = SmtpServer(name="Relay", settings=RELAY.as_json(), use_unverified=True)

breaking = st.sampled_from(
    ["\r\n", "\n", "\r", "\0", "\x1b", "\x85", "\u2028", "\u2029", "\u202e", "\ud800", ":", "=?utf-8?q?a?="]
)
text = st.lists(st.one_of(st.text(max_size=40), breaking, st.just("Bcc: x@y.example")), max_size=4).map("".join)
address = st.one_of(
    text, st.sampled_from(["ann@example.com", "Ann <ann@example.com>", '"B, C" <bc@example.com>, d@bücher.example'])
)
anything = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), text),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(text, inner, max_size=3)),
    max_leaves=6,
)
mailboxes = st.one_of(address, st.lists(address, max_size=3))
attachment = st.fixed_dictionaries(
    {"content_base64": st.sampled_from(["", "QUJD", "QU JD", "=", "é"])},
    optional={"filename": text, "content_type": text, "content_id": text, "inline": st.booleans()},
)
message = st.fixed_dictionaries(
    {"to": st.one_of(st.just("ann@example.com"), mailboxes), "text": st.one_of(st.just("Hello"), text, anything)},
    optional={
        "from": address,
        "cc": mailboxes,
        "bcc": mailboxes,
        "reply_to": mailboxes,
        "subject": st.one_of(text, anything),
        "html": st.one_of(text.map(lambda t: f"<p>{t}</p>"), anything),
        "headers": st.dictionaries(
            st.one_of(st.sampled_from(["X-A", "References", "Message-ID", "Bcc"]), text), text, max_size=3
        ),
        "attachments": st.lists(attachment, max_size=2),
        "send_at": st.one_of(text, st.datetimes().map(lambda at: at.isoformat() + "Z")),
        "expires_at": st.one_of(text, st.just("2026-11-23T00:00:00Z")),
        "metadata": st.dictionaries(text, anything, max_size=2),
        "tags": st.lists(text, max_size=2),
        "priority": st.integers(-20, 20),
        "purpose": st.sampled_from(["report", "alert", "spam"]),
    },
)


def refusal_or_message(body: Any) -> email.message.Message | Refused | Problem:
    try:
        ready = ready_message(Request(body), current_of([SERVER]), NOW)
    except (Refused, Problem) as refusal:
        return refusal
    content = ready.composed.content
    rest = content.replace(b"\r\n", b"")
    assert b"\r" not in rest
    assert b"\n" not in rest
    assert b"\0" not in rest
    assert max(map(len, content.split(b"\r\n"))) <= 998
    return email.message_from_bytes(content, policy=email.policy.compat32)


@given(anything)
@settings(max_examples=100)
def test_any_json_is_refused_by_field(body: Any) -> None:
    refusal = refusal_or_message(body)
    assert isinstance(refusal, Refused | Problem)
    assert refusal.errors


@given(message)
@settings(max_examples=400)
def test_any_message_is_well_formed_or_refused_by_field(body: dict[str, Any]) -> None:
    made = refusal_or_message(body)
    if isinstance(made, Refused | Problem):
        assert made.errors
        return
    names = [name.lower() for name in made]
    assert "bcc" not in names
    for name in ("from", "date", "message-id", "mime-version", "content-type", "subject"):
        assert names.count(name) == 1, name
    assert names.count("to") <= 1
    given_names = {name.lower() for name in body.get("headers", {})} - {"message-id"}
    ours = {"from", "to", "cc", "reply-to", "date", "message-id", "mime-version", "content-type", "subject",
            "content-transfer-encoding"}  # fmt: skip
    assert set(names) <= ours | given_names
