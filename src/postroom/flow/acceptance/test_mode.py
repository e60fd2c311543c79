"""Test mode: switched on for the site, a server or a subscription, and off; read where a message is accepted.

What was accepted before stays as it was: its octets, and whom it goes to, are frozen. Where several are on, the site's
decides, then the server's, then the subscription's.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import override

from postroom.message.draft import Draft
from postroom.message.test_mode import redirected
from postroom.smtp.text import printable
from postroom.store import audit
from postroom.store.models import InstanceValue, SmtpServer, Subscription
from postroom.terms.address import AddressProblem, parse_address
from postroom.terms.problem import FieldError
from postroom.terms.test_mode import Extent, TestMode
from postroom.terms.wording import Translate, worded

from ..domains.recipient_domains import allowed_domains, domain_errors
from ..instance.reader import language
from ..instance.refusals import NotPossible, SettingsRefused

# Nobody remembers a test mode for longer; it ends by itself.
LONGEST = timedelta(days=90)
# What pages and API propose.
USUAL = timedelta(days=1)
_SITE = "test_mode"
_METADATA = 1_000


def site_test_mode() -> TestMode | None:
    """That of the site as it is stored, over or not (blocking)."""
    row = InstanceValue.objects.filter(name=_SITE).first()
    return None if row is None else TestMode.from_json(Extent.SITE, row.value)


def server_test_mode(server: SmtpServer) -> TestMode | None:
    """That of a server as it is stored, over or not."""
    return TestMode.from_json(Extent.SERVER, server.test_mode)


def subscription_test_mode(subscription: Subscription) -> TestMode | None:
    """That of a subscription as it is stored, over or not."""
    return TestMode.from_json(Extent.SUBSCRIPTION, subscription.test_mode)


def deciding(modes: Iterable[TestMode | None], now: datetime) -> TestMode | None:
    """The first that is on; None where a message goes to its recipients."""
    return next((mode for mode in modes if mode is not None and mode.is_on(now)), None)


def in_test_mode(draft: Draft, mode: TestMode) -> Draft:
    """The draft as it leaves, with its banner in the language of whoever switched test mode on."""
    return redirected(draft, mode, voice_of(mode))


def voice_of(mode: TestMode) -> Translate:
    """Translates for a banner."""

    def say(pattern: str) -> str:
        with override(mode.language):
            return _(pattern)

    return say


def metadata_of(mode: TestMode | None, true_recipients: Sequence[str]) -> dict[str, str]:
    """What is kept with a message that went elsewhere, for whoever looks at it here."""
    if mode is None:
        return {}
    return {"test_mode": str(mode.extent), "test_recipients": printable(", ".join(true_recipients), _METADATA)}


def set_for_site(address: str, until: datetime | None, actor: str, now: datetime) -> TestMode:
    """Switch it on for everything that is accepted from now on. Raises SettingsRefused."""
    mode = _checked(Extent.SITE, address, until, actor, now)
    with transaction.atomic():
        InstanceValue.objects.update_or_create(name=_SITE, defaults={"value": mode.as_json()})
        _record(actor, "test-mode.on", "site", mode)
    return mode


def clear_for_site(actor: str) -> None:
    """Switch it off. Raises NotPossible where it is not on."""
    with transaction.atomic():
        if not InstanceValue.objects.filter(name=_SITE).delete()[0]:
            raise _not_on()
        _record(actor, "test-mode.off", "site")


def set_for_server(server_id: str, address: str, until: datetime | None, actor: str, now: datetime) -> TestMode:
    """Switch it on for what is accepted for this server. Raises SettingsRefused, NotPossible."""
    mode = _checked(Extent.SERVER, address, until, actor, now)
    with transaction.atomic():
        return _switched_on(_server(server_id), mode, actor)


def clear_for_server(server_id: str, actor: str) -> None:
    """Switch it off. Raises NotPossible where it is not on."""
    with transaction.atomic():
        _switch_off(_server(server_id), actor)


def set_for_subscription(
    subscription_id: str, address: str, until: datetime | None, actor: str, now: datetime
) -> TestMode:
    """Switch it on for the runs that begin from now on. Raises SettingsRefused, NotPossible."""
    mode = _checked(Extent.SUBSCRIPTION, address, until, actor, now)
    with transaction.atomic():
        return _switched_on(_subscription(subscription_id), mode, actor)


def clear_for_subscription(subscription_id: str, actor: str) -> None:
    """Switch it off. Raises NotPossible where it is not on."""
    with transaction.atomic():
        _switch_off(_subscription(subscription_id), actor)


def _switched_on(row: SmtpServer | Subscription, mode: TestMode, actor: str) -> TestMode:
    _store(row, mode.as_json())
    _record(actor, "test-mode.on", row.name, mode)
    return mode


def _switch_off(row: SmtpServer | Subscription, actor: str) -> None:
    if not row.test_mode:
        raise _not_on()
    _store(row, {})
    _record(actor, "test-mode.off", row.name)


def _checked(extent: Extent, address: str, until: datetime | None, actor: str, now: datetime) -> TestMode:
    """Without an end it ends in a day. Raises SettingsRefused naming `address` or `until`."""
    problems = []
    end = until or now + USUAL
    try:
        parsed = parse_address(address.strip())
    except AddressProblem as problem:
        problems.append(FieldError("address", "invalid", str(problem)))
    else:
        address = str(parsed)
        problems += domain_errors(allowed_domains(), [("address", [parsed.domain])])
    if not now < end <= now + LONGEST:
        text = worded("Enter a time after now and within {days} days.", days=LONGEST.days)
        problems.append(FieldError("until", "range", text))
    if problems:
        raise SettingsRefused(*problems)
    return TestMode(extent, address, end, actor[:254], language())


def _store(row: SmtpServer | Subscription, mode: dict[str, Any]) -> None:
    row.test_mode = mode
    row.save(update_fields=["test_mode"])


def _record(actor: str, action: str, subject: str, mode: TestMode | None = None) -> None:
    told = {"address": mode.address, "until": mode.until.isoformat()} if mode is not None else {}
    audit.record(actor, action, subject, told)


def _server(server_id: str) -> SmtpServer:
    server = SmtpServer.objects.filter(pk=server_id[:26]).first()
    if server is None:
        raise NotPossible(worded("This server was removed meanwhile."))
    return server


def _subscription(subscription_id: str) -> Subscription:
    subscription = Subscription.objects.filter(pk=subscription_id[:26]).first()
    if subscription is None:
        raise NotPossible(worded("This subscription was removed meanwhile."))
    return subscription


def _not_on() -> NotPossible:
    return NotPossible(worded("Test mode is not on here."))
