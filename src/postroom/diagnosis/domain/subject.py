"""Whose DNS is read, and on behalf of which server."""

from dataclasses import dataclass

from .sender import Sender, owner_of, sender_of


@dataclass(frozen=True, slots=True)
class Subject:
    """The From domain and who sends for it: a provider, or a server known by its host, or nobody known (host "")."""

    domain: str
    host: str = ""
    sender: Sender | None = None
    owner: Sender | None = None

    @property
    def values(self) -> dict[str, str]:
        title = self.sender.title if self.sender else self.host
        return {"domain": self.domain, "provider": title, "owner": self.owner.title if self.owner else ""}

    @classmethod
    def of(cls, domain: str, host: str) -> "Subject":
        return cls(domain, host, sender_of(host), owner_of(domain))
