"""Templates as operators keep them: made, given new versions, set back to earlier ones, removed. Each is audited."""

import json
import re
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import Max

from postroom.message.template import TemplateFault, checked
from postroom.store import audit
from postroom.store.models import Subscription, Template, TemplateText
from postroom.terms.problem import FieldError
from postroom.terms.wording import worded

from ..instance.refusals import NotPossible, SettingsRefused
from .built_in import TemplateSource, built_in
from .templates import sources_of

TEMPLATES = 500
LANGUAGES = 20
NAME_CHARACTERS = 64
TITLE_CHARACTERS = 150
DESCRIPTION_CHARACTERS = 300
SUBJECT_CHARACTERS = 998
USES = (
    "report", "success", "warning", "error", "password-reset", "invitation", "alert", "digest", "announcement", "other"
)
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,4})?")
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")
_UNSTORABLE = worded("Leave out the character NUL and halves of characters.")
_PARTS = ("subject", "html", "text")
Texts = Mapping[str, Mapping[str, str] | None]


def templates() -> list[Template]:
    """All of them by title, the built-in ones too, whose rows are made where they are missing (blocking)."""
    known = set(Template.objects.filter(built_in=True).values_list("name", flat=True))
    if missing := [one for name, one in built_in().items() if name not in known]:
        Template.objects.bulk_create(
            [
                Template(name=one.name, title=one.title, description=one.description, use=one.use, built_in=True,
                         sample=dict(one.sample))
                for one in missing
            ],
            ignore_conflicts=True,
        )
    return list(Template.objects.order_by("title", "name"))


def template_named(name: str) -> Template | None:
    """The template of that name or id; None where there is none."""
    row = Template.objects.filter(name=name[:64]).first() or Template.objects.filter(pk=name[:26]).first()
    if row is None and name in built_in():
        row = next((one for one in templates() if one.name == name), None)
    return row


def new_template(values: Mapping[str, Any], texts: Texts, actor: str) -> Template:
    """A template with its first version. `values` by API name: name, title, description, use, sample; `texts` maps
    languages to subject, html and text. Raises SettingsRefused, NotPossible."""
    with transaction.atomic():
        if Template.objects.count() >= TEMPLATES:
            raise NotPossible(worded("There are {most} templates already. Remove one first.", most=TEMPLATES))
        row = Template(description="")
        problems = _set(row, values)
        sources = _changed({}, texts, problems)
        if not sources and not problems:
            problems.append(FieldError("texts", "required", worded("Enter the text of at least one language.")))
        if problems:
            raise SettingsRefused(*problems)
        row.version = 1
        row.save()
        _write(row, 1, sources, actor)
        audit.record(actor, "template.add", row.name, {"languages": sorted(sources)})
    return row


def change_template(template_id: str, values: Mapping[str, Any], texts: Texts, actor: str) -> Template:
    """Change the facts that `values` has, and make a new version where `texts` change anything; None takes a language
    away. Raises SettingsRefused, NotPossible."""
    with transaction.atomic():
        row = _present(template_id)
        before = _facts(row)
        problems = _set(row, values)
        known = sources_of(row)
        sources = _changed(known, texts, problems)
        if not sources and not problems:
            problems.append(FieldError("texts", "required", worded("Keep the text of at least one language.")))
        if problems:
            raise SettingsRefused(*problems)
        after = _facts(row)
        changes: dict[str, Any] = {n: [before[n], after[n]] for n in after if before[n] != after[n]}
        if dict(sources) != dict(known):
            number = (row.texts.aggregate(last=Max("version"))["last"] or 0) + 1
            changes |= {"version": [row.version, number], "languages": sorted(sources)}
            row.version = number
            _write(row, number, sources, actor)
        row.save()
        if changes:
            audit.record(actor, "template.change", row.name, changes)
    return row


def use_version(template_id: str, version: int, actor: str) -> int:
    """Use an earlier (or later) version from now on; 0 sets a built-in template back to how it came. The number that
    was in use. Raises NotPossible."""
    with transaction.atomic():
        row = _present(template_id)
        if not sources_of(row, version):
            raise NotPossible(worded("There is no version {number} of this template.", number=version))
        before, row.version = row.version, version
        row.save()
        if before != version:
            audit.record(actor, "template.use-version", row.name, {"version": [before, version]})
    return before


def remove_template(template_id: str, actor: str) -> None:
    """Remove it with all its versions. Raises NotPossible for a built-in one, and for one that is in use."""
    with transaction.atomic():
        row = _present(template_id)
        if row.built_in:
            raise NotPossible(worded("This template came with Postroom and stays. Set it back instead."))
        users = list(Subscription.objects.filter(template=row).values_list("name", flat=True)[:5])
        if users:
            raise NotPossible(worded("Subscriptions use this template: {names}. Give them another first.",
                                     names=", ".join(users)))
        audit.record(actor, "template.remove", row.name, {"id": row.pk, "title": row.title})
        row.delete()


def versions_of(row: Template) -> list[dict[str, Any]]:
    """The versions, newest first: number, languages, who made it and when. 0, what came with it, has no time."""
    found: dict[int, dict[str, Any]] = {}
    for text in row.texts.order_by("-version", "language").only("version", "language", "created_at", "created_by"):
        entry = found.setdefault(text.version, {
            "version": text.version, "languages": [], "created_at": text.created_at, "created_by": text.created_by,
            "in_use": text.version == row.version,
        })
        entry["languages"].append(text.language)
    if row.built_in and row.name in built_in():
        found[0] = {
            "version": 0, "languages": sorted(built_in()[row.name].sources), "created_at": None, "created_by": "",
            "in_use": row.version == 0,
        }
    return list(found.values())


def checked_source(language: str, parts: Mapping[str, str], problems: list[FieldError]) -> TemplateSource:
    """A source of what was given, its faults added to `problems` by field, such as "texts.fr.html"."""
    place = f"texts.{language}"
    given = {part: str(parts.get(part) or "") for part in _PARTS}
    if not _LANGUAGE.fullmatch(language) or len(language) > 8:
        problems.append(FieldError(place, "invalid", worded("Enter a language such as en, fr or pt-BR.")))
    if not given["subject"].strip():
        problems.append(FieldError(f"{place}.subject", "required", worded("Enter a subject.")))
    elif len(given["subject"]) > SUBJECT_CHARACTERS or not given["subject"].isprintable():
        text = worded("Enter at most {most} characters, without line breaks.", most=SUBJECT_CHARACTERS)
        problems.append(FieldError(f"{place}.subject", "invalid", text))
    if not given["html"].strip() and not given["text"].strip():
        problems.append(FieldError(f"{place}.html", "required", worded("Enter HTML, text or both.")))
    for part in _PARTS:
        if not is_storable(given[part]):
            problems.append(FieldError(f"{place}.{part}", "invalid", _UNSTORABLE))
        try:
            checked(given[part], is_html=part == "html")
        except TemplateFault as fault:
            problems.append(FieldError(f"{place}.{part}", "template", fault.text))
    return TemplateSource(language, given["subject"], given["html"], given["text"])


def is_storable(text: str) -> bool:
    """Whether a database takes it: no NUL, which may be written as an escape, and no half of a character."""
    return "\0" not in text and "\\u0000" not in text and _HALF_CHARACTER.search(text) is None


def _changed(
    known: Mapping[str, TemplateSource], texts: Texts, problems: list[FieldError]
) -> dict[str, TemplateSource]:
    found = dict(known)
    for language, parts in texts.items():
        if parts is None:
            found.pop(language, None)
        else:
            before = known.get(language)
            old = {} if before is None else {part: getattr(before, part) for part in _PARTS}
            found[language] = checked_source(language, {**old, **parts}, problems)
    if len(found) > LANGUAGES:
        problems.append(FieldError("texts", "too-many", worded("Enter at most {most} languages.", most=LANGUAGES)))
    return found


def _write(row: Template, version: int, sources: Mapping[str, TemplateSource], actor: str) -> None:
    TemplateText.objects.bulk_create(
        TemplateText(
            template=row, version=version, language=source.language, subject=source.subject, html=source.html,
            text=source.text, created_by=actor[:254],
        )
        for source in sources.values()
    )


def _set(row: Template, values: Mapping[str, Any]) -> list[FieldError]:
    """Take over what is there; what is wrong with it."""
    problems: list[FieldError] = []
    if row.built_in and values.get("name", row.name) != row.name:
        said = worded("A template that came with Postroom keeps its name.")
        problems.append(FieldError("name", "fixed", said))
    elif not row.built_in and ("name" in values or not row.name):
        problems += _name_problems(row, values.get("name", ""))
    for field, most in (("title", TITLE_CHARACTERS), ("description", DESCRIPTION_CHARACTERS)):
        if field in values:
            setattr(row, field, str(values[field]).strip())
        if len(getattr(row, field)) > most or not (getattr(row, field) or "x").isprintable():
            text = worded("Enter at most {most} characters, without line breaks.", most=most)
            problems.append(FieldError(field, "invalid", text))
    row.title = row.title or row.name
    if values.get("use", row.use) not in USES:
        problems.append(FieldError("use", "invalid", worded("Enter one of {uses}.", uses=", ".join(USES))))
    elif not row.built_in:
        row.use = values.get("use", row.use)
    if "sample" in values:
        row.sample = dict(values["sample"])
        if not is_storable(json.dumps(row.sample, ensure_ascii=False)):
            problems.append(FieldError("sample", "invalid", _UNSTORABLE))
    return problems


def _name_problems(row: Template, name: str) -> list[FieldError]:
    name = str(name).strip()
    if not _NAME.fullmatch(name):
        text = worded("Enter a name of small letters, digits and hyphens, such as monthly-figures.")
        return [FieldError("name", "invalid", text)]
    if name in built_in() or Template.objects.filter(name=name).exclude(pk=row.pk).exists():
        return [FieldError("name", "taken", worded("There is a template of this name already."))]
    row.name = name
    return []


def _facts(row: Template) -> dict[str, Any]:
    return {name: getattr(row, name) for name in ("name", "title", "description", "use", "sample")}


def _present(template_id: str) -> Template:
    row = Template.objects.select_for_update().filter(pk=template_id[:26]).first()
    if row is None:
        raise NotPossible(worded("This template is gone: it was removed in the meantime."))
    return row
