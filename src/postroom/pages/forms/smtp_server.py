"""The form Configure SMTP server: values as they were typed, and the settings they mean."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from django.http import QueryDict
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from postroom.policy.preset import Preset, completed
from postroom.policy.settings_check import SECURITY_NAMES, USUAL_PORTS, warnings_of
from postroom.terms.problem import FieldError
from postroom.terms.server import Auth, FromPolicy, Security, ServerSettings, UncertainPolicy

from . import server_limits

Label = str | Promise
LABELS: dict[str, Label] = {
    "name": gettext_lazy("Name"),
    "description": gettext_lazy("Description"),
    "from_name": gettext_lazy("From Name"),
    "from_address": gettext_lazy("From Address"),
    "subject_prefix": gettext_lazy("Subject Prefix"),
    "host": gettext_lazy("Host Name"),
    "port": gettext_lazy("SMTP Port"),
    "security": gettext_lazy("SSL"),
    "auth": gettext_lazy("Authentication"),
    "username": gettext_lazy("Username"),
    "password": gettext_lazy("Password"),
    "test_recipient": gettext_lazy("Test Mail"),
    "ehlo_name": gettext_lazy("EHLO name"),
    "ca_pem": gettext_lazy("Own CA certificate"),
    "verify_certificate": gettext_lazy("Check the certificate"),
    "allow_plain_auth": gettext_lazy("Allow sign-in without encryption"),
    "from_policy": gettext_lazy("From policy"),
    "uncertain": gettext_lazy("After a lost connection"),
    "bounce_address": gettext_lazy("Return path for bounces"),
    "limits": gettext_lazy("Limits"),
    "use_unverified": gettext_lazy("Use it for deliveries before it passes a test"),
    "reason": gettext_lazy("Reason"),
    **{server_limits.PREFIX + name: label for name, label in server_limits.LABELS.items()},
}
_AUTH_NAMES: dict[Auth, Label] = {
    Auth.NONE: pgettext_lazy("authentication", "None"), Auth.PASSWORD: gettext_lazy("Username & password"),
}
_TEXTS = (
    "name", "description", "from_name", "from_address", "subject_prefix", "host", "username", "test_recipient",
    "ehlo_name", "ca_pem", "bounce_address",
)
_LONGEST_TYPED = 100_000
_Choice = TypeVar("_Choice", bound=StrEnum)
_ADVANCED = (
    "ehlo_name", "ca_pem", "verify_certificate", "allow_plain_auth", "from_policy", "uncertain", "bounce_address",
    "limits",
)


@dataclass
class ServerForm:
    """`typed` holds the text of each field; `settings` what it means, with port 0 for a port that is no number."""

    typed: dict[str, Any]
    settings: ServerSettings
    password: str = field(default="", repr=False)
    problems: dict[str, FieldError] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: ServerSettings) -> "ServerForm":
        typed = {**settings.as_json(), "port": str(settings.port), **server_limits.typed_limits(settings.limits)}
        return cls(typed, settings)

    @classmethod
    def posted(cls, post: QueryDict, before: ServerSettings) -> "ServerForm":
        """What was typed, on top of settings that the form does not show."""
        names = (*_TEXTS, "port", *(server_limits.PREFIX + name for name in server_limits.NAMES))
        typed: dict[str, Any] = {name: post.get(name, "")[:_LONGEST_TYPED] for name in names}
        typed["ca_pem"] = typed["ca_pem"].replace("\r\n", "\n")
        for name in ("verify_certificate", "allow_plain_auth"):
            typed[name] = post.get(name) == "on"
        typed["security"] = _choice(Security, post.get("security"), before.security)
        typed["auth"] = _choice(Auth, post.get("auth"), before.auth)
        typed["from_policy"] = _choice(FromPolicy, post.get("from_policy"), before.from_policy)
        uncertain = post.get("uncertain", before.uncertain)
        typed["uncertain"] = UncertainPolicy(uncertain) if uncertain in tuple(UncertainPolicy) else None
        values = {name: value for name, value in typed.items() if not name.startswith(server_limits.PREFIX)}
        has_limits = any(name.startswith(server_limits.PREFIX) for name in post)
        limits = server_limits.read_limits(typed) if has_limits else before.limits
        values |= {"port": _number(typed["port"]), "limits": limits}
        password = post.get("password", "") if typed["auth"] is Auth.PASSWORD else ""
        return cls(typed, before.changed(**values), password=password)

    def completed(self, preset: Preset | None) -> "ServerForm":
        """The same with what is plain from the rest filled in (policy/preset.completed)."""
        settings = completed(self.settings, preset)
        return self.with_words(name=settings.name, username=settings.username, from_address=settings.from_address)

    def with_words(self, **texts: str) -> "ServerForm":
        """The same with the texts of some fields replaced."""
        return ServerForm({**self.typed, **texts}, self.settings.changed(**texts), self.password, self.problems)

    def refuse(self, problems: list[FieldError]) -> None:
        """Keep the first problem of each field."""
        for problem in problems:
            self.problems.setdefault(problem.field, problem)

    @property
    def summary(self) -> list[tuple[str, Label, str]]:
        """(field, label, text) for the list on top of the form."""
        return [(p.field, LABELS.get(p.field, p.field), p.text) for p in self.problems.values()]

    @property
    def typed_password_lost(self) -> bool:
        """Whether a password had been typed that the answer does not carry."""
        return bool(self.password) and "password" not in self.problems

    @property
    def warnings(self) -> dict[str, FieldError]:
        return {warning.field: warning for warning in warnings_of(self.settings)}

    @property
    def securities(self) -> list[dict[str, Any]]:
        chosen = self.typed["security"]
        return [
            {"value": str(value), "name": _security_name(value), "port": USUAL_PORTS[value], "chosen": value == chosen}
            for value in Security
        ]

    @property
    def limit_fields(self) -> list[dict[str, Any]]:
        return [{"name": server_limits.PREFIX + name, "label": label} for name, label in server_limits.LABELS.items()]

    @property
    def changed_advanced(self) -> list[Label]:
        """Labels of the advanced settings that are not at their defaults."""
        usual = ServerSettings()
        return [LABELS[name] for name in _ADVANCED if getattr(self.settings, name) != getattr(usual, name)]

    @property
    def opens_advanced(self) -> bool:
        return bool(self.changed_advanced) or any(name.startswith(_ADVANCED) for name in self.problems)

    def with_values(self, values: Mapping[str, Any]) -> "ServerForm":
        """The same form with some settings replaced by API name, such as a finding's proposal."""
        known = {name: value for name, value in values.items() if name in LABELS and name in self.settings.as_json()}
        return ServerForm.of(ServerSettings.from_json({**self.settings.as_json(), **known}))


def suggestion_words(problem: FieldError) -> str:
    """The label of the button that takes a suggestion: "Use mail.example and port 587"."""
    suggested = problem.suggestion or {}
    if "host" in suggested and "port" in suggested:
        return _("Use %(host)s and port %(port)s") % suggested
    if "security" in suggested:
        return _("Use %(name)s") % {"name": _security_name(Security(str(suggested["security"])))}
    return _("Use %(name)s") % {"name": next(iter(suggested.values()))} if suggested else ""


def setting_words(name: str, value: Any) -> str:
    """A setting's value as the form words it."""
    if name == "security":
        return _security_name(Security(str(value)))
    if name == "auth":
        return str(_AUTH_NAMES[Auth(str(value))])
    if isinstance(value, bool):
        return _("Yes") if value else _("No")
    return str(value)


def _security_name(security: Security) -> str:
    return _("None") if security is Security.NONE else SECURITY_NAMES[security]


def _choice(kind: type[_Choice], typed: str | None, otherwise: _Choice) -> _Choice:
    try:
        return kind(typed or "")
    except ValueError:
        return otherwise


def _number(typed: str) -> int:
    text = typed.strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 6 else 0
