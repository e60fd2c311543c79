"""Read a domain: look up what a reading wants to know until it wants nothing more. Needs no installation."""

from collections.abc import Mapping

from postroom.diagnosis.domain import Answer, Inquiry, Question, Reading, Subject, reading_of
from postroom.net.domain_records import DomainRecords
from postroom.terms.address import AddressProblem, parse_address

# A person waits for it: all lookups of one domain together.
LOOK_S = 5.0


def domain_in(text: str) -> str:
    """The domain to look at in what was typed: of an address, or a bare domain; "" while there is none yet.

    Address literals and names without a dot are nothing that the public DNS knows.
    """
    typed = text.strip()
    try:
        domain = parse_address(typed if "@" in typed else f"x@{typed}").domain
    except AddressProblem:
        return ""
    return domain if "." in domain and not domain.startswith("[") else ""


async def look_at(domain: str, server_host: str, own_keys: Mapping[str, str] | None = None) -> Reading:
    """The reading of a domain's DNS, within `LOOK_S`. `server_host` is who sends for it, "" when nobody is known;
    `own_keys` are the DKIM keys that it should show, p= by selector."""
    subject, answers = Subject.of(domain, server_host.lower().rstrip("."), own_keys), dict[Question, Answer]()
    records = DomainRecords(LOOK_S)
    while True:
        inquiry = Inquiry(answers)
        reading = reading_of(subject, inquiry)
        wanted = tuple(inquiry.wanted())
        if not wanted:
            return reading
        answers |= await records.answers(wanted)
