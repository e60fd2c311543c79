"""Uploaded files: who may attach which, and for how long they are kept."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Sum

from .blobs import Blob
from .models import Upload

# An upload that no message has used for so long is forgotten; messages keep what they carry.
KEPT_UNUSED = timedelta(hours=24)
# A use is written down at most so often: it only moves the end of the time above.
USE_NOTED_EVERY = timedelta(hours=1)


def uploaded(scope: str, blob: Blob, size_bytes: int, media_type: str, now: datetime) -> Upload:
    """The upload of a stored file of `size_bytes`, which lies encoded in `blob`; that of the same file and type, if
    the client uploaded it before (blocking)."""
    with transaction.atomic():
        row, _made = Upload.objects.update_or_create(
            scope=scope, digest=blob.digest, media_type=media_type,
            defaults={"used_at": now},
            create_defaults={
                "used_at": now, "created_at": now, "encoded_bytes": blob.size_bytes, "size_bytes": size_bytes,
            },
        )
    return row


def uploads_of(scope: str, ids: Collection[str], now: datetime) -> dict[str, Upload]:
    """Those of the uploads that this client made and that are kept still, by id; counted as used now (blocking)."""
    found = Upload.objects.filter(scope=scope, pk__in=ids, used_at__gt=now - KEPT_UNUSED)
    rows = {row.pk: row for row in found}
    stale = [row.pk for row in rows.values() if now - row.used_at > USE_NOTED_EVERY]
    if stale:
        Upload.objects.filter(pk__in=stale).update(used_at=now)
    return rows


def uploaded_bytes(scope: str) -> int:
    """What the client's uploads take on the disk (blocking)."""
    return int(Upload.objects.filter(scope=scope).aggregate(taken=Sum("encoded_bytes"))["taken"] or 0)


def forget_unused(now: datetime) -> int:
    """Delete uploads that are not kept any longer; their number. The sweep of contents removes the files (blocking)."""
    return Upload.objects.filter(used_at__lte=now - KEPT_UNUSED).delete()[0]


def in_uploads(digests: Sequence[str]) -> set[str]:
    """Those of the files that an upload needs (blocking)."""
    return set(Upload.objects.filter(digest__in=digests).values_list("digest", flat=True))
