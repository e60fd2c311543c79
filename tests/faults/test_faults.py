"""Every server at fault of tests/faults/cases, diagnosed over real sockets; see judging.py for what is counted."""

import asyncio
import json
import sys
import time

import pytest

from postroom.diagnosis.catalogue import catalogue
from postroom.flow.probes.probe import probe

from .case import PASSWORD, case_of, cases
from .certificates import Certificates
from .judging import Verdict, judged, table, verdict_of
from .serving import served

WORST_S, MEDIAN_S = 31.0, 1.5
# Through the real command, which looks at the machine's other ports, too.
SAMPLE = (
    "nothing-listens", "plain-relay-under-tls", "imap-port", "recipient-not-there", "healthy-relay",
    "greeting-too-busy",
)


@pytest.mark.parametrize("name", [case.name for case in cases()])
def test_the_true_cause_is_named_in_our_own_words_and_a_healthy_server_passes(
    verdicts: dict[str, Verdict], name: str
) -> None:
    assert verdicts[name].faults == (), table([verdicts[name]])


def test_no_cause_is_stated_as_certain_that_is_wrong(verdicts: dict[str, Verdict]) -> None:
    assert [name for name, verdict in verdicts.items() if verdict.misleads] == []


def test_answers_come_in_time(verdicts: dict[str, Verdict]) -> None:
    times = sorted(verdict.seconds for verdict in verdicts.values())
    assert times[len(times) // 2] < MEDIAN_S
    assert times[-1] < WORST_S


def test_there_are_enough_cases_of_every_kind() -> None:
    faulty = [case for case in cases() if not case.is_healthy]
    assert len(faulty) >= 60
    assert len(cases()) - len(faulty) >= 6
    assert len({case.category for case in faulty}) >= 7


def test_expected_causes_are_in_the_catalogue() -> None:
    assert {slug for case in cases() for slug in case.causes} <= catalogue().causes.keys()


@pytest.mark.parametrize("name", SAMPLE)
async def test_the_command_says_what_the_judge_heard(name: str) -> None:
    case = next(case for case in cases() if case.name == name)
    certificates = Certificates()
    async with served(case, certificates) as server:
        words = ["--host", "127.0.0.1", "--port", str(server.port), "--security", case.value("security", "none"),
                 "--from", "reports@norrvik.example", "--to", "anna@customer.example", "--ehlo-name", "client.example"]
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "postroom", "diagnose", "--json", *words, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
    answer = json.loads(out)
    assert (answer["verdict"] == "success") is case.is_healthy
    assert process.returncode == (0 if case.is_healthy else 1)
    assert time.monotonic() - began < WORST_S
    assert PASSWORD not in out.decode()
    if case.causes:
        assert answer["cause"] in case.causes


WRONGLY_EXPECTED = """
= cause tls-cert-expired
= says tea
= never relay|salad
@plain
@mail
C: RCPT *
S: 554 5.7.1 Relay access denied
@bye
"""
SENT_IN_CLEAR = """
= username reports@norrvik.example
= cause auth-bad-credentials
@greets
S: 250 AUTH PLAIN
C: AUTH PLAIN *
S: 535 5.7.8 no
@bye
"""


async def test_the_judge_sees_a_wrong_cause_missing_words_forbidden_words_and_a_failure_where_none_is_due() -> None:
    wrong = case_of("wrong", "none", WRONGLY_EXPECTED)
    healthy = case_of("healthy", "none", WRONGLY_EXPECTED.replace("= cause tls-cert-expired\n", ""))
    found, failed = await judged([wrong, healthy])
    assert found.faults == ("names relay-denied", "lacks tea", "says relay")
    assert found.misleads
    assert failed.faults == ("a healthy server failed",)


async def test_the_judge_sees_a_password_that_arrived_or_is_shown() -> None:
    case, certificates = case_of("clear", "none", SENT_IN_CLEAR), Certificates()
    async with served(case, certificates) as server:
        settings = case.settings(server.port, "").changed(host="127.0.0.1")
        report = await probe(settings, case.password, send=True, default_ehlo_name="client.example")
    case.dialog.values["security"] = "starttls"
    report.transcript.append(f"password {PASSWORD}")
    verdict = verdict_of(case, report, server)
    assert verdict.unsafe
    assert verdict.leaks
