"""Hand in what Postroom writes by itself from a process that has no queue open: a command, or a request of Django."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asgiref.sync import async_to_sync
from django.conf import settings

from postroom.store.blobs import Blobs
from postroom.store.outbox import open_outbox

from ..acceptance.accept import Accepted, Acceptor
from ..messages.request import Client


def handed_in(bodies: Sequence[dict[str, Any]], client: Client, key: str | None = None) -> list[Accepted]:
    """The messages, durably queued, all or none (blocking). Raises Problem."""
    outbox = open_outbox()
    try:
        acceptor = Acceptor(outbox.queue, Blobs(Path(settings.DATA_DIR) / "blobs"))
        return async_to_sync(acceptor.accept_batch)({"messages": list(bodies)}, client, key)
    finally:
        outbox.close()
