"""The settings of an SMTP server: what an administrator enters, and what of it decides where a password may travel."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, Self


class Security(StrEnum):
    """How the connection is encrypted; the page calls it SSL."""

    NONE = "none"
    STARTTLS = "starttls"
    TLS = "tls"


class Auth(StrEnum):
    """How a session authenticates."""

    NONE = "none"
    PASSWORD = "password"


class FromPolicy(StrEnum):
    """Whose From a message carries: the server's From Name and From Address, or the client's own."""

    SERVER = "server"
    CLIENT = "client"


class UncertainPolicy(StrEnum):
    """What happens after a lost connection between final dot and reply."""

    RETRY = "retry"
    HOLD = "hold"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a server allows; None means no limit of ours, but the usual number of connections and recipients."""

    connections: int | None = None
    messages_per_connection: int | None = None
    messages_per_minute: int | None = None
    messages_per_day: int | None = None
    recipients_per_message: int | None = None
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """Everything that decides where a password goes. A stored password is sealed to exactly these values (T4)."""

    host: str
    port: int
    security: Security
    verify_certificate: bool
    auth: Auth
    username: str
    ca_pem: str = ""
    allow_plain_auth: bool = False

    def canonical(self) -> str:
        """One line of JSON with sorted keys: the associated data under which the password is encrypted."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return json.dumps(values, sort_keys=True, ensure_ascii=True, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """An SMTP server's settings by their API names, without any secret."""

    name: str = ""
    description: str = ""
    from_name: str = ""
    from_address: str = ""
    subject_prefix: str = ""
    host: str = ""
    port: int = 587
    security: Security = Security.STARTTLS
    auth: Auth = Auth.NONE
    username: str = ""
    test_recipient: str = ""
    ehlo_name: str = ""
    ca_pem: str = ""
    verify_certificate: bool = True
    allow_plain_auth: bool = False
    from_policy: FromPolicy = FromPolicy.SERVER
    uncertain: UncertainPolicy | None = None
    bounce_address: str = ""
    limits: Limits = field(default_factory=Limits)

    @property
    def destination(self) -> Destination:
        return Destination(
            host=self.host.lower(),
            port=self.port,
            security=self.security,
            verify_certificate=self.verify_certificate,
            auth=self.auth,
            username=self.username,
            ca_pem=self.ca_pem,
            allow_plain_auth=self.allow_plain_auth,
        )

    def fingerprint(self, secret_id: str) -> str:
        """Digest of what a passed test proves. `secret_id` names the stored password's version ("" without one)."""
        proven = {
            "destination": self.destination.canonical(),
            "ehlo_name": self.ehlo_name,
            "from_address": self.from_address,
            "secret_id": secret_id,
        }
        if self.bounce_address:
            proven["bounce_address"] = self.bounce_address
        return hashlib.sha256(json.dumps(proven, sort_keys=True).encode()).hexdigest()

    def as_json(self) -> dict[str, Any]:
        values: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        values["limits"] = {f.name: getattr(self.limits, f.name) for f in fields(Limits)}
        return {k: str(v) if isinstance(v, StrEnum) else v for k, v in values.items()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Inverse of `as_json`; absent keys keep their defaults. Raises ValueError or TypeError on foreign values."""
        known = {f.name for f in fields(cls)}
        given = {k: v for k, v in values.items() if k in known}
        if "limits" in given:
            given["limits"] = Limits(**given["limits"])
        for key, kind in (("security", Security), ("auth", Auth), ("from_policy", FromPolicy)):
            if key in given:
                given[key] = kind(given[key])
        if given.get("uncertain") is not None:
            given["uncertain"] = UncertainPolicy(given["uncertain"])
        return cls(**given)

    def changed(self, **values: Any) -> Self:
        return replace(self, **values)
