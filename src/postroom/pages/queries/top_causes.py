"""Why deliveries did not go through, the most frequent first, each with the way to its fix."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from postroom.flow.instance.reader import cause_title
from postroom.pages import words
from postroom.store.models import Delivery, SmtpServer
from postroom.store.tallied import CauseCount
from postroom.store.tally import Ending

SHOWN = 5


@dataclass(frozen=True, slots=True)
class TopCause:
    """`way` is "fix" (the failing server tells cause and fix), "test" (a test shows whether the server still fails),
    "messages" (some still have this cause) or "log". `server` is None where several had it, or none."""

    slug: str
    tries: int
    since: datetime
    server: SmtpServer | None
    servers: int
    way: str

    @property
    def title(self) -> str:
        title = cause_title(self.slug)
        return title[:1].upper() + title[1:]

    @property
    def place_words(self) -> str:
        """ "Microsoft 365 reports, since 13:47"."""
        since = {"when": words.since(self.since)}
        if self.server is not None:
            return _("%(server)s, since %(when)s") % {"server": self.server.name, **since}
        if self.servers:
            text = ngettext("%(n)s server, since %(when)s", "%(n)s servers, since %(when)s", self.servers)
            return text % {"n": self.servers, **since}
        return _("since %(when)s") % since


def top_causes(counts: Sequence[CauseCount], servers: Mapping[str, SmtpServer]) -> list[TopCause]:
    """`counts` of a period; `servers` by id."""
    by_cause: dict[str, list[CauseCount]] = {}
    for count in counts:
        by_cause.setdefault(count.cause, []).append(count)
    ranked = sorted(by_cause.items(), key=lambda item: (-_tries(item[1]), item[0]))
    return [_cause(slug, found, servers) for slug, found in ranked[:SHOWN]]


def _cause(slug: str, counts: Sequence[CauseCount], servers: Mapping[str, SmtpServer]) -> TopCause:
    named = {count.server_id for count in counts if count.server_id}
    server = servers.get(next(iter(named))) if len(named) == 1 else None
    since = min(count.first_at for count in counts)
    fails = server is not None and server.failing_since is not None and _failing_cause(server) == slug
    if fails and server is not None and server.failing_since is not None:
        since = server.failing_since
    return TopCause(slug, _tries(counts), since, server, len(named), _way(slug, counts, server, fails))


def _way(slug: str, counts: Sequence[CauseCount], server: SmtpServer | None, fails: bool) -> str:
    if fails:
        return "fix"
    faults = sum(count.attempts for count in counts if count.ending is Ending.FAULT)
    if server is not None and 2 * faults > _tries(counts):
        return "test"
    return "messages" if Delivery.objects.filter(cause=slug).exclude(cause="").exists() else "log"


def _failing_cause(server: SmtpServer) -> str:
    return str((server.failing_finding or {}).get("cause", ""))


def _tries(counts: Sequence[CauseCount]) -> int:
    return sum(count.attempts for count in counts)
