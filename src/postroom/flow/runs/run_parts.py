"""Who gets which file of a run: everybody the whole report, or each the part that a column names for them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from postroom.store.models import StoredReport
from postroom.terms.address import canonical

from ..recipients.recipients import Addressed
from ..reports.split_report import split

# Address, its file (None: that of the run), and the column's value; a value of None: there is no file for this one.
Part = tuple[Addressed, StoredReport | None, str | None]


def parts_of(
    iteration: Mapping[str, Any], report: StoredReport, everybody: Sequence[Addressed], now: datetime
) -> Iterator[Part]:
    """Each recipient with its file, by `Subscription.iteration`; one whom several values name has one of each, and one
    in bcc gets the whole report. Raises SourceFault where the report can't be split (blocking)."""
    if not iteration:
        yield from ((to, None, "") for to in everybody)
        return
    parts = split(report, str(iteration["column"]), now)
    named = _named(iteration["to"], everybody) if "to" in iteration else None
    seen: set[str] = set()
    if named is not None:
        for value, part in parts.items():
            for to in named.get(value, ()):
                seen.add(to.address_key)
                yield to, part, value
    for to in everybody:
        if to.place == "bcc":
            yield to, None, ""
        elif named is None:
            yield from _own(to, parts, str(iteration.get("value", "")))
        elif to.address_key not in seen:
            yield to, None, None


def _own(to: Addressed, parts: Mapping[str, StoredReport], name: str) -> Iterator[Part]:
    """The parts that a value of the recipient's own names: the one it is as a whole, commas and all, or several with
    commas between. Who has no value gets none: rows without one are nobody's."""
    said = str(to.values.get(name) or "").strip()
    wanted = [said] if said in parts else [text.strip() for text in said.split(",")]
    found = [value for value in dict.fromkeys(wanted) if value and value in parts]
    yield from ((to, parts[value], value) for value in found)
    if not found:
        yield to, None, None


def _named(mapping: Mapping[str, Sequence[str]], everybody: Sequence[Addressed]) -> dict[str, list[Addressed]]:
    """The recipients of each value; an address that is no subscriber's stands for itself."""
    known = {to.address_key: to for to in everybody if to.place != "bcc"}
    return {
        str(value): [
            known.get(key) or Addressed(address, key)
            for key, address in {canonical(address): address for address in addresses}.items()
        ]
        for value, addresses in mapping.items()
    }
