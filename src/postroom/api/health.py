"""Is Postroom up, and can it work? The public answer names no cause; whoever has a token hears them (O3)."""

from django.db import DatabaseError
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from postroom.flow.users.tokens import bearer_of, client_of
from postroom.policy.route import route
from postroom.store.heartbeat import engine_is_running
from postroom.store.models import SmtpServer


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


def _causes() -> list[tuple[str, str]]:
    causes = []
    if not engine_is_running():
        causes.append(("engine-stopped", "No engine is running: accepted messages wait."))
    servers = list(SmtpServer.objects.all())
    if route(server.candidate for server in servers) is None:
        causes.append(("no-smtp-server", "No SMTP server takes deliveries: accepted messages wait."))
    failing = (server for server in servers if server.enabled and server.state == "failing")
    causes += [("smtp-server-failing", f"The SMTP server {server.name} is failing.") for server in failing]
    return causes


def _has_token(request: HttpRequest) -> bool:
    return client_of(bearer_of(request.headers.get("Authorization", ""))) is not None
