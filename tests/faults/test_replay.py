"""A failure that was recorded at a user's becomes a case: its log is replayed, and gives the finding again."""

from datetime import UTC, datetime

import pytest

from postroom.flow.probes.test_log import log_text
from postroom.store.models import ServerTest

from .case import Case, case_of
from .judging import Verdict, judged
from .recording import recorded

# What a handshake showed is not in the words of a log; the rest is.
REPLAYED = {"greeting", "ehlo", "certificate", "authenticate", "sender", "recipient", "message"}
FEWEST = 40
# Nor is a blank of the password, an address that was not sent, or a reply that nobody asked for.
NOT_IN_A_LOG = {"login-password-pasted-with-blank", "address-beyond-ascii", "second-reply-out-of-turn"}


def _log(verdict: Verdict) -> str:
    report, settings = verdict.report, verdict.case.settings(25, "")
    return log_text(ServerTest(
        settings=settings.as_json(), status=report.status, stages=report.stages, facts=report.facts,
        finding=report.finding.as_stored() if report.finding else None, transcript=report.transcript,
        created_at=datetime.now(UTC),
    ))


def _is_recorded(verdict: Verdict) -> bool:
    failed = next((stage["name"] for stage in verdict.report.stages if stage["status"] == "failed"), "")
    talked = any(" S: " in line or "TLS failed (certificate)" in line for line in verdict.report.transcript)
    return failed in REPLAYED and talked and verdict.case.name not in NOT_IN_A_LOG


async def test_a_recorded_failure_gives_the_same_finding_when_it_is_replayed(verdicts: dict[str, Verdict]) -> None:
    chosen = [verdict for verdict in verdicts.values() if _is_recorded(verdict)][::3]
    assert len(chosen) >= FEWEST
    again = await judged([_case(recorded(_log(verdict), verdict.case.name)) for verdict in chosen])
    differing = [
        f"{first.case.name}: {_seen(first)}, replayed: {_seen(second)}"
        for first, second in zip(chosen, again, strict=True) if _seen(first) != _seen(second)
    ]
    assert differing == []


def _case(text: str) -> Case:
    heading, _, rest = text.partition("\n")
    return case_of(heading.removeprefix("=== "), "recorded", rest)


def _seen(verdict: Verdict) -> tuple[str, str, str | None]:
    finding = verdict.finding
    return (finding.cause, finding.retry, finding.field) if finding else ("", "", None)


def test_a_log_of_a_failure_that_reached_no_server_is_none_to_replay(verdicts: dict[str, Verdict]) -> None:
    with pytest.raises(ValueError, match="reached a server"):
        recorded(_log(verdicts["nothing-listens"]), "nothing")
    with pytest.raises(ValueError, match="reached a server"):
        recorded("535 5.7.8 no", "none")
