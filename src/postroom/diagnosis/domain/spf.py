"""What the SPF record of a From domain means for the server that sends for it (RFC 7208)."""

from ipaddress import IPv6Address, ip_address

from postroom.terms.limits import SPF_LOOKUPS

from .answers import Answer, Inquiry, Outcome
from .part import Part, Status
from .sender import Record, Sender
from .spf_record import SpfRecord, allowing, parsed, spf_records
from .spf_walk import Match, Walk, lists_networks_of
from .subject import Subject

PAGE = "https://www.rfc-editor.org/rfc/rfc7208"


def spf_part(subject: Subject, inquiry: Inquiry) -> Part:
    """The statement about SPF."""
    answer = inquiry(subject.domain, "TXT")
    if subject.owner is not None and subject.owner == subject.sender:
        return Part("spf-own-domain", Status.OK, subject.values)
    if not answer.is_known:
        return Part("spf-cannot-tell", Status.UNKNOWN, {**subject.values, "reason": answer.reason}, page=PAGE)
    records = spf_records(answer.values)
    if not records:
        return _missing(subject, inquiry)
    if len(records) > 1:
        values = {**subject.values, "count": str(len(records))}
        return Part("spf-several", Status.BAD, values, "\n".join(records), page=PAGE)
    record = parsed(records[0])
    if record.fault:
        return Part("spf-broken", Status.BAD, {**subject.values, "term": record.fault}, record.text, page=PAGE)
    return _of_record(subject, record, inquiry)


def _missing(subject: Subject, inquiry: Inquiry) -> Part:
    sender = subject.sender
    if sender is not None and sender.own_return_path:
        return Part("spf-own-return-path", Status.OK, subject.values, page=sender.spf_page)
    addresses = _addresses(subject, inquiry)
    mechanism = f"include:{sender.spf}" if sender and sender.spf else _mechanism_of(addresses)
    add = (Record(subject.domain, "TXT", allowing(None, mechanism)),) if mechanism else ()
    return Part("spf-missing", Status.WARN, subject.values, add=add, page=_page(subject))


def _of_record(subject: Subject, record: SpfRecord, inquiry: Inquiry) -> Part:
    if [term.name for term in record.terms] == ["all"] and record.all_qualifier == "-" and not _keeps_out(subject):
        return Part("spf-forbids-all", Status.BAD, subject.values, record.text, page=PAGE)
    addresses = _addresses(subject, inquiry)
    walk = Walk(subject.domain, inquiry, subject.sender, addresses)
    values = {**subject.values, "lookups": str(walk.lookups), "address": ", ".join(addresses)}
    if record.all_qualifier == "+":
        return Part("spf-allows-everyone", Status.WARN, values, record.text, page=PAGE)
    if walk.lookups > SPF_LOOKUPS:
        return Part("spf-too-many-lookups", Status.WARN, values, record.text, page=PAGE)
    if walk.faults:
        return Part("spf-broken", Status.BAD, {**values, "term": walk.faults[0]}, record.text, page=PAGE)
    if not subject.host:
        return Part("spf-set", Status.OK, values, record.text)
    if subject.sender is None:
        return _for_server(values, record, walk)
    return _for_provider(subject, subject.sender, values, record, walk, inquiry)


def _keeps_out(subject: Subject) -> bool:
    return subject.sender is not None and subject.sender.own_return_path


def _for_server(values: dict[str, str], record: SpfRecord, walk: Walk) -> Part:
    if walk.match is Match.YES:
        return Part("spf-allows-address", Status.OK, values, record.text)
    # It may send from another address than it takes submissions at, so that not being listed says nothing.
    return Part("spf-server-not-named", Status.UNKNOWN, values, record.text, page=PAGE)


def _for_provider(
    subject: Subject, sender: Sender, values: dict[str, str], record: SpfRecord, walk: Walk, inquiry: Inquiry
) -> Part:
    match = walk.match
    if match is Match.NO:
        match = lists_networks_of(sender, walk, inquiry)
    if match is Match.YES:
        return Part("spf-allows", Status.OK, values, record.text)
    if sender.own_return_path:
        return Part("spf-own-return-path", Status.OK, values, record.text, page=sender.spf_page)
    if match is Match.UNKNOWN:
        gaps = ", ".join(walk.gaps[:3])
        return Part("spf-partly-read", Status.UNKNOWN, {**values, "gaps": gaps}, record.text, page=_page(subject))
    status = Status.BAD if record.all_qualifier == "-" else Status.WARN
    if subject.owner is not None:
        return Part("spf-foreign-domain", Status.BAD, values, record.text)
    add = (Record(subject.domain, "TXT", allowing(record, f"include:{sender.spf}")),) if sender.spf else ()
    return Part("spf-misses-provider", status, values, record.text, add, _page(subject))


def _page(subject: Subject) -> str:
    return subject.sender.spf_page if subject.sender and subject.sender.spf_page else PAGE


def _addresses(subject: Subject, inquiry: Inquiry) -> tuple[str, ...]:
    """The public addresses of a server that is no provider's; private ones mean nothing to a receiver."""
    if subject.sender is not None or not subject.host:
        return ()
    try:
        found = [str(ip_address(subject.host))]
    except ValueError:
        answers: list[Answer] = [inquiry(subject.host, kind) for kind in ("A", "AAAA")]
        found = [value for answer in answers if answer.outcome is Outcome.FOUND for value in answer.values]
    return tuple(each for each in found if ip_address(each).is_global)[:4]


def _mechanism_of(addresses: tuple[str, ...]) -> str:
    return " ".join(f"ip{6 if isinstance(ip_address(each), IPv6Address) else 4}:{each}" for each in addresses)
