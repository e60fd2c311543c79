"""Files on their way into a draft: small ones as they are, large ones and uploads as segments that messages share."""

from collections.abc import Iterator, Mapping, Sequence

from postroom.message.draft import Attachment, Segment
from postroom.message.encoding import base64_size, base64_stream
from postroom.store.blobs import Blob, Blobs
from postroom.store.models import Upload
from postroom.terms.problem import FieldError
from postroom.terms.wording import worded

from .submitted import SubmittedAttachment

# With more than that a message would have a file of its own; its large attachments become files that others share.
INLINE_BYTES = 48 * 1024
SEGMENT_BYTES = 8 * 1024


NO_UPLOAD = worded("You have no such upload: it is kept for 24 hours after its last use. Upload it again.")


class AttachmentsRefused(Exception):
    """Attachments can't be had; `errors` name them."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__()
        self.errors = tuple(errors)


class Attached:
    """Makes attachments of what was submitted, without storing anything: a blob is none that can be had."""

    def attachments(self, submitted: Sequence[SubmittedAttachment]) -> tuple[Attachment, ...]:
        """In the same order. Raises AttachmentsRefused, and OSError where files are stored."""
        errors: list[FieldError] = []
        made = [self._attachment(f"attachments.{n}", item, errors) for n, item in enumerate(submitted)]
        if errors:
            raise AttachmentsRefused(errors)
        return tuple(made)

    def octets(self, parts: Sequence[bytes | Segment]) -> Iterator[bytes]:
        """All octets of a composed message. Raises DamagedBlob."""
        for part in parts:
            if isinstance(part, bytes):
                yield part
            else:
                yield from self._segment(part)

    def _segment(self, segment: Segment) -> Iterator[bytes]:
        raise LookupError(f"{segment.name} is not stored here")

    def _attachment(self, place: str, item: SubmittedAttachment, errors: list[FieldError]) -> Attachment:
        content, media_type = item.content_base64, item.content_type
        if item.blob is not None:
            found = self._uploaded(item.blob)
            if content is not None:
                errors.append(FieldError(f"{place}.blob", "twice", worded("Give content_base64 or blob, not both.")))
            elif found is None:
                errors.append(FieldError(f"{place}.blob", "not-found", NO_UPLOAD))
            else:
                return Attachment(item.filename, found[0], media_type or found[1], item.content_id, item.inline)
        elif content is None:
            text = worded("An attachment needs content_base64, or the blob of an upload.")
            errors.append(FieldError(f"{place}.content_base64", "required", text))
        return Attachment(item.filename, content or b"", media_type, item.content_id, item.inline)

    def _uploaded(self, blob: str) -> tuple[Segment, str] | None:
        """A file that was uploaded before, with its media type."""
        del blob
        return None


class Filed(Attached):
    """As Attached, with uploads, and with large attachments as files (blocking)."""

    def __init__(self, blobs: Blobs, uploads: Mapping[str, Upload]) -> None:
        self._blobs = blobs
        self._uploads = uploads

    def attachments(self, submitted: Sequence[SubmittedAttachment]) -> tuple[Attachment, ...]:
        made = super().attachments(submitted)
        inline = sum(base64_size(len(a.content)) for a in made if isinstance(a.content, bytes))
        return made if inline <= INLINE_BYTES else tuple(map(self._filed, made))

    def _segment(self, segment: Segment) -> Iterator[bytes]:
        return self._blobs.open(segment.name, segment.size_bytes).chunks()

    def _filed(self, attachment: Attachment) -> Attachment:
        content = attachment.content
        if isinstance(content, Segment) or len(content) < SEGMENT_BYTES:
            return attachment
        blob = self._blobs.put(base64_stream((content,)))
        segment = Segment(blob.digest, blob.size_bytes, len(content))
        return Attachment(
            attachment.file_name, segment, attachment.media_type, attachment.content_id, attachment.inline
        )

    def _uploaded(self, blob: str) -> tuple[Segment, str] | None:
        row = self._uploads.get(blob)
        if row is None or not self._blobs.keep(Blob(row.digest, row.encoded_bytes)):
            return None
        return Segment(row.digest, row.encoded_bytes, row.size_bytes), row.media_type
