"""Is Postroom up, and can it work? The public answer names no cause; a reading token hears them (O3)."""

from datetime import timedelta

from django.db import DatabaseError
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from postroom.flow.tokens import bearer_of, client_of
from postroom.store.models import InstanceValue, SmtpServer

HEARTBEAT_MAX_AGE = timedelta(seconds=30)


@never_cache
@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """200 while this process answers."""
    del request
    return JsonResponse({"status": "up"})


@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 when messages can be accepted ("ready", or "degraded" when they may not leave), else 503."""
    try:
        causes = _causes()
        status = "degraded" if causes else "ready"
    except DatabaseError:
        causes, status = ["The database can't be read."], "unavailable"
    document: dict[str, object] = {"status": status}
    if causes and _may_hear_causes(request, status):
        document["causes"] = causes
    return JsonResponse(document, status=503 if status == "unavailable" else 200)


def engine_is_running() -> bool:
    """Whether an engine has given a sign of life lately."""
    row = InstanceValue.objects.filter(name="engine_heartbeat").first()
    value = row.value.get("at") if row is not None and isinstance(row.value, dict) else None
    at = parse_datetime(value) if isinstance(value, str) else None
    return at is not None and at.tzinfo is not None and timezone.now() - at < HEARTBEAT_MAX_AGE


def _causes() -> list[str]:
    causes = []
    if not engine_is_running():
        causes.append("No engine is running: accepted messages wait.")
    servers = list(SmtpServer.objects.filter(enabled=True))
    if not any(server.takes_deliveries for server in servers):
        causes.append("No SMTP server takes deliveries: accepted messages wait.")
    causes += [f"The SMTP server {server.name} is failing." for server in servers if server.state == "failing"]
    return causes


def _may_hear_causes(request: HttpRequest, status: str) -> bool:
    if status == "unavailable":
        return False
    token = client_of(bearer_of(request.headers.get("Authorization", "")))
    return token is not None and token.scope in ("read", "admin")
