"""Which provider an e-mail address belongs to: by its domain, or by the domain's MX records."""

from dataclasses import dataclass

from postroom.diagnosis.domain import Sender, owner_of, receiver_at
from postroom.flow.domains.read_domain import domain_in
from postroom.policy.preset import Preset, preset

from .domain_checks import DomainView, asked_view


@dataclass(frozen=True, slots=True)
class Detection:
    """`by_mx` tells that MX records named the provider; `exchanger` is the first of them. `view` is how the look at the
    DNS goes, None where none was needed."""

    domain: str
    provider: Sender | None = None
    by_mx: bool = False
    exchanger: str = ""
    view: DomainView | None = None

    @property
    def preset(self) -> Preset | None:
        """The settings that Postroom knows of the provider."""
        return preset(self.provider.slug) if self.provider is not None else None

    @property
    def name(self) -> str:
        return self.preset.name if self.preset else self.provider.title if self.provider else ""

    @property
    def state(self) -> str:
        """empty, waiting, late or full (as of a DomainView), found, or none: the MX records name no known provider."""
        if self.provider is not None:
            return "found"
        if self.view is None:
            return "empty"
        return self.view.state if self.view.state != "done" else "none"


def detection_of(typed: str, tries: int) -> Detection:
    """The provider of what was typed; asks for a look at the DNS where the domain alone does not tell."""
    domain = domain_in(typed)
    if not domain:
        return Detection("")
    owner = owner_of(domain)
    if owner is not None:
        return Detection(domain, owner)
    view = asked_view(domain, "", ("mx",), tries=tries)
    first = view.exchangers[0] if view.exchangers else ""
    return Detection(domain, receiver_at(first) if first else None, by_mx=True, exchanger=first, view=view)
