"""A finding: the explained cause of a failure. The shape is a contract (design: "A finding")."""

from dataclasses import asdict, dataclass
from dataclasses import field as dataclass_field
from enum import StrEnum
from typing import Any

from .outcome import Retry

# The cause of a finding whose evidence does not decide.
UNKNOWN = "unknown"


class Confidence(StrEnum):
    CERTAIN = "certain"
    LIKELY = "likely"


@dataclass(frozen=True, slots=True)
class Alternative:
    """The other candidate, and the question whose answer decides."""

    cause: str
    title: str
    question: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Why something failed and what to do.

    `cause` is a stable slug, "unknown" when the evidence does not decide. `field` is the API name of the setting at
    fault. `proposal` maps API names of settings to values of which a look showed that they would work, and
    `consequence` tells what else that change brings. `evidence` quotes what was seen, escaped and
    bounded. `told` is what `diagnosis.retelling` needs to tell it again in another language.
    """

    cause: str
    confidence: Confidence
    title: str
    explanation: str
    fix: tuple[str, ...]
    retry: Retry
    evidence: tuple[str, ...] = ()
    field: str | None = None
    proposal: dict[str, Any] | None = None
    consequence: str | None = None
    alternatives: tuple[Alternative, ...] = ()
    told: dict[str, Any] | None = dataclass_field(default=None, compare=False)

    def as_json(self) -> dict[str, Any]:
        """The contract's fields."""
        values = asdict(self)
        values.pop("told")
        values["confidence"], values["retry"] = str(self.confidence), str(self.retry)
        values["fix"], values["evidence"] = list(self.fix), list(self.evidence)
        values["alternatives"] = [asdict(a) for a in self.alternatives]
        return values

    def as_stored(self) -> dict[str, Any]:
        """The contract's fields and `told`: for rows that a person of another language may read later."""
        return {**self.as_json(), "told": self.told}
