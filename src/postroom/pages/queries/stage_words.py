"""What a stage of a test has to show: the server's words as they came, ours in the reader's language."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from postroom.pages import words
from postroom.pages.states import look_of
from postroom.terms.outcome import Stage, StageStatus
from postroom.terms.server import ServerSettings

_RUNNING = {
    Stage.RESOLVE: gettext_lazy("Looking up %(host)s"),
    Stage.CONNECT: gettext_lazy("Waiting for port %(port)s"),
    Stage.GREETING: gettext_lazy("Waiting for its greeting"),
    Stage.STARTTLS: gettext_lazy("Agreeing on encryption"),
    Stage.AUTHENTICATE: gettext_lazy("Signing in as %(username)s"),
    Stage.MESSAGE: gettext_lazy("Handing over the test mail"),
}
# What a failed stage did not bring about; why is the finding's to say.
_FAILED = {
    Stage.RESOLVE: gettext_lazy("the name led to no address"),
    Stage.CONNECT: gettext_lazy("no connection came about"),
    Stage.GREETING: gettext_lazy("the server did not greet"),
    Stage.EHLO: gettext_lazy("the introduction went wrong"),
    Stage.STARTTLS: gettext_lazy("no encryption came about"),
    Stage.CERTIFICATE: gettext_lazy("the certificate is not trusted"),
    Stage.AUTHENTICATE: gettext_lazy("the sign-in did not succeed"),
    Stage.SENDER: gettext_lazy("the mail was not accepted"),
    Stage.RECIPIENT: gettext_lazy("the recipient was not accepted"),
    Stage.MESSAGE: gettext_lazy("the message was not accepted"),
}
_NO_ANSWER = ("submission-port-blocked", "port-25-blocked", "connect-timeout")
_NO_LISTENER = ("connect-refused-no-listener", "localhost-inside-container")
_REFUSAL = re.compile(r"\A[45]\d\d[ -]")
# A greeting: code, the server's own name, what it says of itself (RFC 5321 section 4.2.4).
_GREETING = re.compile(r"\A(220)[ -](?=[^ ]*\.)[^ ]+ +(.+)\Z", re.S)
_ADDRESSES = re.compile(r"\A([0-9a-fA-F.:]+), (.+)\Z", re.S)
_TLS = re.compile(r"\A(TLS [0-9.]+), ")
_PORT = re.compile(r" port (\d{1,5})\Z")


def came_to(stage: Stage, finding: Mapping[str, Any], port: int) -> str:
    """What a failed stage came to, after its name."""
    evidence = [str(line) for line in finding.get("evidence") or ()]
    if stage is Stage.AUTHENTICATE and evidence and _REFUSAL.match(evidence[0]):
        return _("the server refused the sign-in")
    if stage is Stage.CONNECT and finding.get("cause") in _NO_ANSWER:
        return _("no answer on port %(port)s") % {"port": port}
    if stage is Stage.CONNECT and finding.get("cause") in _NO_LISTENER:
        return _("nothing listens on port %(port)s") % {"port": port}
    return str(_FAILED[stage])


def detail_of(stage: Mapping[str, Any], status: str, facts: Mapping[str, Any], settings: ServerSettings) -> str:
    """What stands beside the stage's name."""
    name, detail = Stage(stage["name"]), str(stage.get("detail") or "")
    if status in (StageStatus.NOT_REACHED, StageStatus.NOT_NEEDED):
        return look_of(status).word
    if status == StageStatus.RUNNING and name in _RUNNING:
        return str(_RUNNING[name]) % {"host": settings.host, "port": settings.port, "username": settings.username}
    if status != StageStatus.PASSED:
        return detail
    if name is Stage.RESOLVE and (found := _ADDRESSES.match(detail)):
        more = found[2].count(", ") + 1
        text = ngettext("%(first)s and %(count)s more address", "%(first)s and %(count)s more addresses", more)
        return text % {"first": found[1], "count": more}
    if name is Stage.GREETING and (found := _GREETING.match(detail)):
        return f"{found[1]} {found[2]}"
    if name is Stage.EHLO and (extensions := facts.get("extensions")):
        offered = ngettext("%(count)s extension offered", "%(count)s extensions offered", len(extensions))
        return offered % {"count": len(extensions)}
    tls, ends = _certificate(facts)
    if name is Stage.CERTIFICATE and ends is not None:
        return _certificate_words(tls, ends)
    return detail


def brief_of(stage: Mapping[str, Any], status: str, facts: Mapping[str, Any]) -> str:
    """The same in a few words, "" where it is brief already; what is left out stands in the card of encryption."""
    name, detail = Stage(stage["name"]), str(stage.get("detail") or "")
    if status != StageStatus.PASSED:
        return ""
    if name is Stage.CONNECT and (found := _PORT.search(detail)):
        return _("port %(port)s") % {"port": found[1]}
    if name is Stage.EHLO and (extensions := facts.get("extensions")):
        return ngettext("%(count)s extension", "%(count)s extensions", len(extensions)) % {"count": len(extensions)}
    if name is Stage.STARTTLS and (found := _TLS.match(detail)):
        return found[1]
    tls, ends = _certificate(facts)
    if name is Stage.CERTIFICATE and ends is not None and tls.get("verified") is not False:
        return _("until %(date)s") % {"date": words.date_with_year(ends)}
    return ""


def _certificate(facts: Mapping[str, Any]) -> tuple[Mapping[str, Any], datetime | None]:
    tls = facts.get("tls") or {}
    return tls, parse_datetime(str(tls.get("not_after") or ""))


def _certificate_words(tls: Mapping[str, Any], ends: datetime) -> str:
    name = str((tls.get("names") or [tls.get("subject") or ""])[0])
    if tls.get("verified") is False:
        return _("%(name)s, not checked") % {"name": name}
    return _("%(name)s, valid until %(date)s") % {"name": name, "date": words.date_with_year(ends)}
