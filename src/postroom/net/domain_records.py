"""What the DNS says of names: many questions at once, bounded in time and in what is taken of each answer."""

import asyncio
import os
from collections.abc import Iterable

import dns.asyncresolver
import dns.exception
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.rdtypes.ANY.MX
import dns.rdtypes.ANY.TXT
import dns.resolver

from postroom.diagnosis.domain import Answer, Outcome, Question
from postroom.terms.name_servers import name_servers

# No RFC figures: records of one name that are read, characters of one text, questions under way at once.
RECORDS = 100
TEXT_CHARACTERS = 4_000
AT_ONCE = 16


class DomainRecords:
    """Asks the DNS servers of `resolver`; everything it is asked in its life has `timeout_s` in all."""

    def __init__(self, timeout_s: float) -> None:
        self._ends_at = asyncio.get_running_loop().time() + timeout_s
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._resolver: dns.asyncresolver.Resolver | None = None

    async def answers(self, questions: Iterable[Question]) -> dict[Question, Answer]:
        """An answer to each question; one that did not come says why. Raises nothing of the network's."""
        asked = tuple(questions)
        try:
            self._resolver = self._resolver or resolver()
        except (dns.resolver.NoResolverConfiguration, OSError, ValueError):
            return dict.fromkeys(asked, _unknown("no-resolver"))
        given = await asyncio.gather(*(self._answer(self._resolver, question) for question in asked))
        return dict(zip(asked, given, strict=True))

    async def _answer(self, asking: dns.asyncresolver.Resolver, question: Question) -> Answer:
        async with self._gate:
            left_s = self._ends_at - asyncio.get_running_loop().time()
            if left_s <= 0:
                return _unknown("timeout")
            try:
                async with asyncio.timeout(left_s):
                    return await _looked_up(asking, question, left_s)
            except TimeoutError:
                return _unknown("timeout")


def resolver() -> dns.asyncresolver.Resolver:
    """The DNS servers of POSTROOM_DNS, else the system's. Raises NoResolverConfiguration, OSError, ValueError."""
    servers = name_servers(os.environ.get("POSTROOM_DNS", ""))
    if not servers:
        return dns.asyncresolver.Resolver()
    asking = dns.asyncresolver.Resolver(configure=False)
    asking.nameservers = [dns.nameserver.Do53Nameserver(*server) for server in servers]
    return asking


async def _looked_up(asking: dns.asyncresolver.Resolver, question: Question, lifetime_s: float) -> Answer:
    try:
        name = dns.name.from_text(question.name)
    except (dns.exception.DNSException, UnicodeError):
        return Answer(Outcome.NO_NAME)  # no name of the DNS, so nothing has it
    try:
        answer = await asking.resolve(
            name, question.kind, search=False, lifetime=lifetime_s, raise_on_no_answer=False
        )
    except dns.resolver.NXDOMAIN as error:
        return Answer(Outcome.NO_NAME, alias=_alias(name, error.canonical_name))
    except dns.exception.Timeout:
        return _unknown("timeout")
    except (dns.exception.DNSException, OSError):
        return _unknown("refused")
    if answer.rrset is None:
        return Answer(Outcome.EMPTY, alias=_alias(name, answer.canonical_name))
    values = sorted(_value(record) for record in list(answer.rrset)[:RECORDS])
    return Answer(Outcome.FOUND, tuple(text for _, text in values), alias=_alias(name, answer.canonical_name))


def _value(record: object) -> tuple[int, str]:
    """A record as `Answer` has it, after what it is sorted by."""
    if isinstance(record, dns.rdtypes.ANY.MX.MX):
        host = str(record.exchange).removesuffix(".").lower() or "."
        return record.preference, f"{record.preference} {host}"
    if isinstance(record, dns.rdtypes.ANY.TXT.TXT):
        text = b"".join(record.strings).decode("utf-8", "backslashreplace")
        return 0, text[:TEXT_CHARACTERS]
    return 0, str(record)


def _alias(name: dns.name.Name, canonical: dns.name.Name) -> str:
    return "" if canonical == name else str(canonical).removesuffix(".").lower()


def _unknown(reason: str) -> Answer:
    return Answer(Outcome.UNKNOWN, reason=reason)
