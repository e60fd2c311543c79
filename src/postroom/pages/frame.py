"""What every page shows around its content: navigation, theme, clock, the state of delivery."""

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from postroom import __version__
from postroom.flow.acceptance.test_mode import deciding, site_test_mode
from postroom.flow.instance.instance import LANGUAGES, site
from postroom.flow.instance.reader import language

from . import words
from .navigation import navigation
from .queries.alerts import banner
from .queries.delivery_status import DeliveryStatus, delivery_status

THEME_COOKIE = "postroom_theme"
SHORTCUTS_COOKIE = "postroom_shortcuts"


def frame(request: HttpRequest) -> dict[str, Any]:
    """Context processor."""
    values: dict[str, Any] = {
        "theme": "dark" if request.COOKIES.get(THEME_COOKIE) == "dark" else "light",
        "shortcuts": request.COOKIES.get(SHORTCUTS_COOKIE) != "off",
        "version": __version__,
        # Where the small forms of the frame lead back to; nowhere in particular from the answer to another form.
        "here": request.get_full_path() if request.method == "GET" else "",
        "site_name": site().name,
        "languages": LANGUAGES,
        "language_name": LANGUAGES[language()],
    }
    user = getattr(request, "user", None)
    if user is not None and user.is_authenticated:
        status, alerts = delivery_status(), banner()
        values |= {
            "delivery": status,
            "site_test_mode": deciding([site_test_mode()], timezone.now()),
            "navigation": navigation(request.path, user, status, alerts.count),
            "alert_banner": alerts,
            "on_alerts": request.path.startswith("/alerts"),
            "queue_words": _queue_words(status),
            "now_words": _now_words(),
            "initials": initials(user.name or user.email),
        }
    return values


def initials(name: str) -> str:
    parts = name.split()
    letters = [part[0] for part in (parts[:1] + parts[1:][-1:])]
    return "".join(letters).upper()


def _now_words() -> str:
    """ "Thu 12 Mar, 14:32 CET"."""
    now = timezone.localtime()
    return _("%(date)s, %(clock)s %(zone)s") % {
        "date": words.weekday_and_date(now), "clock": words.clock(now), "zone": f"{now:%Z}",
    }


def _queue_words(status: DeliveryStatus) -> str:
    if not status.depth:
        return _("The queue is empty")
    return _("%(n)s in the queue, oldest %(span)s") % {
        "n": status.depth_words, "span": words.short_span(status.oldest_s)
    }
