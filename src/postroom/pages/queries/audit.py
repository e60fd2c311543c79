"""The audit trail as its page shows it: who changed what, when."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from postroom.store.models import AuditEntry, User

from .activity_rows import id_in

SHOWN = 50
# Names of people and programs are looked for in so many of the newest entries.
_LOOKED_AT = 5_000
_VALUE_CHARACTERS = 300
ACTIONS = {
    "alert.acknowledge": gettext_lazy("Acknowledged an alert"),
    "announcement.send": gettext_lazy("Sent an announcement"),
    "announcement.stop": gettext_lazy("Stopped an announcement"),
    "calendar.add": gettext_lazy("Added a holiday calendar"),
    "calendar.change": gettext_lazy("Changed a holiday calendar"),
    "calendar.put-back": gettext_lazy("Put a holiday calendar back"),
    "calendar.remove": gettext_lazy("Removed a holiday calendar"),
    "domain.accept": gettext_lazy("Accepted a change of a domain"),
    "group.add": gettext_lazy("Added a group"),
    "group.change": gettext_lazy("Changed a group"),
    "group.members": gettext_lazy("Changed who is in a group"),
    "group.put-back": gettext_lazy("Put a group back"),
    "group.remove": gettext_lazy("Removed a group"),
    "recipient.add": gettext_lazy("Added a recipient"),
    "recipient.change": gettext_lazy("Changed a recipient"),
    "recipient.put-back": gettext_lazy("Put a recipient back"),
    "recipient.remove": gettext_lazy("Removed a recipient"),
    "recipients.export": gettext_lazy("Exported recipients"),
    "recipients.import": gettext_lazy("Imported recipients"),
    "recipients.import-undo": gettext_lazy("Undid an import of recipients"),
    "user.invite": gettext_lazy("Invited a person"),
    "server.save": gettext_lazy("Saved a server"),
    "server.delete": gettext_lazy("Deleted a server"),
    "server.default": gettext_lazy("Made a server the default"),
    "server.move": gettext_lazy("Changed the order of servers"),
    "server.enable": gettext_lazy("Switched a server on"),
    "server.disable": gettext_lazy("Switched a server off"),
    "server.pause": gettext_lazy("Paused a server"),
    "server.resume": gettext_lazy("Resumed a server"),
    "run.stop": gettext_lazy("Stopped a run"),
    "run.retry": gettext_lazy("Went on with a run"),
    "test-mode.on": gettext_lazy("Switched test mode on"),
    "test-mode.off": gettext_lazy("Switched test mode off"),
    "test.start": gettext_lazy("Ran a test"),
    "test.stop": gettext_lazy("Stopped a test"),
    "test.arrived": gettext_lazy("Saw a test mail arrive"),
    "test.not-arrived": gettext_lazy("Missed a test mail"),
    "queue.retry": gettext_lazy("Hurried waiting mail"),
    "queue.hold": gettext_lazy("Held waiting mail"),
    "queue.release": gettext_lazy("Released held mail"),
    "source.add": gettext_lazy("Added a report source"),
    "source.change": gettext_lazy("Changed a report source"),
    "source.remove": gettext_lazy("Removed a report source"),
    "source.try": gettext_lazy("Tried a report source"),
    "source.push": gettext_lazy("Pushed a report"),
    "connection.add": gettext_lazy("Added a connection to a database"),
    "connection.change": gettext_lazy("Changed a connection to a database"),
    "connection.remove": gettext_lazy("Removed a connection to a database"),
    "connection.try": gettext_lazy("Tried a connection to a database"),
    "rule.add": gettext_lazy("Added a delivery rule"),
    "rule.change": gettext_lazy("Changed a delivery rule"),
    "rule.move": gettext_lazy("Changed the order of delivery rules"),
    "rule.remove": gettext_lazy("Removed a delivery rule"),
    "rule.put-back": gettext_lazy("Put a delivery rule back"),
    "message.retry": gettext_lazy("Retried a message"),
    "message.cancel": gettext_lazy("Cancelled a message"),
    "message.undo-cancel": gettext_lazy("Took a cancelling back"),
    "message.resend": gettext_lazy("Resent a message"),
    "message.read": gettext_lazy("Read a message"),
    "message.download": gettext_lazy("Downloaded a message"),
    "messages.export": gettext_lazy("Exported messages"),
    "webhook.add": gettext_lazy("Added a webhook"),
    "webhook.change": gettext_lazy("Changed a webhook"),
    "webhook.pause": gettext_lazy("Paused a webhook"),
    "webhook.resume": gettext_lazy("Resumed a webhook"),
    "webhook.new-secret": gettext_lazy("Made a new secret of a webhook"),
    "webhook.test": gettext_lazy("Tested a webhook"),
    "webhook.replay": gettext_lazy("Told a webhook again"),
    "webhook.remove": gettext_lazy("Removed a webhook"),
    "token.create": gettext_lazy("Created an API token"),
    "token.revoke": gettext_lazy("Revoked an API token"),
    "token.restore": gettext_lazy("Let a revoked API token submit again"),
    "user.create": gettext_lazy("Added a user"),
    "user.change": gettext_lazy("Changed a user"),
    "user.password": gettext_lazy("Changed the own password"),
    "user.reset-password": gettext_lazy("Reset a password"),
    "site.change": gettext_lazy("Changed the instance"),
    "template.add": gettext_lazy("Added a template"),
    "template.change": gettext_lazy("Changed a template"),
    "template.use-version": gettext_lazy("Used another version of a template"),
    "template.remove": gettext_lazy("Removed a template"),
    "branding.change": gettext_lazy("Changed the branding"),
    "suppression.add": gettext_lazy("Suppressed a recipient"),
    "suppression.remove": gettext_lazy("Let a recipient get mail again"),
    "bounce-mailbox.save": gettext_lazy("Saved the bounce mailbox"),
    "bounce-mailbox.look": gettext_lazy("Looked into the bounce mailbox"),
    "bounce-mailbox.remove": gettext_lazy("Removed the bounce mailbox"),
    "suppressions.export": gettext_lazy("Exported suppressed recipients"),
    "dkim.create": gettext_lazy("Made a DKIM key"),
    "dkim.activate": gettext_lazy("Switched a DKIM key on"),
    "dkim.retire": gettext_lazy("Retired a DKIM key"),
    "dkim.delete": gettext_lazy("Removed a DKIM key"),
    "retention.change": gettext_lazy("Changed the retention"),
    "subscription.add": gettext_lazy("Added a subscription"),
    "subscription.change": gettext_lazy("Changed a subscription"),
    "subscription.pause": gettext_lazy("Paused a subscription"),
    "subscription.resume": gettext_lazy("Resumed a subscription"),
    "subscription.run": gettext_lazy("Ran a subscription"),
    "subscription.remove": gettext_lazy("Removed a subscription"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One change. `details` are pairs of a name and what it was and is; `message` is the id that `subject` is of."""

    entry: AuditEntry
    actor: str
    action: str
    details: Sequence[tuple[str, str]]
    message: str


@dataclass(frozen=True, slots=True)
class Trail:
    """`older` is the query of the next page, `first` that of the first one; `before` is "" on the first one."""

    lines: Sequence[Line]
    older: str
    first: str
    before: str
    actors: Sequence[tuple[str, str]]
    actions: Sequence[tuple[str, str]]
    actor: str
    action: str


def trail(query: Mapping[str, str]) -> Trail:
    """A page of the trail, newest first."""
    actor, action, before = (query.get(name, "")[:254] for name in ("actor", "action", "before"))
    entries = AuditEntry.objects.order_by("-pk")
    if actor:
        entries = entries.filter(actor=actor)
    if action:
        entries = entries.filter(action=action)
    page = list((entries.filter(pk__lt=before) if before else entries)[: SHOWN + 1])
    names = dict(User.objects.values_list("email", "name"))
    chosen = {name: value for name, value in (("actor", actor), ("action", action)) if value}
    return Trail(
        lines=[_line(entry, names) for entry in page[:SHOWN]],
        older=urlencode({**chosen, "before": page[SHOWN - 1].pk}) if len(page) > SHOWN else "",
        first=urlencode(chosen),
        before=before,
        actors=_actors(names, actor),
        actions=[(slug, str(word)) for slug, word in ACTIONS.items()],
        actor=actor,
        action=action,
    )


def _actors(names: Mapping[str, str], chosen: str) -> list[tuple[str, str]]:
    newest = AuditEntry.objects.order_by("-pk").values_list("actor", flat=True)[:_LOOKED_AT]
    known = {*newest, *names} | ({chosen} if chosen else set())
    return sorted(((actor, names.get(actor) or actor) for actor in known), key=lambda pair: pair[1].lower())


def _line(entry: AuditEntry, names: Mapping[str, str]) -> Line:
    return Line(
        entry=entry,
        actor=names.get(entry.actor) or entry.actor,
        action=str(ACTIONS.get(entry.action, entry.action)),
        details=list(_details(entry.changes)),
        message=id_in(entry.subject) if entry.action.startswith("message.") else "",
    )


def _details(changes: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """A pair is what was and what is; anything else stands for itself. Of what is new only what it has is said."""
    is_new = _pair(changes.get("name"))[:1] == [None]
    for name, value in changes.items():
        pair = _pair(value)
        if not pair:
            yield str(name), _one(value)
        elif any(isinstance(each, dict) for each in pair):
            old, new = ({} if each is None else each for each in pair)
            for part in {**old, **new}:
                yield from _change(f"{name}.{part}", old.get(part), new.get(part), is_new)
        else:
            yield from _change(str(name), pair[0], pair[1], is_new)


def _pair(value: Any) -> list[Any]:
    """What was and what is, either plain values or tables; empty for anything else."""
    if not isinstance(value, list) or len(value) != 2:
        return []
    tables = [each for each in value if isinstance(each, dict)]
    plain = [each for each in value if not isinstance(each, dict | list)]
    return value if len(plain) == 2 or (tables and all(each is None for each in plain)) else []


def _change(name: str, old: Any, new: Any, is_new: bool) -> Iterator[tuple[str, str]]:
    if is_new and new not in (None, ""):
        yield name, _one(new)
    elif not is_new and old != new:
        yield name, _("%(old)s → %(new)s") % {"old": _one(old), "new": _one(new)}


def _one(value: Any) -> str:
    match value:
        case None | "":
            return _("none")
        case True:
            return _("yes")
        case False:
            return _("no")
        case int() | float() | str():
            return str(value)[:_VALUE_CHARACTERS]
        case _:
            return json.dumps(value, ensure_ascii=False)[:_VALUE_CHARACTERS]
