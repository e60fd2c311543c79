"""Webhooks as an administrator keeps them: add, change, pause, resume, a new secret, remove. Each is audited.

The secret signs and is never sent anywhere: it is shown once and then lies sealed to its webhook. Which events are
written at all follows from the webhooks that work, in the commit of each change."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.db import transaction

from postroom.policy.webhook_filter import PURPOSES
from postroom.policy.webhook_signature import SECRET_BYTES, key_of, secret_of
from postroom.policy.webhooks import GIVE_UP_AFTER
from postroom.store import audit, event_triggers
from postroom.store.models import Webhook, WebhookDelivery
from postroom.terms.event import SUBSCRIBABLE
from postroom.terms.host_name import host_reading
from postroom.terms.problem import FieldError
from postroom.terms.wording import worded

from ..instance.refusals import NotPossible, SettingsRefused

# Each is told of every event that it wants, and each costs the database a row for that.
WEBHOOKS = 50
NAME_CHARACTERS = 100
URL_CHARACTERS = 2_000
TAGS, TAG_CHARACTERS = 20, 100
# How long the former secret signs beside a new one, unless it is said to be known to others.
BOTH_SIGN = timedelta(hours=24)
_Pause = Webhook.Pause


def add_webhook(values: Mapping[str, Any], actor: str) -> tuple[Webhook, str]:
    """A new webhook, and its secret, which nobody can read again: the `secret` of `values`, else one made here. The
    others are `name`, `url`, `events`, `tags` and `purposes`. Raises SettingsRefused, NotPossible."""
    with transaction.atomic():
        if Webhook.objects.count() >= WEBHOOKS:
            raise NotPossible(worded("There are {most} webhooks already. Remove one first.", most=WEBHOOKS))
        row = Webhook()
        given = str(values.get("secret") or "")
        _set(row, {"name": "", "url": "", **values}, _secret_problems(given))
        secret = given or _new_secret()
        row.sealed_secret = settings.VAULT.seal(secret, _destination(row))
        row.save(force_insert=True)
        event_triggers.arrange()
        audit.record(actor, "webhook.add", row.name, {"webhook": webhook_values(row)})
    return row, secret


def change_webhook(webhook_id: str, values: Mapping[str, Any], actor: str) -> Webhook:
    """Change the fields that `values` has. Raises SettingsRefused, NotPossible."""
    with transaction.atomic():
        row = present(webhook_id)
        before, url_before = webhook_values(row), row.url
        _set(row, values, [])
        after = webhook_values(row)
        # Two addresses may differ in what is not shown.
        changed = [name for name in after if before[name] != after[name] or (name == "url" and row.url != url_before)]
        changes = {name: [before[name], after[name]] for name in changed}
        if changes:
            if "url" in changes:
                row.failures, row.failing_since, row.retry_at, row.last_problem = 0, None, None, ""
            row.save()
            event_triggers.arrange()
            audit.record(actor, "webhook.change", row.name, changes)
    return row


def remove_webhook(webhook_id: str, actor: str) -> str:
    """Remove it with its history; its name. Raises NotPossible."""
    with transaction.atomic():
        row = present(webhook_id)
        audit.record(actor, "webhook.remove", row.name, {"webhook": webhook_values(row)})
        row.delete()
        event_triggers.arrange()
    return row.name


def pause_webhook(webhook_id: str, actor: str, now: datetime) -> Webhook:
    """Send it nothing more; what happens meanwhile it never hears of. What waits already stays. Raises NotPossible."""
    with transaction.atomic():
        row = present(webhook_id)
        if not row.paused_for:
            stop(row, _Pause.MANUAL, actor, now)
    return row


def stop(row: Webhook, reason: str, actor: str, now: datetime) -> None:
    """Pause it for that reason; call it inside a transaction."""
    row.paused_for, row.paused_at, row.paused_by = reason, now, actor[:254]
    row.save()
    event_triggers.arrange()
    audit.record(actor, "webhook.pause", row.name, {"reason": str(reason)})


def resume_webhook(webhook_id: str, actor: str, now: datetime) -> Webhook:
    """Go on, with what waits at once. Raises NotPossible."""
    with transaction.atomic():
        row = present(webhook_id)
        if row.paused_for:
            row.paused_for, row.paused_at, row.paused_by = "", None, ""
            row.failures, row.failing_since, row.retry_at = 0, None, None
            row.save()
            waiting = WebhookDelivery.objects.filter(webhook=row, state=WebhookDelivery.State.WAITING)
            waiting.update(due_at=now, give_up_at=now + GIVE_UP_AFTER)
            event_triggers.arrange()
            audit.record(actor, "webhook.resume", row.name)
    return row


def renew_secret(webhook_id: str, actor: str, now: datetime, *, keep: timedelta = BOTH_SIGN) -> tuple[Webhook, str]:
    """A new secret, which nobody can read again; the former one signs beside it for `keep`. Raises NotPossible."""
    with transaction.atomic():
        row = present(webhook_id)
        secret = _new_secret()
        row.previous_secret, row.previous_until = (row.sealed_secret, now + keep) if keep else ("", None)
        row.sealed_secret = settings.VAULT.seal(secret, _destination(row))
        row.save()
        audit.record(actor, "webhook.new-secret", row.name, {"former_signs_for_s": int(keep.total_seconds())})
    return row, secret


def signing_secrets(row: Webhook, now: datetime) -> list[str]:
    """The secrets that sign at that moment, the newest first. Raises VaultError."""
    sealed = [row.sealed_secret]
    if row.previous_secret and row.previous_until is not None and now < row.previous_until:
        sealed.append(row.previous_secret)
    return [settings.VAULT.unseal(each, _destination(row)) for each in sealed]


def present(webhook_id: str) -> Webhook:
    """Raises NotPossible."""
    row = Webhook.objects.filter(pk=webhook_id[:26]).first()
    if row is None:
        raise NotPossible(worded("This webhook was removed meanwhile."))
    return row


def webhook_values(row: Webhook) -> dict[str, Any]:
    """What of it is set, by API name, as anybody may read it: a query may hold a secret of the receiver's."""
    return {
        "name": row.name, "url": shown_url(row.url), "events": row.events, "tags": row.tags, "purposes": row.purposes,
    }


def shown_url(url: str) -> str:
    """The address without its query."""
    address, mark, _ = url.partition("?")
    return f"{address}?…" if mark else address


def _destination(row: Webhook) -> str:
    return f"webhook {row.pk}"


def _new_secret() -> str:
    return secret_of(secrets.token_bytes(SECRET_BYTES))


def _secret_problems(secret: str) -> list[FieldError]:
    try:
        if secret:
            key_of(secret)
    except ValueError:
        text = worded("A secret is “whsec_” and the base64 of 24 to 64 octets. Leave it out to have one made.")
        return [FieldError("secret", "invalid", text)]
    return []


def _set(row: Webhook, values: Mapping[str, Any], problems: list[FieldError]) -> None:
    """Take over the values that are there. Raises SettingsRefused naming every field at fault."""
    if "name" in values:
        row.name = str(values["name"]).strip()
        problems += _name_problems(row)
    if "url" in values:
        row.url = str(values["url"]).strip()
        problems += _url_problems(row.url)
    if "events" in values:
        row.events, of_events = _checked_events(values["events"])
        problems += of_events
    if "tags" in values:
        row.tags = list(dict.fromkeys(str(tag).strip() for tag in values["tags"]))
        problems += _tag_problems(row.tags)
    if "purposes" in values:
        wanted = set(map(str, values["purposes"]))
        row.purposes = [purpose for purpose in PURPOSES if purpose in wanted]
        if wanted - set(PURPOSES):
            text = worded("Choose among {purposes}.", purposes=", ".join(PURPOSES))
            problems.append(FieldError("purposes", "invalid", text))
    if problems:
        raise SettingsRefused(*problems)


def _tag_problems(tags: Sequence[str]) -> list[FieldError]:
    if len(tags) > TAGS:
        return [FieldError("tags", "too-many", worded("Enter at most {most} tags.", most=TAGS))]
    if any(not 1 <= len(tag) <= TAG_CHARACTERS or not tag.isprintable() for tag in tags):
        text = worded("A tag has 1 to {most} characters.", most=TAG_CHARACTERS)
        return [FieldError("tags", "invalid", text)]
    return []


def _name_problems(row: Webhook) -> list[FieldError]:
    if not 1 <= len(row.name) <= NAME_CHARACTERS or not row.name.isprintable():
        text = worded("Enter a name of 1 to {most} characters.", most=NAME_CHARACTERS)
        return [FieldError("name", "invalid", text)]
    if Webhook.objects.filter(name=row.name).exclude(pk=row.pk).exists():
        return [FieldError("name", "taken", worded("There is a webhook of this name. Choose another one."))]
    return []


def _url_problems(url: str) -> list[FieldError]:
    text = worded("Enter the address that takes the requests, such as https://app.example.com/mail-events.")
    if not url or len(url) > URL_CHARACTERS or not (url.isascii() and url.isprintable()) or " " in url:
        return [FieldError("url", "invalid", text)]
    try:
        parts = urlsplit(url)
        port_is_good = parts.port is None or 1 <= parts.port <= 65_535
    except ValueError:
        return [FieldError("url", "invalid", text)]
    if parts.scheme not in ("http", "https") or not port_is_good or parts.fragment or not _is_host(parts):
        return [FieldError("url", "invalid", text)]
    if parts.username is not None or parts.password is not None:
        text = worded("Leave out user name and password: the signature shows the receiver who is calling.")
        return [FieldError("url", "credentials", text)]
    if _is_closed(parts.hostname or ""):
        text = worded("This is an internal address. The operator can open its network with POSTROOM_WEBHOOK_NETWORKS.")
        return [FieldError("url", "not-allowed", text)]
    return []


def _is_host(parts: SplitResult) -> bool:
    reading = host_reading(parts.hostname or "")
    return bool(reading.host) and reading.flaw in ("", "brackets", "trailing-dot")


def _is_closed(host: str) -> bool:
    """Whether it is an address, not a name, and may not be dialed; names are looked up when something is sent."""
    is_address = ":" in host or host.replace(".", "").isdigit()
    return is_address and not settings.WEBHOOK_NETWORKS.may_fetch(host)


def _checked_events(given: Sequence[str]) -> tuple[list[str], list[FieldError]]:
    """The kinds in our order, each once; all of them are none in particular."""
    wanted = set(map(str, given))
    if unknown := sorted(wanted - set(SUBSCRIBABLE)):
        text = worded("There is no event “{name}”. Choose among {events}.", name=unknown[0][:100],
                      events=", ".join(SUBSCRIBABLE))
        return [], [FieldError("events", "invalid", text)]
    return [str(kind) for kind in SUBSCRIBABLE if kind in wanted], []
