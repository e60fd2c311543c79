"""Whether what a run writes is a test: foreseen as acceptance will decide, and looked up once it has decided."""

from collections.abc import Iterable
from datetime import datetime

from postroom.policy.rules import Traits
from postroom.store.hot_reads import delivery_rules, smtp_servers
from postroom.store.models import Message, Run, RunRecipient, Subscription
from postroom.terms.problem import Problem
from postroom.terms.test_mode import TestMode

from ..acceptance.current import Current, current_of
from ..acceptance.sending_server import sending_server
from ..acceptance.test_mode import deciding, server_test_mode, site_test_mode, subscription_test_mode
from ..servers.delivery_rules import rule_of
from .run_message import TAG


def modes_met(subscription: Subscription, addresses: Iterable[str], now: datetime) -> set[TestMode | None]:
    """What messages to these addresses would meet if they were accepted now, None standing for none (blocking). There
    are several where rules give recipients servers of which not all are in test mode."""
    of_site, own = site_test_mode(), subscription_test_mode(subscription)
    return {deciding((of_site, of_server, own), now) for of_server in _of_servers(subscription, addresses)}


def has_reached_true_recipients(run: Run) -> bool:
    """Whether a message of the run was accepted for somebody it is meant for (blocking)."""
    ids = RunRecipient.objects.filter(run=run).exclude(message_id="").values("message_id")
    return Message.objects.filter(pk__in=ids).exclude(metadata__has_key="test_mode").exists()


def _of_servers(subscription: Subscription, addresses: Iterable[str]) -> set[TestMode | None]:
    """Of the server that the subscription names, else of those that rules and order choose."""
    if subscription.server is not None:
        return {server_test_mode(subscription.server)}
    current = current_of(smtp_servers(), map(rule_of, delivery_rules()))
    domains = {address.rpartition("@")[2].lower() for address in addresses}
    return {_of_chosen(current, domain) for domain in domains} or {None}


def _of_chosen(current: Current, domain: str) -> TestMode | None:
    traits = Traits(purpose="report", recipient_domains=frozenset((domain,)), tags=frozenset((TAG,)))
    try:
        return sending_server(None, current, lambda: traits).sender.test_mode
    except Problem:  # without any server nothing is accepted, and the run waits for one
        return None
