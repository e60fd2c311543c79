"""What became of messages as a file: one line for each recipient, as CSV or JSON lines, while it is read."""

from collections.abc import AsyncIterator

from asgiref.sync import sync_to_async
from django.http import HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.views.decorators.http import require_safe

from postroom.pages.access import operator_only, person
from postroom.pages.queries.message_export import CsvLines, Export, JsonLines
from postroom.pages.queries.message_filters import Asked
from postroom.store import audit


@operator_only
@require_safe
def export(request: HttpRequest) -> HttpResponseBase:
    """The list's messages. Who took them away is in the audit trail."""
    asked = Asked.of(request.GET)
    as_json = request.GET.get("as") == "jsonl"
    lines = JsonLines() if as_json else CsvLines()
    audit.record(person(request).email, "messages.export", "messages", {"filter": asked.values})
    kind = "application/x-ndjson" if as_json else "text/csv; charset=utf-8"
    name = f"messages-{timezone.localtime():%Y-%m-%d-%H%M}.{'jsonl' if as_json else 'csv'}"
    header = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingHttpResponse(_parts(Export(asked, lines)), content_type=kind, headers=header)


async def _parts(export: Export) -> AsyncIterator[bytes]:
    """Batch by batch: the next is read from the database when the client has taken the one before."""
    while part := await sync_to_async(export.next_part)():
        yield part


