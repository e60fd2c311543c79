"""Announcements: the same news to many people, each in a message of their own that may name their values.

A person or a client says what and to whom; an engine fixes the recipients in one commit and then queues their messages
group by group. A message's idempotency key is that of its place, so that whoever is interrupted goes on with nobody
left out and nobody twice.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import IntegrityError, connection, transaction

from postroom.store import audit
from postroom.store.models import Announcement, RecipientGroup, SmtpServer
from postroom.terms.address import AddressProblem, canonical, parse_address
from postroom.terms.problem import FieldError
from postroom.terms.wording import worded

from ..instance.instance import LANGUAGES
from ..instance.refusals import NotPossible, SettingsRefused
from ..recipients.recipients import Addressed
from .announcement_audience import audience_of

SUBJECT_CHARACTERS = 200
TEXT_CHARACTERS = 20_000
ADDRESSES = 1_000
GROUPS = 100
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
State = Announcement.State
OPEN = (State.WAITING, State.SENDING)


def draft_announcement(given: Mapping[str, Any]) -> Announcement:
    """An announcement of these fields by API name, not saved: `subject`, `text`, `translations` {language: {"subject",
    "text"}}, `language`, `users`, `recipients`, `groups` (ids or names), `addresses`, `can_leave`, `server` (id or
    name). Raises SettingsRefused naming each field at fault."""
    problems: list[FieldError] = []
    texts = _texts(given, problems)
    audience = {
        "users": bool(given.get("users")), "recipients": bool(given.get("recipients")),
        "groups": _groups(given.get("groups") or (), problems),
        "addresses": _addresses(given.get("addresses") or (), problems),
    }
    if not any(audience.values()) and not any(problem.field in ("groups", "addresses") for problem in problems):
        problems.append(FieldError("users", "required", worded("Choose who gets it.")))
    server = _server(str(given.get("server") or ""), problems)
    if problems:
        raise SettingsRefused(*problems)
    return Announcement(texts=texts, audience=audience, can_leave=bool(given.get("can_leave", True)), server=server)


def announce(announcement: Announcement, *, actor: str, sender_id: str, sender_name: str, now: datetime) -> bool:
    """Hand it over to the engine; False where that was done before under its id. Raises NotPossible where it reaches
    nobody, SettingsRefused where its text can't be filled in for the first whom it reaches."""
    if _is_known(announcement):
        return False
    people = reached(announcement)
    if not people:
        raise NotPossible(worded("It reaches nobody. Choose other groups, or add recipients first."))
    if problems := _faults_for(announcement, people[0]):
        raise SettingsRefused(*problems)
    announcement.created_at, announcement.created_by = now, actor[:254]
    announcement.sender_id, announcement.sender_name = sender_id[:26], sender_name[:150]
    told = {"subject": title_of(announcement), "recipients": len(people), "to": announcement.audience}
    try:
        with transaction.atomic():
            announcement.save(force_insert=True)
            audit.record(actor, "announcement.send", announcement.pk, told)
    except IntegrityError:
        if _is_known(announcement):  # the same was handed in at the same time
            return False
        raise
    return True


def known_of(to: Addressed) -> dict[str, Any]:
    """What texts may name of a recipient, as `recipient`."""
    return {
        **to.values, "name": to.name, "address": to.address, "language": to.language, "time_zone": to.time_zone,
    }


def announcement_id(scope: str, key: str) -> str:
    """The id of what a client announces under an idempotency key: the same for the same key (U4)."""
    number = int.from_bytes(hashlib.sha256(f"announcement:{scope}:{key}".encode()).digest(), "big")
    return "".join(_ALPHABET[(number >> 5 * place) & 31] for place in range(26))


def is_same(one: Announcement, other: Announcement) -> bool:
    """Whether both say the same to the same people."""
    return all(getattr(one, name) == getattr(other, name) for name in ("texts", "audience", "can_leave", "server_id"))


def stop(announcement_id: str, *, actor: str, now: datetime) -> Announcement:
    """Queue no more of its messages; those that are queued already still leave. Raises NotPossible."""
    with transaction.atomic():
        stopped = Announcement.objects.filter(pk=announcement_id[:26], state__in=OPEN).update(
            state=State.STOPPED, finished_at=now
        )
        if not stopped:
            raise NotPossible(worded("This announcement has ended already."))
        row = Announcement.objects.get(pk=announcement_id[:26])
        audit.record(actor, "announcement.stop", row.pk, {"queued": row.queued, "planned": row.planned})
    return row


def reached(announcement: Announcement) -> list[Addressed]:
    """Everybody whom it reaches now (blocking)."""
    return audience_of(announcement.audience)


def seen_as(people: Sequence[Addressed], address: str) -> Addressed:
    """Whose message a preview shows: that of this address, else of the first whom it reaches. Raises SettingsRefused
    where the address is none of them."""
    if not address.strip():
        return people[0] if people else Addressed("name@example.com", "name@example.com")
    try:
        wanted = canonical(str(parse_address(address.strip())))
    except AddressProblem as problem:
        fault = problem.text.followed_by(problem.remedy)
        raise SettingsRefused(FieldError("recipient", "invalid", fault)) from None
    found = next((one for one in people if one.address_key == wanted), None)
    if found is None:
        fault = worded("It does not reach {address}. Enter one of those whom it reaches.", address=wanted[:320])
        raise SettingsRefused(FieldError("recipient", "not-found", fault))
    return found


def standing(announcement: Announcement) -> dict[str, int]:
    """How many of its deliveries are in each state (blocking)."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT d.state, count(*) FROM store_announcementrecipient r JOIN store_delivery d"
            " ON d.message_id = r.message_id WHERE r.announcement_id = %s AND r.message_id <> '' GROUP BY d.state",
            [announcement.pk],
        )
        return {str(state): int(count) for state, count in cursor.fetchall()}


def title_of(announcement: Announcement) -> str:
    """Its subject in the first of its languages."""
    return next((str(text["subject"]) for text in announcement.texts.values()), "")


def text_for(announcement: Announcement, language: str) -> Mapping[str, str]:
    """{"subject", "text"} for somebody who reads that language, else in the first of its languages."""
    texts: Mapping[str, Mapping[str, str]] = announcement.texts
    for wanted in (language, language.split("-")[0]):
        if wanted in texts:
            return texts[wanted]
    return next(iter(texts.values()))


def _is_known(announcement: Announcement) -> bool:
    return Announcement.objects.filter(pk=announcement.pk).exists()


def _texts(given: Mapping[str, Any], problems: list[FieldError]) -> dict[str, dict[str, str]]:
    first = str(given.get("language") or "") or "en"
    texts = {first: _text(given, "", problems)}
    for language, other in dict(given.get("translations") or {}).items():
        if language != first and (str(other.get("subject") or "").strip() or str(other.get("text") or "").strip()):
            texts[str(language)[:8]] = _text(other, f"translations.{language}.", problems)
    if unknown := [language for language in texts if language not in LANGUAGES]:
        text = worded("Enter one of {languages}.", languages=", ".join(LANGUAGES))
        field = "language" if unknown[0] == first else f"translations.{unknown[0]}"
        problems.append(FieldError(field, "invalid", text))
    return texts


def _text(given: Mapping[str, Any], place: str, problems: list[FieldError]) -> dict[str, str]:
    subject, text = str(given.get("subject") or "").strip(), str(given.get("text") or "").strip()
    if not subject or len(subject) > SUBJECT_CHARACTERS or not subject.isprintable():
        fault = worded("Enter a subject of 1 to {most} characters.", most=SUBJECT_CHARACTERS)
        problems.append(FieldError(f"{place}subject", "invalid", fault))
    if not text or len(text) > TEXT_CHARACTERS or "\x00" in text:
        fault = worded("Enter a text of 1 to {most} characters.", most=TEXT_CHARACTERS)
        problems.append(FieldError(f"{place}text", "invalid", fault))
    else:
        _check_values(subject, f"{place}subject", problems)
        _check_values(text, f"{place}text", problems)
    return {"subject": subject, "text": text.replace("\r\n", "\n")}


def _check_values(text: str, field: str, problems: list[FieldError]) -> None:
    """A name in double braces stands for a value of the recipient: the closed language of templates."""
    if _names_values(text):
        # Here, since the libraries that fill templates in cost 16 MB, and most announcements name no value.
        from postroom.message.template import TemplateFault, checked

        try:
            checked(text)
        except TemplateFault as fault:
            problems.append(FieldError(field, "invalid", fault.text))


def _faults_for(announcement: Announcement, to: Addressed) -> list[FieldError]:
    """What only filling in shows, such as a filter that does not exist."""
    named = [
        (f"translations.{language}.{part}" if number else part, text[part])
        for number, (language, text) in enumerate(announcement.texts.items()) for part in ("subject", "text")
        if _names_values(text[part])
    ]
    if not named:
        return []
    from postroom.message.template import TemplateFault, filled

    problems: list[FieldError] = []
    for field, text in named:
        try:
            filled(text, {"recipient": known_of(to)})
        except TemplateFault as fault:
            problems.append(FieldError(field, "invalid", fault.text))
    return problems


def _names_values(text: str) -> bool:
    return "{{" in text or "{%" in text


def _groups(wanted: Sequence[str], problems: list[FieldError]) -> list[str]:
    found = []
    for text in list(wanted)[:GROUPS]:
        row = RecipientGroup.objects.filter(pk=text[:26]).first() or RecipientGroup.objects.filter(name=text).first()
        if row is None:
            fault = worded("There is no group of the name or id “{group}”.", group=text[:100])
            problems.append(FieldError("groups", "not-found", fault))
            break
        found.append(row.pk)
    return list(dict.fromkeys(found))


def _addresses(wanted: Sequence[str], problems: list[FieldError]) -> list[str]:
    if len(wanted) > ADDRESSES:
        fault = worded("Enter at most {most} addresses; a group takes more.", most=ADDRESSES)
        problems.append(FieldError("addresses", "too-many", fault))
        return []
    found = []
    for text in wanted:
        try:
            found.append(str(parse_address(text.strip())))
        except AddressProblem as problem:
            problems.append(FieldError("addresses", "invalid", problem.text.followed_by(problem.remedy)))
            break
    return list(dict.fromkeys(found))


def _server(wanted: str, problems: list[FieldError]) -> SmtpServer | None:
    """Messages name it by its id when they are queued, and are refused as any other that names one that is off."""
    if not wanted:
        return None
    found = next((row for row in SmtpServer.objects.all() if wanted in (row.pk, row.name) and row.enabled), None)
    if found is None:
        problems.append(FieldError("server", "not-found", worded("No enabled SMTP server has this name or id.")))
    return found
