"""Pictures that many messages show, such as the logo: a file that they share rather than octets of each."""

import hashlib
from datetime import datetime, timedelta
from typing import Any

from ..messages.upload import Arriving
from ..reports.stored_report import report_blobs
from .templates import InlineImage, image_in_body

# A smaller picture costs less in the message than as a file beside it.
_SHARED_BYTES = 1024
# An upload is kept for a day after its last use.
_FRESH = timedelta(hours=1)


class SharedPictures:
    """Of one client, who is named by `scope`; belongs to one thread at a time."""

    def __init__(self, scope: str) -> None:
        self._scope = scope
        self._uploads: dict[str, tuple[str, datetime]] = {}

    def image(self, image: InlineImage, now: datetime) -> dict[str, Any]:
        """A picture as an attachment of a request (blocking). Raises Problem."""
        if len(image.octets) < _SHARED_BYTES:
            return image_in_body(image)
        key = hashlib.sha256(image.octets).hexdigest()
        blob, uploaded_at = self._uploads.get(key, ("", now))
        if not blob or now - uploaded_at > _FRESH:
            blob = self._uploaded(image, now)
            self._uploads[key] = blob, now
        return {
            "filename": image.file_name, "content_type": image.media_type, "content_id": image.content_id,
            "inline": True, "blob": blob,
        }

    def _uploaded(self, image: InlineImage, now: datetime) -> str:
        with Arriving(report_blobs(), self._scope, image.media_type) as arriving:
            arriving.feed(image.octets)
            return arriving.finish(now).pk
