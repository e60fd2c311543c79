"""Templates: listed, made, changed, previewed, set back; and how mail of this installation looks."""

from datetime import datetime
from typing import Annotated, Any, Literal

from django.http import Http404, HttpRequest, HttpResponse
from ninja import Router, Schema, Status
from pydantic import Field, StrictInt, StrictStr

from postroom.flow.instance.branding import FOOTER_CHARACTERS, LOGO_BYTES, Branding, branding, change_branding, logo_of
from postroom.flow.instance.reader import translated
from postroom.flow.templates import template_edit as edit
from postroom.flow.templates.built_in import TemplateSource
from postroom.flow.templates.template_preview import TemplatePreview, preview
from postroom.flow.templates.templates import sources_of
from postroom.message.template import SOURCE_CHARACTERS, TemplateFault
from postroom.store.models import Template
from postroom.terms.problem import FieldError, invalid_fields
from postroom.terms.wording import worded

from .access import ADMINISTERING, READING, actor_of
from .schemas import Strict
from .strict_parser import refuse_unknown_query

router = Router(tags=["Templates"])
Id = Annotated[str, Field(max_length=64)]
Language = Annotated[StrictStr, Field(max_length=8, description="Such as en, fr or pt-BR.")]
Source = Annotated[StrictStr, Field(max_length=SOURCE_CHARACTERS)]
Use = Literal[
    "report", "success", "warning", "error", "password-reset", "invitation", "alert", "digest", "announcement", "other"
]


class TextIn(Strict):
    """One language. Fields that are not there stay as they were. An empty `text` is made from `html`."""

    subject: Annotated[StrictStr, Field(max_length=edit.SUBJECT_CHARACTERS)] = ""
    html: Annotated[Source, Field(description="What stands in the site's layout; or a whole document.")] = ""
    text: Source = ""


class TemplateIn(Strict):
    """A template, or changes to one: only the fields that are there change. Texts that differ make a new version."""

    name: Annotated[StrictStr, Field(max_length=64, description="What messages name: small letters, digits, -.")] = ""
    title: Annotated[StrictStr, Field(max_length=edit.TITLE_CHARACTERS)] = ""
    description: Annotated[StrictStr, Field(max_length=edit.DESCRIPTION_CHARACTERS)] = ""
    use: Use = "other"
    sample: Annotated[dict[StrictStr, Any], Field(max_length=200, description="Values for previews.")] = Field(
        default_factory=dict
    )
    texts: Annotated[
        dict[Language, TextIn | None], Field(max_length=edit.LANGUAGES, description="By language; null removes one.")
    ] = Field(default_factory=dict)


class TextOut(Schema):
    subject: str
    html: str
    text: str


class TemplateOut(Schema):
    """`version` is the one in use; 0 is what came with Postroom."""

    id: str
    name: str
    title: str
    description: str
    use: str
    built_in: bool
    version: int
    languages: list[str]
    sample: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    texts: dict[str, TextOut] | None = None


class Templates(Schema):
    templates: list[TemplateOut]


class VersionOut(Schema):
    version: int
    languages: list[str]
    created_at: datetime | None
    created_by: str
    in_use: bool
    texts: dict[str, TextOut] | None = None


class Versions(Schema):
    """Newest first."""

    versions: list[VersionOut]


class UseIn(Strict):
    version: Annotated[StrictInt, Field(ge=0, le=2**31 - 1)]


class PreviewIn(Strict):
    """Without `data`, the template's sample fills it in. `source` is a text that is not saved."""

    language: Language = "en"
    version: Annotated[StrictInt | None, Field(ge=0, le=2**31 - 1, description="Default: the one in use.")] = None
    data: Annotated[dict[StrictStr, Any] | None, Field(max_length=1_000)] = None
    source: TextIn | None = None


class NoteOut(Schema):
    kind: str
    text: str


class PreviewOut(Schema):
    """`size_bytes` is that of the whole message without attachments; `notes` tell what some readers could not read
    (alt, language, contrast, headings, link) and what else is worth a look (note)."""

    language: str
    subject: str
    html: str
    text: str
    size_bytes: int
    missing: list[str]
    notes: list[NoteOut]


class BrandingIn(Strict):
    """Only the fields that are there change. An empty `logo_base64` removes the logo."""

    accent: Annotated[StrictStr, Field(max_length=20, description="#rrggbb, dark enough to read on white.")] = ""
    footer: Annotated[StrictStr, Field(max_length=FOOTER_CHARACTERS)] = ""
    logo_base64: Annotated[
        StrictStr, Field(max_length=LOGO_BYTES * 4 // 3 + 4, description="PNG, JPEG or GIF of at most 64 KB.")
    ] = ""


class BrandingOut(Schema):
    accent: str
    footer: str
    logo: str | None
    logo_size_bytes: int


@router.get("/templates", auth=READING, response=Templates, exclude_unset=True, summary="List templates by title")
def list_templates(request: HttpRequest) -> dict[str, Any]:
    refuse_unknown_query(request)
    return {"templates": [_json(row) for row in edit.templates()]}


@router.post("/templates", auth=ADMINISTERING, response={201: TemplateOut}, summary="Make a template")
def create_template(request: HttpRequest, body: TemplateIn) -> Status[dict[str, Any]]:
    values = body.model_dump()
    row = edit.new_template(values, values.pop("texts"), actor_of(request))
    return Status(201, _json(row, with_texts=True))


@router.get("/templates/{template_id}", auth=READING, response=TemplateOut, summary="One template, by id or name")
def get_template(request: HttpRequest, template_id: Id) -> dict[str, Any]:
    refuse_unknown_query(request)
    return _json(_template(template_id), with_texts=True)


@router.patch("/templates/{template_id}", auth=ADMINISTERING, response=TemplateOut, summary="Change a template")
def change_template(request: HttpRequest, template_id: Id, body: TemplateIn) -> dict[str, Any]:
    values = body.model_dump(exclude_unset=True)
    row = edit.change_template(_template(template_id).pk, values, values.pop("texts", {}), actor_of(request))
    return _json(row, with_texts=True)


@router.delete("/templates/{template_id}", auth=ADMINISTERING, response={204: None}, summary="Remove a template")
def delete_template(request: HttpRequest, template_id: Id) -> HttpResponse:
    refuse_unknown_query(request)
    edit.remove_template(_template(template_id).pk, actor_of(request))
    return HttpResponse(status=204)


@router.get(
    "/templates/{template_id}/versions", auth=READING, response=Versions, exclude_unset=True,
    summary="The versions of a template",
)
def list_versions(request: HttpRequest, template_id: Id) -> dict[str, Any]:
    refuse_unknown_query(request)
    return {"versions": edit.versions_of(_template(template_id))}


@router.get(
    "/templates/{template_id}/versions/{version}", auth=READING, response=VersionOut, summary="One version's texts"
)
def get_version(request: HttpRequest, template_id: Id, version: int) -> dict[str, Any]:
    refuse_unknown_query(request)
    row = _template(template_id)
    found = next((one for one in edit.versions_of(row) if one["version"] == version), None)
    if found is None:
        raise Http404
    return {**found, "texts": _texts(row, version)}


@router.post(
    "/templates/{template_id}/use", auth=ADMINISTERING, response=TemplateOut, summary="Use another version from now on"
)
def use_version(request: HttpRequest, template_id: Id, body: UseIn) -> dict[str, Any]:
    row = _template(template_id)
    edit.use_version(row.pk, body.version, actor_of(request))
    return _json(_template(row.pk), with_texts=True)


@router.post(
    "/templates/{template_id}/preview", auth=READING, response=PreviewOut,
    summary="Fill a template in, saved or not, without sending anything",
)
def preview_template(request: HttpRequest, template_id: Id, body: PreviewIn) -> dict[str, Any]:
    refuse_unknown_query(request)
    row = _template(template_id)
    sources = sources_of(row, body.version)
    source = sources.get(body.language)
    if body.source is not None:
        problems: list[FieldError] = []
        given = body.source.model_dump(exclude_unset=True)
        old = _source_json(source) if source is not None else {}
        source = edit.checked_source(body.language, {**old, **given}, problems)
        if problems:
            raise invalid_fields(problems)
    if source is None:
        missing = worded("This version has no such language.")
        raise invalid_fields([FieldError("language", "not-found", translated(missing))])
    try:
        return _preview_json(preview(source, row.sample if body.data is None else body.data))
    except TemplateFault as fault:
        field = "data" if body.source is None else "source"
        raise invalid_fields([FieldError(field, "template", translated(fault.text))]) from None


@router.get("/branding", auth=READING, response=BrandingOut, summary="How mail of this installation looks")
def get_branding(request: HttpRequest) -> dict[str, Any]:
    refuse_unknown_query(request)
    return _branding_json(branding())


@router.patch("/branding", auth=ADMINISTERING, response=BrandingOut, summary="Change accent, footer or logo")
def patch_branding(request: HttpRequest, body: BrandingIn) -> dict[str, Any]:
    values = body.model_dump(exclude_unset=True)
    if "logo_base64" in values:
        values["logo"] = logo_of(values.pop("logo_base64"))
    return _branding_json(change_branding(values, actor_of(request)))


def _template(template_id: str) -> Template:
    row = edit.template_named(template_id)
    if row is None:
        raise Http404
    return row


def _json(row: Template, *, with_texts: bool = False) -> dict[str, Any]:
    told = {name: getattr(row, name) for name in (
        "name", "title", "description", "use", "built_in", "version", "sample", "created_at", "updated_at"
    )}
    told |= {"id": row.pk, "languages": sorted(sources_of(row))}
    return {**told, "texts": _texts(row, row.version)} if with_texts else told


def _texts(row: Template, version: int) -> dict[str, Any]:
    return {language: _source_json(source) for language, source in sources_of(row, version).items()}


def _source_json(source: TemplateSource) -> dict[str, str]:
    return {"subject": source.subject, "html": source.html, "text": source.text}


def _preview_json(made: TemplatePreview) -> dict[str, Any]:
    notes = [{"kind": barrier.kind, "text": translated(barrier.text)} for barrier in made.barriers]
    notes += [{"kind": "note", "text": translated(text)} for text in made.notes]
    rendered = made.rendered
    return {
        "language": rendered.language, "subject": rendered.subject, "html": made.html, "text": rendered.text,
        "size_bytes": made.size_bytes, "missing": list(rendered.missing), "notes": notes,
    }


def _branding_json(brand: Branding) -> dict[str, Any]:
    return {
        "accent": brand.accent, "footer": brand.footer,
        "logo": brand.logo.media_type if brand.logo else None,
        "logo_size_bytes": len(brand.logo.octets) if brand.logo else 0,
    }
