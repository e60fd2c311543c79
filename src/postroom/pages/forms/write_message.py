"""The form "Write a message": what was typed, the files that came along, and the body that the API would get.

Files are kept as drafts between the steps, for a browser sends each only once; the form carries signed names of them.
"""

import base64
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.core import signing
from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict
from django.utils.translation import gettext as _

from postroom.flow.instance.reader import translated
from postroom.pages import words
from postroom.pages.queries.message_filters import PURPOSES
from postroom.pages.upload import UPLOAD_BYTES
from postroom.store.blobs import DamagedBlob
from postroom.store.drafts import KEPT_S, Drafts
from postroom.store.models import User
from postroom.terms.problem import FieldError, Problem

FIELDS = ("to", "cc", "bcc", "subject", "text", "html", "server", "purpose", "key")
MOST_FILES = 20
_SALT = "postroom.draft.file"


@dataclass(frozen=True, slots=True)
class DraftFile:
    """A file of the draft; `token` is what the form carries."""

    name: str
    content_type: str
    digest: str
    size_bytes: int
    token: str


@dataclass(slots=True)
class WriteForm:
    """What was typed, by field, the files, and what is wrong, by field; `refusal` is about the message as a whole."""

    typed: dict[str, str]
    files: list[DraftFile] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    refusal: str = ""

    @classmethod
    def empty(cls, query: Mapping[str, str]) -> "WriteForm":
        """To begin with; the address may bring recipients and a subject along."""
        typed = dict.fromkeys(FIELDS, "")
        typed |= {name: query.get(name, "")[:2_000] for name in ("to", "subject")}
        return cls({**typed, "purpose": "communication", "key": secrets.token_hex(16)})

    @classmethod
    def of(cls, post: QueryDict, user: User) -> "WriteForm":
        typed = {name: post.get(name, "") for name in FIELDS}
        typed["purpose"] = typed["purpose"] if typed["purpose"] in PURPOSES else "communication"
        form = cls(typed)
        for token in post.getlist("file")[:MOST_FILES]:
            kept = _kept(token, user)
            if kept is None:
                form.problems["attachments"] = _("A file is no longer here. Choose it again.")
            else:
                form.files.append(kept)
        return form

    @property
    def purposes(self) -> dict[str, str]:
        return {slug: str(label) for slug, label in PURPOSES.items()}

    @property
    def upload_limit(self) -> int:
        return UPLOAD_BYTES

    def take(self, uploads: "Iterable[UploadedFile[Any]]", drafts: Drafts, user: User) -> None:
        """Keep the files that came along, as far as they fit."""
        for upload in uploads:
            size_bytes = int(upload.size or 0)
            if len(self.files) >= MOST_FILES:
                self.problems["attachments"] = _("A message takes at most %(n)s files here.") % {"n": MOST_FILES}
                return
            if sum(each.size_bytes for each in self.files) + size_bytes > UPLOAD_BYTES:
                text = _("“%(name)s” is left out: together the files are larger than %(limit)s. Send a link instead.")
                self.problems["attachments"] = text % {"name": upload.name, "limit": words.size(UPLOAD_BYTES)}
                return
            blob = drafts.put(upload.read())
            self.files.append(_signed(str(upload.name)[:200], str(upload.content_type or "")[:200], blob.digest,
                                      blob.size_bytes, user))

    def body(self, drafts: Drafts) -> dict[str, Any]:
        """The message as the API takes it. Raises DamagedBlob when a file is gone."""
        body: dict[str, Any] = {name: addresses(self.typed[name]) for name in ("to", "cc", "bcc")}
        body |= {"subject": " ".join(self.typed["subject"].splitlines()), "purpose": self.typed["purpose"]}
        body |= {name: self.typed[name] for name in ("text", "html") if self.typed[name].strip()}
        if self.typed["server"]:
            body["server"] = self.typed["server"]
        body["attachments"] = [
            {
                "filename": file.name,
                "content_type": file.content_type,
                "content_base64": base64.b64encode(drafts.read(file.digest, file.size_bytes)).decode(),
            }
            for file in self.files
        ]
        return body

    def note(self, problem: Problem) -> None:
        """Put each fault beside its field."""
        if not problem.errors:
            self.refusal = problem.detail
        for error in problem.errors:
            name = error.field.split(".")[0]
            if name in self.typed or name == "attachments":
                self.problems.setdefault(name, _said(error))
            else:
                self.refusal = _said(error)

    def note_damage(self, _damage: DamagedBlob) -> None:
        self.problems["attachments"] = _("A file is no longer here. Choose it again.")
        self.files.clear()

    def summary(self) -> list[tuple[str, str, str]]:
        """Field, label and text of each problem, in the order of the form."""
        return [(name, label, self.problems[name]) for name, label in labels().items() if name in self.problems]


def labels() -> dict[str, str]:
    return {
        "to": _("To"), "cc": _("Cc"), "bcc": _("Bcc"), "subject": _("Subject"), "text": _("Text"), "html": _("HTML"),
        "attachments": _("Attachments"), "server": _("Server"), "purpose": _("Purpose"),
    }


def addresses(text: str) -> list[str]:
    """The lines of a field; several addresses on a line stay together, with commas between them."""
    lines = (line.strip(" ,;\t") for line in text.splitlines())
    return [line if '"' in line else line.replace(";", ",") for line in lines if line]


def _said(error: FieldError) -> str:
    return translated(error.text)


def _signed(name: str, content_type: str, digest: str, size_bytes: int, user: User) -> DraftFile:
    token = signing.dumps([name, content_type, digest, size_bytes, user.pk], salt=_SALT)
    return DraftFile(name, content_type, digest, size_bytes, token)


def _kept(token: str, user: User) -> DraftFile | None:
    try:
        values: Sequence[Any] = signing.loads(token, salt=_SALT, max_age=timedelta(seconds=KEPT_S))
    except signing.BadSignature:
        return None
    name, content_type, digest, size_bytes, owner = values
    return DraftFile(name, content_type, digest, size_bytes, token) if owner == user.pk else None
