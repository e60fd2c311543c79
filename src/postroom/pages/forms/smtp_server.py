"""The form Configure SMTP server: values as they were typed, and the settings they mean."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from django.http import QueryDict

from postroom.policy.settings_check import SECURITY_NAMES, USUAL_PORTS, warnings_of
from postroom.terms.problem import FieldError
from postroom.terms.server import Auth, FromPolicy, Security, ServerSettings

LABELS = {
    "name": "Name",
    "description": "Description",
    "from_name": "From Name",
    "from_address": "From Address",
    "subject_prefix": "Subject Prefix",
    "host": "Host Name",
    "port": "SMTP Port",
    "security": "SSL",
    "auth": "Authentication",
    "username": "Username",
    "password": "Password",
    "test_recipient": "Test Mail",
    "ehlo_name": "EHLO name",
    "ca_pem": "Own CA certificate",
    "verify_certificate": "Check the certificate",
    "allow_plain_auth": "Allow sign-in without encryption",
    "from_policy": "From policy",
    "use_unverified": "Use it for deliveries before it passes a test",
    "reason": "Reason",
}
AUTH_NAMES = {Auth.NONE: "None", Auth.PASSWORD: "Username & password"}
_TEXTS = (
    "name", "description", "from_name", "from_address", "subject_prefix", "host", "username", "test_recipient",
    "ehlo_name", "ca_pem",
)
_LONGEST_TYPED = 100_000
_Choice = TypeVar("_Choice", bound=StrEnum)
_ADVANCED = ("ehlo_name", "ca_pem", "verify_certificate", "allow_plain_auth", "from_policy")


@dataclass
class ServerForm:
    """`typed` holds the text of each field; `settings` what it means, with port 0 for a port that is no number."""

    typed: dict[str, Any]
    settings: ServerSettings
    password: str = field(default="", repr=False)
    problems: dict[str, FieldError] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: ServerSettings) -> "ServerForm":
        return cls({**settings.as_json(), "port": str(settings.port)}, settings)

    @classmethod
    def posted(cls, post: QueryDict, before: ServerSettings) -> "ServerForm":
        """What was typed, on top of settings that the form does not show (limits, uncertain)."""
        typed: dict[str, Any] = {name: post.get(name, "")[:_LONGEST_TYPED] for name in (*_TEXTS, "port")}
        typed["ca_pem"] = typed["ca_pem"].replace("\r\n", "\n")
        for name in ("verify_certificate", "allow_plain_auth"):
            typed[name] = post.get(name) == "on"
        typed["security"] = _choice(Security, post.get("security"), before.security)
        typed["auth"] = _choice(Auth, post.get("auth"), before.auth)
        typed["from_policy"] = _choice(FromPolicy, post.get("from_policy"), before.from_policy)
        values = {**typed, "port": _number(typed["port"])}
        password = post.get("password", "") if typed["auth"] is Auth.PASSWORD else ""
        return cls(typed, before.changed(**values), password=password)

    def refuse(self, problems: list[FieldError]) -> None:
        """Keep the first problem of each field."""
        for problem in problems:
            self.problems.setdefault(problem.field, problem)

    @property
    def summary(self) -> list[tuple[str, str, str]]:
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
            {"value": str(value), "name": SECURITY_NAMES[value], "port": USUAL_PORTS[value], "chosen": value == chosen}
            for value in Security
        ]

    @property
    def changed_advanced(self) -> list[str]:
        """Labels of the advanced settings that are not at their defaults."""
        usual = ServerSettings()
        return [LABELS[name] for name in _ADVANCED if getattr(self.settings, name) != getattr(usual, name)]

    @property
    def opens_advanced(self) -> bool:
        return bool(self.changed_advanced) or any(name in self.problems for name in _ADVANCED)

    def with_values(self, values: Mapping[str, Any]) -> "ServerForm":
        """The same form with some settings replaced by API name, such as a finding's proposal."""
        known = {name: value for name, value in values.items() if name in LABELS and name in self.settings.as_json()}
        return ServerForm.of(ServerSettings.from_json({**self.settings.as_json(), **known}))


def suggestion_words(problem: FieldError) -> str:
    """The label of the button that takes a suggestion: "Use mail.example and port 587"."""
    suggested = problem.suggestion or {}
    parts = []
    for name, value in suggested.items():
        if name == "security":
            parts.append(SECURITY_NAMES[Security(str(value))])
        else:
            parts.append(f"port {value}" if name == "port" else str(value))
    return f"Use {' and '.join(parts)}" if parts else ""


def setting_words(name: str, value: Any) -> str:
    """A setting's value as the form words it."""
    if name == "security":
        return SECURITY_NAMES[Security(str(value))]
    if name == "auth":
        return AUTH_NAMES[Auth(str(value))]
    if isinstance(value, bool):
        return "Yes" if value else "No"
    return str(value)


def _choice(kind: type[_Choice], typed: str | None, otherwise: _Choice) -> _Choice:
    try:
        return kind(typed or "")
    except ValueError:
        return otherwise


def _number(typed: str) -> int:
    text = typed.strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 6 else 0
