"""Catch a message in the sandbox: its bytes are a synced blob, then comes its row; only then may a 250 go out (D1)."""

import contextlib
import email.errors
import email.header
import email.parser
import email.policy
from collections.abc import Sequence

from django.conf import settings
from django.utils import timezone

from postroom.store.blobs import Blobs
from postroom.store.content import BlobPart
from postroom.store.models import SandboxMessage
from postroom.terms.limits import ADDRESS_BYTES, TEXT_LINE_BYTES

# Header fields beyond this are kept in the blob and not read for the list.
HEADER_BYTES = 65_536


def caught(reverse_path: str, forward_paths: Sequence[str], content: bytes) -> SandboxMessage:
    """The message as stored. `content` is what followed DATA, dots unstuffed. Raises OSError or DatabaseError."""
    blob = Blobs(settings.DATA_DIR / "blobs").put([content])
    return caught_file(reverse_path, forward_paths, content, BlobPart(blob.digest, blob.size_bytes))


def caught_file(reverse_path: str, forward_paths: Sequence[str], start: bytes, file: BlobPart) -> SandboxMessage:
    """The message as stored; its content is a synced file that begins with `start`. Raises DatabaseError."""
    subject, from_header = _listed_fields(start)
    return SandboxMessage.objects.create(
        received_at=timezone.now(),
        reverse_path=reverse_path[:ADDRESS_BYTES],
        forward_paths=[path[:ADDRESS_BYTES] for path in forward_paths],
        subject=subject,
        from_header=from_header,
        content_digest=file.digest,
        content_size=file.size_bytes,
    )


def _listed_fields(content: bytes) -> tuple[str, str]:
    """Subject and From as people read them; whatever is damaged is shown as it came."""
    header = content[:HEADER_BYTES].split(b"\r\n\r\n", 1)[0]
    fields = email.parser.BytesHeaderParser(policy=email.policy.compat32).parsebytes(header)
    return _decoded(fields["Subject"]), _decoded(fields["From"])


def _decoded(value: object) -> str:
    text = "" if value is None else str(value)
    with contextlib.suppress(LookupError, ValueError, email.errors.MessageError):
        text = str(email.header.make_header(email.header.decode_header(text)))
    return " ".join(text.split()).encode("utf-8", "replace").decode()[:TEXT_LINE_BYTES]
