"""The API, version 1: everything but the intake's hot addresses, which stand in front of Django."""

from ninja import NinjaAPI

import postroom

from .activity import router as activity
from .alert_rules import router as alert_rules
from .alerts import router as alerts
from .announcements import router as announcements
from .bounces import router as bounces
from .delivery_rules import router as delivery_rules
from .dkim_keys import router as dkim_keys
from .domain_checks import router as domain_checks
from .groups import router as groups
from .holiday_calendars import router as holiday_calendars
from .invitations import router as invitations
from .load_plan import router as load_plan
from .messages import router as messages
from .notifications import router as notifications
from .providers import router as providers
from .queue import router as queue
from .recipients import router as recipients
from .refusals import add_refusals
from .report_sources import router as report_sources
from .runs import router as runs
from .smtp_servers import router as smtp_servers
from .sql_connections import router as sql_connections
from .strict_parser import StrictParser
from .subscriptions import router as subscriptions
from .suppressions import router as suppressions
from .templates import router as templates
from .test_mode import router as test_mode
from .webhooks import router as webhooks

api = NinjaAPI(
    title="Postroom",
    version=postroom.__version__,
    description="Hand over messages, follow what became of them, configure and test SMTP servers.",
    urls_namespace="api",
    docs_url=None,
    openapi_url=None,
    parser=StrictParser(),
)
add_refusals(api)
api.add_router("", messages)
api.add_router("", smtp_servers)
api.add_router("", test_mode)
api.add_router("", activity)
api.add_router("", domain_checks)
api.add_router("", dkim_keys)
api.add_router("", providers)
api.add_router("", bounces)
api.add_router("", suppressions)
api.add_router("", delivery_rules)
api.add_router("", queue)
api.add_router("", alerts)
api.add_router("", alert_rules)
api.add_router("", notifications)
api.add_router("", report_sources)
api.add_router("", sql_connections)
api.add_router("", recipients)
api.add_router("", groups)
api.add_router("", announcements)
api.add_router("", invitations)
api.add_router("", holiday_calendars)
api.add_router("", load_plan)
api.add_router("", webhooks)
api.add_router("", templates)
api.add_router("", subscriptions)
api.add_router("", runs)
