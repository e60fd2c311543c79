"""Whether a recipient's domain accepts mail (RFC 5321 section 5.1, RFC 7505)."""

from .answers import Answer, Inquiry, Outcome
from .part import Part, Status

PAGE = "https://www.rfc-editor.org/rfc/rfc5321#section-5.1"
NULL_PAGE = "https://www.rfc-editor.org/rfc/rfc7505"
_LOOKED_AT = 4


def mx_part(domain: str, inquiry: Inquiry, suggestion: str) -> Part:
    """The statement about mail for a domain. `suggestion` is the frequent domain that was perhaps meant, or ""."""
    values = {"domain": domain, "suggestion": suggestion}
    answer = inquiry(domain, "MX")
    if answer.outcome is Outcome.NO_NAME:
        return _part("mx-no-domain", Status.BAD, values)
    if not answer.is_known:
        return Part("mx-cannot-tell", Status.UNKNOWN, {**values, "reason": answer.reason}, page=PAGE)
    hosts = exchangers(answer)
    if answer.values and not hosts:
        return _part("mx-null", Status.BAD, values, "MX 0 .", NULL_PAGE)
    if hosts:
        return _with_exchangers(values, hosts, inquiry)
    addresses = [inquiry(domain, kind) for kind in ("A", "AAAA")]
    if any(each.outcome is Outcome.FOUND for each in addresses):
        return _part("mx-address-only", Status.WARN, values)
    silent = next((each for each in addresses if not each.is_known), None)
    if silent is not None:
        return Part("mx-cannot-tell", Status.UNKNOWN, {**values, "reason": silent.reason}, page=PAGE)
    return _part("mx-none", Status.BAD, values)


def exchangers(answer: Answer) -> tuple[str, ...]:
    """Hosts of MX records, most preferred first, without null hosts."""
    hosts = (value.partition(" ")[2] for value in answer.values)
    return tuple(host for host in hosts if host and host != ".")


def _with_exchangers(values: dict[str, str], hosts: tuple[str, ...], inquiry: Inquiry) -> Part:
    values = {**values, "exchanger": hosts[0], "count": str(len(hosts))}
    looked = [inquiry(host, kind) for host in hosts[:_LOOKED_AT] for kind in ("A", "AAAA")]
    if all(each.outcome in (Outcome.EMPTY, Outcome.NO_NAME) for each in looked):
        return _part("mx-dead", Status.BAD, values, f"MX {hosts[0]}")
    return _part("mx-accepts", Status.OK, values, f"MX {hosts[0]}")


def _part(slug: str, status: Status, values: dict[str, str], record: str = "", page: str = PAGE) -> Part:
    """With a suggestion, a domain that accepts mail is a doubt too: mistyped names often belong to somebody."""
    doubtful = bool(values["suggestion"]) and status is Status.OK
    return Part(slug, Status.WARN if doubtful else status, values, record, page=page)
