"""Is Postroom up, and can it work? The public answer names no cause; whoever has a token hears them (O3)."""

from datetime import timedelta

from django.db import DatabaseError
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from postroom.flow.tokens import bearer_of, client_of
from postroom.policy.route import Candidate, route
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
        causes, status = [], "unavailable"
    document: dict[str, object] = {"status": status}
    if causes and status == "degraded" and _has_token(request):
        document["causes"] = [{"cause": cause, "text": text} for cause, text in causes]
    return JsonResponse(document, status=503 if status == "unavailable" else 200)


def engine_is_running() -> bool:
    """Whether an engine has given a sign of life lately."""
    row = InstanceValue.objects.filter(name="engine_heartbeat").first()
    value = row.value if row is not None and isinstance(row.value, dict) else {}
    at = parse_datetime(str(value.get("at", "")))
    is_fresh = at is not None and at.tzinfo is not None and timezone.now() - at < HEARTBEAT_MAX_AGE
    return is_fresh and value.get("state") != "stopped"


def _causes() -> list[tuple[str, str]]:
    causes = []
    if not engine_is_running():
        causes.append(("engine-stopped", "No engine is running: accepted messages wait."))
    servers = list(SmtpServer.objects.all())
    if route(Candidate(s.pk, s.is_default, s.is_sandbox, s.position, s.takes_deliveries) for s in servers) is None:
        causes.append(("no-smtp-server", "No SMTP server takes deliveries: accepted messages wait."))
    failing = (server for server in servers if server.enabled and server.state == "failing")
    causes += [("smtp-server-failing", f"The SMTP server {server.name} is failing.") for server in failing]
    return causes


def _has_token(request: HttpRequest) -> bool:
    return client_of(bearer_of(request.headers.get("Authorization", ""))) is not None
