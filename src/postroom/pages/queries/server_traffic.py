"""How much a server sent within a day, of how much it allows; and where the mail of a failing default is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Max

from postroom.store.models import DeliveryTally, SmtpServer
from postroom.store.tallied import sent_since
from postroom.store.tally import COARSE_S, Ending
from postroom.store.waiting import waiting_for

DAY = timedelta(days=1)
WARN_SHARE = 0.85
MOST_COUNTED = 1_000


@dataclass(frozen=True, slots=True)
class Traffic:
    """Deliveries of the last 24 hours, the time over which limits per day are kept. `limit` is per day, `pace` per
    minute, None without. `last_used_at` is the hour of the last delivery where none is that recent."""

    sent: int
    limit: int | None
    pace: int | None
    last_used_at: datetime | None = None

    @property
    def warns_from(self) -> int:
        return int(WARN_SHARE * (self.limit or 0))

    @property
    def percent(self) -> int:
        return 100 * self.sent // self.limit if self.limit else 0

    @property
    def is_near(self) -> bool:
        return self.limit is not None and self.sent >= WARN_SHARE * self.limit


@dataclass(frozen=True, slots=True)
class MailOfDefault:
    """What happened since the default fails: `sent` messages went out through others, most of them through `through`
    (None when no other took any). `waiting` deliveries wait for it, counted up to one more than MOST_COUNTED."""

    sent: int
    through: SmtpServer | None
    others: int
    waiting: int

    @property
    def is_more(self) -> bool:
        return self.waiting > MOST_COUNTED


def traffic_of_servers(servers: Sequence[SmtpServer], now: datetime) -> dict[str, Traffic]:
    """By the server's id."""
    sent = sent_since([server.pk for server in servers], now - DAY)
    last_used = _last_used([server.pk for server in servers if server.pk not in sent])
    traffic = {}
    for server in servers:
        limits = server.typed_settings.limits
        traffic[server.pk] = Traffic(
            sent.get(server.pk, 0), limits.messages_per_day, limits.messages_per_minute, last_used.get(server.pk)
        )
    return traffic


def _last_used(server_ids: Sequence[str]) -> dict[str, datetime]:
    """The hour of the last delivery that each server took."""
    sent = DeliveryTally.objects.filter(width_s=COARSE_S, outcome=Ending.SENT, server_id__in=server_ids)
    return dict(sent.values_list("server_id").annotate(Max("starts_at"))) if server_ids else {}


def mail_of_default(default: SmtpServer, servers: Sequence[SmtpServer], since: datetime) -> MailOfDefault:
    others = {server.pk: server for server in servers if server.pk != default.pk and not server.is_sandbox}
    sent = sent_since(list(others), since)
    most = max(sent, key=lambda pk: sent[pk], default=None)
    return MailOfDefault(
        sum(sent.values()), others[most] if most else None, max(len(sent) - 1, 0),
        waiting_for(default.pk, MOST_COUNTED + 1),
    )
