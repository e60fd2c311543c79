"""Numbers and the set-up checklist of the overview."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q
from django.utils import timezone

from postroom.flow.first_start import CHECKLIST_HIDDEN
from postroom.store.models import ApiToken, Attempt, Delivery, InstanceValue, Message, ServerTest, SmtpServer, User
from postroom.terms.outcome import DeliveryState, TestStatus


@dataclass(frozen=True, slots=True)
class Step:
    """`state` is "done", "next" or "later"."""

    name: str
    title: str
    text: str
    state: str


@dataclass(frozen=True, slots=True)
class Today:
    sent: int
    failed: int
    deferred: int
    queued: int
    next_try_at: datetime | None


def is_hidden() -> bool:
    return InstanceValue.objects.filter(name=CHECKLIST_HIDDEN).exists()


def configured_server() -> SmtpServer | None:
    """The real server that set-up is about: the default if it is one, else the newest."""
    real = SmtpServer.objects.filter(is_sandbox=False)
    return real.filter(is_default=True).first() or real.order_by("-created_at").first()


def checklist() -> Sequence[Step]:
    server = configured_server()
    administrator = User.objects.order_by("created_at").first()
    tested = ServerTest.objects.filter(
        server__is_sandbox=False, status=TestStatus.PASSED, send=True
    ).exists() or (server is not None and server.is_verified)
    steps = [
        ("administrator", "Create the administrator", administrator.name if administrator else "", True),
        ("server", "Configure SMTP server", _server_words(server), server is not None),
        ("test", "Send a test", _TEST_WORDS, tested),
        ("token", "Create an API token", _TOKEN_WORDS, ApiToken.objects.exists()),
    ]
    first_open = next((name for name, _, _, done in steps if not done), "")
    return [
        Step(name, title, text, "done" if done else "next" if name == first_open else "later")
        for name, title, text, done in steps
    ]


_TEST_WORDS = "Sends one real message and shows every stage, from the name look-up to the accepted message."
_TOKEN_WORDS = "One token for each application. You can try it at once with the example on the right."


def _server_words(server: SmtpServer | None) -> str:
    if server is None:
        return "Until then the sandbox catches every message and shows it; nothing leaves this machine."
    if server.is_verified:
        return f"{server.name} is saved and verified."
    return f"{server.name} is saved. It is not used until the test passes."


def today() -> Today:
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    ended = Delivery.objects.filter(updated_at__gte=midnight).aggregate(
        sent=Count("pk", filter=Q(state=DeliveryState.SENT)), failed=Count("pk", filter=Q(state=DeliveryState.FAILED))
    )
    waiting = Delivery.objects.filter(state__in=(DeliveryState.QUEUED, DeliveryState.DEFERRED))
    deferred = waiting.filter(state=DeliveryState.DEFERRED)
    return Today(
        sent=ended["sent"],
        failed=ended["failed"],
        deferred=deferred.count(),
        queued=waiting.filter(state=DeliveryState.QUEUED).count(),
        next_try_at=deferred.order_by("due_at").values_list("due_at", flat=True).first(),
    )


def sent_today_by_server() -> dict[str, int]:
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    rows = Attempt.objects.filter(outcome="sent", ended_at__gte=midnight).values("server").annotate(number=Count("pk"))
    return {str(row["server"]): row["number"] for row in rows}


def has_messages() -> bool:
    return Message.objects.exists()
