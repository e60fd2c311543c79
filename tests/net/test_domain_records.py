"""Questions to a real DNS server on loopback: every kind of answer, and how long one is waited for."""

import asyncio
import time

import dns.asyncresolver
import dns.resolver
import pytest
from tests.net.dns_server import BROKEN, SILENT, Zone, dns_server

from postroom.diagnosis.domain import Answer, Outcome, Question
from postroom.net import domain_records
from postroom.net.domain_records import DomainRecords

LONG = "v=DKIM1; k=rsa; p=" + "A" * 300
ZONE: Zone = {
    "TXT norrvik.example": [
        '"v=spf1 include:_spf.google.com" " -all"', '"caf\\195\\169"', f'"{LONG[:200]}" "{LONG[200:]}"',
    ],
    "MX norrvik.example": ["20 mx2.norrvik.example.", "10 MX1.norrvik.example."],
    "MX never.example": ["0 ."],
    "A mx1.norrvik.example": ["192.0.2.7"],
    "CNAME s1._domainkey.norrvik.example": ["s1.keys.example"],
    "TXT s1.keys.example": ['"v=DKIM1; p=MIG"'],
    "CNAME s2._domainkey.norrvik.example": ["s2.gone.invalid"],
    "TXT slow.example": SILENT,
    "TXT broken.example": BROKEN,
}


async def asked(monkeypatch: pytest.MonkeyPatch, *questions: Question, timeout_s: float = 5.0) -> list[Answer]:
    async with dns_server(ZONE) as (_, resolver):
        monkeypatch.setattr(domain_records, "resolver", lambda: resolver)
        answers = await DomainRecords(timeout_s).answers(questions)
    return [answers[question] for question in questions]


async def test_records_come_whole_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    texts, mx, null, address = await asked(
        monkeypatch, Question("norrvik.example", "TXT"), Question("norrvik.example", "MX"),
        Question("never.example", "MX"), Question("mx1.norrvik.example", "A"),
    )
    assert set(texts.values) == {"v=spf1 include:_spf.google.com -all", "café", LONG}
    assert mx.values == ("10 mx1.norrvik.example", "20 mx2.norrvik.example")
    assert null.values == ("0 .",)
    assert address == Answer(Outcome.FOUND, ("192.0.2.7",))


async def test_no_record_no_name_and_no_answer_are_three_things(monkeypatch: pytest.MonkeyPatch) -> None:
    empty, missing, broken, nothing = await asked(
        monkeypatch, Question("norrvik.example", "AAAA"), Question("gone.invalid", "TXT"),
        Question("broken.example", "TXT"), Question("a..b", "TXT"),
    )
    assert [empty.outcome, missing.outcome, nothing.outcome] == [Outcome.EMPTY, Outcome.NO_NAME, Outcome.NO_NAME]
    assert broken == Answer(Outcome.UNKNOWN, reason="refused")


async def test_an_alias_is_followed_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    there, dangling = await asked(
        monkeypatch, Question("s1._domainkey.norrvik.example", "TXT"), Question("s2._domainkey.norrvik.example", "TXT")
    )
    assert (there.outcome, there.values, there.alias) == (Outcome.FOUND, ("v=DKIM1; p=MIG",), "s1.keys.example")
    assert (dangling.outcome, dangling.alias) == (Outcome.NO_NAME, "s2.gone.invalid")


async def test_silence_ends_in_time_and_takes_nothing_else_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    began_s = time.monotonic()
    silent, mx = await asked(
        monkeypatch, Question("slow.example", "TXT"), Question("norrvik.example", "MX"), timeout_s=0.5
    )
    assert time.monotonic() - began_s < 1.5
    assert silent == Answer(Outcome.UNKNOWN, reason="timeout")
    assert mx.outcome is Outcome.FOUND


async def test_the_time_is_for_all_questions_together(monkeypatch: pytest.MonkeyPatch) -> None:
    async with dns_server(ZONE) as (server, resolver):
        monkeypatch.setattr(domain_records, "resolver", lambda: resolver)
        records = DomainRecords(0.2)
        await asyncio.sleep(0.3)
        question = Question("norrvik.example", "MX")
        assert (await records.answers([question]))[question].reason == "timeout"
        assert server.asked == []


async def test_a_machine_without_name_servers_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> dns.asyncresolver.Resolver:
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(domain_records, "resolver", none)
    question = Question("norrvik.example", "MX")
    assert (await DomainRecords(1.0).answers([question]))[question] == Answer(Outcome.UNKNOWN, reason="no-resolver")


async def test_a_flood_of_records_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    flood = {"TXT flood.example": [f'"{n:04d}{"x" * 200}"' for n in range(domain_records.RECORDS + 20)]}
    async with dns_server(flood) as (_, resolver):
        monkeypatch.setattr(domain_records, "resolver", lambda: resolver)
        question = Question("flood.example", "TXT")
        answer = (await DomainRecords(3.0).answers([question]))[question]
    assert len(answer.values) == domain_records.RECORDS


async def test_the_operator_may_name_the_servers_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    async with dns_server(ZONE) as (server, resolver):
        monkeypatch.setenv("POSTROOM_DNS", f"127.0.0.1:{resolver.port}")
        question = Question("never.example", "MX")
        assert (await DomainRecords(3.0).answers([question]))[question].values == ("0 .",)
    assert server.asked == ["MX never.example"]
