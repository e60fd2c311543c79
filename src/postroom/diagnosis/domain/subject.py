"""Whose DNS is read, and on behalf of which server."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from .sender import Sender, owner_of, sender_of


@dataclass(frozen=True, slots=True)
class Subject:
    """The From domain and who sends for it: a provider, or a server known by its host, or nobody known (host "").

    `own_keys` are the DKIM keys that we have for the domain: what p= should be, by selector."""

    domain: str
    host: str = ""
    sender: Sender | None = None
    owner: Sender | None = None
    own_keys: Mapping[str, str] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, str]:
        title = self.sender.title if self.sender else self.host
        return {"domain": self.domain, "provider": title, "owner": self.owner.title if self.owner else ""}

    @classmethod
    def of(cls, domain: str, host: str, own_keys: Mapping[str, str] | None = None) -> "Subject":
        return cls(domain, host, sender_of(host), owner_of(domain), own_keys or {})
