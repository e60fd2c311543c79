"""Notes the certificate that this door shows, every hour, so that whoever looks for what expires knows of it."""

from datetime import UTC, datetime
from pathlib import Path

from asgiref.sync import sync_to_async
from django.conf import settings

from postroom.flow.instance.looker import Looker
from postroom.store.door_certificate import DoorCertificate, good_until, note_door_certificate

from .door import Door

LOOK_S = 3_600.0


class CertificateWatch:
    """Works from its making, right after the certificate was read, until `stop`."""

    def __init__(self, door: Door) -> None:
        self._host, self._file = door.house.host_name, Path(door.certificate)
        self._shown_until = good_until(self._file)
        self._looker = Looker("submission-certificate", self._note, every_s=LOOK_S)

    async def stop(self) -> None:
        """End at once."""
        await self._looker.stop()

    async def _note(self) -> None:
        await sync_to_async(self._noted)()

    def _noted(self) -> None:
        is_own = not settings.SUBMISSION_CERTIFICATE
        shown = DoorCertificate(self._host, self._shown_until, good_until(self._file), is_own)
        note_door_certificate(shown, datetime.now(UTC))
