"""What is wrong right now: for each kind of alert a function that looks, and finds nothing where all is well."""

from collections.abc import Callable, Mapping
from datetime import datetime

from .expiry import certificates_expiring, secrets_old, tokens_expiring
from .found import Found
from .machine import disk_low, engine_missing, work_standing
from .mail import failures_by_cause, queue_old
from .sender_domains import domain_drift, known_drift
from .servers import no_server, quota_near, servers_failing
from .uses import bounce_mailbox_unread, subscriptions_failing, webhooks_paused

# Given the settings of the rule and the time (blocking). Raises DatabaseError.
Look = Callable[[Mapping[str, int], datetime], list[Found]]

LOOKS: Mapping[str, Look] = {
    "server-failing": servers_failing,
    "no-server": no_server,
    "engine-missing": engine_missing,
    "work-standing": work_standing,
    "queue-old": queue_old,
    "failures-by-cause": failures_by_cause,
    "certificate-expiring": certificates_expiring,
    "token-expiring": tokens_expiring,
    "secret-old": secrets_old,
    "quota-near": quota_near,
    "disk-low": disk_low,
    "subscription-failing": subscriptions_failing,
    "domain-drift": domain_drift,
    "bounce-mailbox": bounce_mailbox_unread,
    "webhook-paused": webhooks_paused,
}
# What looks elsewhere by itself, and what tells the same without.
QUIET_LOOKS: Mapping[str, Look] = {**LOOKS, "domain-drift": known_drift}

__all__ = ["LOOKS", "QUIET_LOOKS", "Found", "Look"]
