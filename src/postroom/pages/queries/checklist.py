"""The steps of set-up, until all are done or somebody hides them."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from postroom.flow.users.first_start import CHECKLIST_HIDDEN
from postroom.pages import words
from postroom.store.models import ApiToken, Delivery, InstanceValue, ServerTest, SmtpServer, User
from postroom.terms.outcome import DeliveryState, TestStatus


@dataclass(frozen=True, slots=True)
class Step:
    """`state` is "done", "next" or "later"."""

    name: str
    title: str
    text: str
    state: str


def is_hidden() -> bool:
    return InstanceValue.objects.filter(name=CHECKLIST_HIDDEN).exists()


def configured_server() -> SmtpServer | None:
    """The real server that set-up is about: the default if it is one, else the newest."""
    real = SmtpServer.objects.filter(is_sandbox=False)
    return real.filter(is_default=True).first() or real.order_by("-created_at").first()


def checklist(server: SmtpServer | None) -> Sequence[Step]:
    """`server` is the configured one."""
    steps = [
        ("administrator", _("Create the administrator"), _administrator_words(), True),
        ("server", _("Configure SMTP server"), _server_words(server), server is not None),
        ("test", _("Send a test"), _test_words(server), _is_tested(server)),
        ("token", _("Create an API token"), _token_words(), ApiToken.objects.exists()),
        ("message", _("Deliver the first message"), _message_words(), _has_sent()),
    ]
    first_open = next((name for name, _title, _text, done in steps if not done), "")
    return [
        Step(name, title, text, "done" if done else "next" if name == first_open else "later")
        for name, title, text, done in steps
    ]


def left_words(left: int) -> str:
    """How many steps are left, "" for none."""
    return {
        0: "",
        1: _("One step is left until applications can hand in mail."),
        2: _("Two steps are left until applications can hand in mail."),
        3: _("Three steps are left until applications can hand in mail."),
        4: _("Four steps are left until applications can hand in mail."),
    }[left]


def _is_tested(server: SmtpServer | None) -> bool:
    passed = ServerTest.objects.filter(server__is_sandbox=False, status=TestStatus.PASSED, send=True)
    return (server is not None and server.is_verified) or passed.exists()


def _has_sent() -> bool:
    """Whether a server other than the sandbox took a message."""
    sent = Delivery.objects.filter(state=DeliveryState.SENT)
    return any(sent.filter(server=server).exists() for server in SmtpServer.objects.filter(is_sandbox=False))


def _administrator_words() -> str:
    administrator = User.objects.order_by("created_at").first()
    if administrator is None:
        return ""
    return f"{administrator.name}, {words.day_and_clock(administrator.created_at)}"


def _server_words(server: SmtpServer | None) -> str:
    if server is None:
        return _("Until then the sandbox catches every message and shows it; nothing leaves this machine.")
    if server.is_verified:
        return _("%(server)s is saved and verified.") % {"server": server.name}
    return _("%(server)s is saved. It is not used until the test passes.") % {"server": server.name}


def _test_words(server: SmtpServer | None) -> str:
    recipient = server.typed_settings.test_recipient if server is not None else ""
    if not recipient:
        return _("Sends one real message and shows every stage, from the name look-up to the accepted message.")
    return _(
        "Sends one real message to %(recipient)s and shows every stage, from the name look-up to the accepted message."
    ) % {"recipient": recipient}


def _token_words() -> str:
    return _("One token for each application. You can try it at once with the example on the right.")


def _message_words() -> str:
    return _("Hand one in with the example, or write one yourself.")
