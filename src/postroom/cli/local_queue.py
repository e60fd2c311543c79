"""The queue of this machine's data directory, for the command line. Import it only with Django set up."""

import asyncio
from typing import Any

from django.conf import settings

from postroom.flow.acceptance.accept import Acceptor
from postroom.flow.instance.reader import told
from postroom.store.blobs import Blobs
from postroom.store.heartbeat import engine_is_running
from postroom.store.models import Delivery
from postroom.store.outbox import open_outbox


class IntoQueue:
    """Into the queue directly, without any token: whoever may write the data directory may send."""

    def accept(self, body: dict[str, Any], key: str | None) -> str:
        outbox = open_outbox()
        try:
            acceptor = Acceptor(outbox.queue, Blobs(settings.DATA_DIR / "blobs"))
            return asyncio.run(acceptor.accept(body, None, key)).enqueued.id
        finally:
            outbox.close()

    def deliveries(self, message_id: str) -> list[dict[str, Any]]:
        rows = Delivery.objects.filter(message_id=message_id).order_by("pk")
        return [{"recipient": d.recipient, "state": d.state, "finding": told(d.finding) or None} for d in rows]

    def engine_runs(self) -> bool:
        return engine_is_running()
