"""What Postroom can warn of: each kind with its words, what can be set, and how it is set where nobody changed it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from postroom.terms.wording import Wording, worded


class Severity(StrEnum):
    """A critical alert is told at once, in quiet hours too; a warning is gathered with others."""

    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number that can be set, from `least` to `most`; `label` includes its unit."""

    name: str
    label: Wording
    default: int
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Kind:
    """`slug` is stable. `by_web`: the web process looks, since nobody else may be there to do it."""

    slug: str
    title: Wording
    explanation: Wording
    severity: Severity
    parameters: Sequence[Parameter] = field(default_factory=tuple)
    enabled: bool = True
    by_web: bool = False

    @property
    def defaults(self) -> dict[str, int]:
        return {parameter.name: parameter.default for parameter in self.parameters}


_MINUTES_A_WEEK = 7 * 24 * 60
_DAYS = Parameter("days", worded("Days before"), 14, 1, 365)


def _minutes(default: int, label: Wording | None = None) -> Parameter:
    return Parameter("minutes", label or worded("Once it has lasted this many minutes"), default, 0, _MINUTES_A_WEEK)


_ALL = (
    Kind(
        "server-failing", worded("SMTP server failing"),
        worded("An SMTP server that is in use can't be used: connecting, TLS, logging in, or a limit."),
        Severity.CRITICAL, (_minutes(5),),
    ),
    Kind(
        "no-server", worded("No server takes mail"),
        worded("No SMTP server takes deliveries, or none of those that do works: what is accepted waits."),
        Severity.CRITICAL, (_minutes(5),),
    ),
    Kind(
        "engine-missing", worded("Delivery is not running"),
        worded("No engine has given a sign of life: messages are accepted and wait. The pages look for it themselves."),
        Severity.CRITICAL, (_minutes(2),), by_web=True,
    ),
    Kind(
        "work-standing", worded("Part of the work stands still"),
        worded("What Postroom does beside deliveries, such as beginning runs or calling webhooks, fails each time."),
        Severity.CRITICAL, (_minutes(2),), by_web=True,
    ),
    Kind(
        "queue-old", worded("Mail waits too long"),
        worded("Messages that may leave now have not left. Those that wait for a later try do not count."),
        Severity.CRITICAL, (_minutes(30),),
    ),
    Kind(
        "failures-by-cause", worded("Many deliveries fail for one cause"),
        worded("Attempts failed for the same cause more often than usual mishaps do."),
        Severity.WARNING,
        (
            Parameter("at_least", worded("At least so many attempts"), 20, 1, 1_000_000),
            Parameter("percent", worded("And at least this share of all attempts, in percent"), 10, 0, 100),
            Parameter("minutes", worded("Within so many minutes"), 60, 10, 24 * 60),
        ),
    ),
    Kind(
        "certificate-expiring", worded("Certificate expires"),
        worded(
            "The certificate of an SMTP server, as it was seen last, or of the submission door expires or has expired."
        ),
        Severity.WARNING, (_DAYS,),
    ),
    Kind(
        "token-expiring", worded("API token expires"),
        worded("A token that an application uses expires soon. Afterwards its mail is refused."),
        Severity.WARNING, (_DAYS,),
    ),
    Kind(
        "secret-old", worded("Password of a server is old"),
        worded("The stored password of an SMTP server is older than your rules allow. Off unless you switch it on."),
        Severity.WARNING, (Parameter("days", worded("Older than so many days"), 365, 1, 3_650),), enabled=False,
    ),
    Kind(
        "quota-near", worded("Limit nearly used up"),
        worded("A server's limit for a day, or the size limit of the queue, is nearly used up."),
        Severity.WARNING, (Parameter("percent", worded("From this share on, in percent"), 90, 10, 100),),
    ),
    Kind(
        "disk-low", worded("Disk nearly full"),
        worded("Little room is left where the data directory lies. A full disk refuses new mail."),
        Severity.CRITICAL,
        (Parameter("megabytes", worded("Less than so many megabytes left"), 1_024, 16, 10_000_000),),
    ),
    Kind(
        "subscription-failing", worded("Subscription failing"),
        worded("The last runs of a subscription ended with an error: its recipients got nothing."),
        Severity.WARNING, (Parameter("runs", worded("So many runs in a row"), 1, 1, 100),),
    ),
    Kind(
        "domain-drift", worded("DNS of a sender's domain changed"),
        worded("SPF, DKIM or DMARC of a domain that you send from became worse than it was, or changed."),
        Severity.WARNING, (Parameter("hours", worded("Look every so many hours"), 24, 1, 24 * 7),),
    ),
    Kind(
        "bounce-mailbox", worded("Bounce mailbox can't be read"),
        worded("The mailbox for bounces refuses Postroom: bounces are not noticed meanwhile."),
        Severity.WARNING, (_minutes(30),),
    ),
    Kind(
        "webhook-paused", worded("Webhook paused after failures"),
        worded("A webhook did not answer for long and hears of nothing until it is resumed."),
        Severity.WARNING,
    ),
)
KINDS = {kind.slug: kind for kind in _ALL}
