"""Catch a message in the sandbox: its bytes as a synced blob, then its row; only then may a 250 go out (D1)."""

import contextlib
import email.header
import email.parser
import email.policy
from collections.abc import Sequence

from django.conf import settings
from django.utils import timezone

from postroom.store.blobs import Blobs
from postroom.store.models import SandboxMessage
from postroom.terms.limits import ADDRESS_BYTES, TEXT_LINE_BYTES

# Header fields beyond this are kept in the blob and not read for the list.
_HEADER_BYTES = 65_536


def caught(reverse_path: str, forward_paths: Sequence[str], content: bytes) -> SandboxMessage:
    """The message as stored. `content` is what followed DATA, dots unstuffed. Raises OSError or DatabaseError."""
    blob = Blobs(settings.DATA_DIR / "blobs").put([content])
    subject, from_header = _listed_fields(content)
    return SandboxMessage.objects.create(
        received_at=timezone.now(),
        reverse_path=reverse_path[:ADDRESS_BYTES],
        forward_paths=[path[:ADDRESS_BYTES] for path in forward_paths],
        subject=subject,
        from_header=from_header,
        content_digest=blob.digest,
        content_size=blob.size_bytes,
    )


def _listed_fields(content: bytes) -> tuple[str, str]:
    """Subject and From as people read them; whatever is damaged is shown as it came."""
    header = content[:_HEADER_BYTES].split(b"\r\n\r\n", 1)[0]
    fields = email.parser.BytesHeaderParser(policy=email.policy.compat32).parsebytes(header)
    return _decoded(fields["Subject"]), _decoded(fields["From"])


def _decoded(value: object) -> str:
    text = "" if value is None else str(value)
    with contextlib.suppress(LookupError, ValueError):
        text = str(email.header.make_header(email.header.decode_header(text)))
    return " ".join(text.split()).encode("utf-8", "replace").decode()[:TEXT_LINE_BYTES]
