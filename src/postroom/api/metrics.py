"""`/metrics` in the text format of Prometheus. Sets of labels are fixed, and no label is an address or a host (O8)."""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

import postroom
from postroom.flow.alerts.monitor import Monitored, ServerFigures, monitored
from postroom.store.tally import BOUNDS_S, UNTIMED
from postroom.store.totals import Total
from postroom.terms.problem import Problem

from .access import READING
from .refusals import response_of

STATES = ("unverified", "verified", "failing", "paused")


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """For a token of scope read, or for everybody where the operator opened it."""
    try:
        if not settings.METRICS_PUBLIC:
            READING(request)
        figures = monitored(timezone.now())
    except Problem as problem:
        return response_of(problem)
    except DatabaseError:
        detail = "The database can't be read now."
        return response_of(Problem(503, "storage-busy", "There are no figures now", detail, retry_after_s=5))
    registry = CollectorRegistry()
    registry.register(_Figures(figures))
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)


class _Figures(Collector):
    def __init__(self, figures: Monitored) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        figures = self._figures
        yield _gauge("build_info", "1, labelled with the version.", ["version"], [((postroom.__version__,), 1)])
        yield _gauge("engine_up", "Whether an engine runs.", [], [((), int(figures.engine_is_running))])
        depths = [((state,), count) for state, count in figures.depths.items()]
        yield _gauge("deliveries", "Deliveries in the queue, one for each recipient.", ["state"], depths)
        oldest = "How long the oldest message that may be sent has waited."
        yield _gauge("oldest_delivery_age_seconds", oldest, [], [((), figures.oldest_s)])
        reasons = [((reason,), count) for reason, count in figures.suppressions.items()]
        yield _gauge("suppressions", "Suppressed addresses.", ["reason"], reasons)
        severities = [((severity,), count) for severity, count in figures.alerts.items()]
        yield _gauge("alerts", "Open alerts.", ["severity"], severities)
        yield _attempts(figures.attempts)
        yield _durations(figures.attempts)
        yield from _of_servers(figures.servers)


def _gauge(name: str, text: str, labels: list[str], samples: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    family = GaugeMetricFamily(f"postroom_{name}", text, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _attempts(totals: Iterable[Total]) -> Metric:
    counted: dict[tuple[str, str, str], int] = defaultdict(int)
    for total in totals:
        counted[total.server_id, total.outcome, total.cause] += total.attempts
    text = "Attempts that ended, by server, outcome and cause of what was not sent."
    family = CounterMetricFamily("postroom_attempts", text, labels=["server_id", "outcome", "cause"])
    for labels, attempts in counted.items():
        family.add_metric(labels, attempts)
    return family


def _durations(totals: Iterable[Total]) -> Metric:
    """Attempts that an older version counted without their time are left out."""
    text = "How long attempts took, from the envelope to the last reply."
    family = HistogramMetricFamily("postroom_attempt_duration_seconds", text, labels=["server_id"])
    counted: dict[str, list[int]] = defaultdict(lambda: [0] * (len(BOUNDS_S) + 1))
    seconds: dict[str, float] = defaultdict(float)
    for total in totals:
        if total.bucket != UNTIMED:
            counted[total.server_id][total.bucket] += total.attempts
            seconds[total.server_id] += total.seconds
    bounds = [*map(str, BOUNDS_S), "+Inf"]
    for server_id, attempts in counted.items():
        so_far = [sum(attempts[: place + 1]) for place in range(len(bounds))]
        family.add_metric([server_id], list(zip(bounds, so_far, strict=True)), seconds[server_id])
    return family


def _of_servers(servers: Iterable[ServerFigures]) -> Iterator[Metric]:
    servers = list(servers)
    states = [((s.id, state), int(s.state == state)) for s in servers for state in STATES]
    yield _gauge("server_state", "1 for the state that an SMTP server is in.", ["server_id", "state"], states)
    takes = [((s.id,), int(s.takes_deliveries)) for s in servers]
    yield _gauge("server_takes_deliveries", "Whether mail may leave through it.", ["server_id"], takes)
    yield _gauge("server_sessions", "Open sessions with it.", ["server_id"], [((s.id,), s.sessions) for s in servers])
    days = [((s.id,), s.certificate_days) for s in servers if s.certificate_days is not None]
    text = "Days until its certificate, as last seen, expires."
    yield _gauge("server_certificate_expiry_days", text, ["server_id"], days)
