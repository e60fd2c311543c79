"""Templates over the API."""

import base64
from typing import Any

import pytest

from postroom.store.models import AuditEntry, Template, TemplateText

from .conftest import Call

PATH = "/api/v1/templates"
BODY: dict[str, Any] = {
    "name": "monthly-figures", "title": "Monthly figures", "sample": {"n": 3},
    "texts": {"en": {"subject": "{{ n }} rows", "html": "<h1>{{ n }} rows</h1>"}},
}


@pytest.fixture
def made(admin: Call) -> dict[str, Any]:
    answer = admin("post", PATH, BODY)
    assert answer.status_code == 201
    return dict(answer.json())


def test_a_template_is_made_changed_set_back_and_removed_and_each_is_audited(admin: Call, made: dict[str, Any]) -> None:
    path = f"{PATH}/{made['id']}"
    changed = admin("patch", path, {"texts": {"fr": {"subject": "{{ n }} lignes", "text": "{{ n }}"}}}).json()
    assert (changed["version"], sorted(changed["texts"])) == (2, ["en", "fr"])
    again = admin("patch", path, {"texts": {"en": {"subject": "{{ n }} lines"}}}).json()
    assert again["texts"]["en"] == {"subject": "{{ n }} lines", "html": "<h1>{{ n }} rows</h1>", "text": ""}
    assert admin("patch", path, {"title": "Figures"}).json()["version"] == 3
    versions = admin("get", f"{path}/versions").json()["versions"]
    assert [(one["version"], one["in_use"]) for one in versions] == [(3, True), (2, False), (1, False)]
    assert admin("get", f"{path}/versions/1").json()["texts"]["en"]["subject"] == "{{ n }} rows"
    assert admin("post", f"{path}/use", {"version": 1}).json()["languages"] == ["en"]
    assert admin("post", f"{path}/use", {"version": 9}).status_code == 409
    assert admin("delete", path).status_code == 204
    assert not TemplateText.objects.exists()
    actions = set(AuditEntry.objects.filter(action__startswith="template.").values_list("action", flat=True))
    assert actions == {"template.add", "template.change", "template.use-version", "template.remove"}


def test_the_built_in_templates_are_there_and_stay(admin: Call) -> None:
    listed = {row["name"]: row for row in admin("get", PATH).json()["templates"]}
    assert {name for name, row in listed.items() if row["built_in"]} == {
        "report-delivery", "run-success", "run-warning", "run-error", "password-reset", "invitation", "alert",
        "digest", "announcement",
    }
    assert all(row["languages"] == ["en", "fr"] for row in listed.values())
    path = f"{PATH}/announcement"
    assert admin("delete", path).status_code == 409
    assert admin("patch", path, {"name": "other"}).status_code == 422
    changed = admin("patch", path, {"texts": {"en": {"subject": "News: {{ title }}"}}}).json()
    assert (changed["version"], changed["languages"]) == (1, ["en", "fr"])
    assert admin("post", f"{path}/use", {"version": 0}).json()["texts"]["en"]["subject"] == "{{ title }}"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "Not Good"}, "name"),
        ({"name": "announcement"}, "name"),
        ({"texts": {}}, "texts"),
        ({"texts": {"english": {}}}, "texts"),
        ({"texts": {"en": {"subject": "", "text": "a"}}}, "texts.en.subject"),
        ({"texts": {"en": {"subject": "a"}}}, "texts.en.html"),
        ({"texts": {"en": {"subject": "a", "html": "{% include 'x' %}"}}}, "texts.en.html"),
        ({"texts": {"en": {"subject": "{{ a", "html": "a"}}}, "texts.en.subject"),
        ({"use": "letter"}, "use"),
        ({"texts": {"en": {"subject": "a", "html": "a\0"}}}, "texts.en.html"),
        ({"sample": {"a": "b\0"}}, "sample"),
    ],
)
def test_what_is_wrong_is_named(admin: Call, change: dict[str, Any], field: str) -> None:
    answer = admin("post", PATH, BODY | change)
    assert answer.status_code == 422
    assert any(error["field"].startswith(field) for error in answer.json()["errors"])
    assert not Template.objects.filter(built_in=False).exists()


def test_a_name_is_there_once(admin: Call, made: dict[str, Any]) -> None:
    assert admin("post", PATH, BODY).status_code == 422
    assert admin("patch", f"{PATH}/{made['id']}", {"name": BODY["name"]}).status_code == 200


def test_a_preview_shows_what_would_be_sent_and_what_to_repair(admin: Call, made: dict[str, Any]) -> None:
    path = f"{PATH}/{made['name']}/preview"
    shown = admin("post", path, {}).json()
    assert (shown["subject"], shown["missing"], shown["notes"]) == ("3 rows", [], [])
    assert shown["text"].startswith("3 rows")
    assert shown["size_bytes"] > len(shown["html"])
    unsaved = {"source": {"html": "<p style='color:#ccc'>{{ who }}x</p><img src='cid:a'>"}, "data": {"n": 1}}
    notes = admin("post", path, unsaved).json()["notes"]
    assert {note["kind"] for note in notes} == {"alt", "contrast", "note"}
    assert admin("post", path, {"source": {"html": "{{ n"}}).status_code == 422
    assert admin("post", path, {"language": "fr"}).status_code == 422
    assert TemplateText.objects.count() == 1


def test_branding_changes_what_mail_looks_like(admin: Call) -> None:
    logo = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 20).decode()
    answer = admin("patch", "/api/v1/branding", {"accent": "#7A1F5C", "footer": "Norrvik", "logo_base64": logo})
    assert answer.json() == {"accent": "#7a1f5c", "footer": "Norrvik", "logo": "image/png", "logo_size_bytes": 28}
    shown = admin("post", f"{PATH}/announcement/preview", {}).json()
    assert "#7a1f5c" in shown["html"]
    assert "data:image/png;base64," in shown["html"]
    assert shown["text"].endswith("-- \nNorrvik\n")
    assert AuditEntry.objects.get(action="branding.change").changes["logo"] == ["none", "28 bytes"]
    assert admin("patch", "/api/v1/branding", {"logo_base64": ""}).json()["logo"] is None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"accent": "blue"}, "accent"),
        ({"accent": "#ffee00"}, "accent"),
        ({"logo_base64": base64.b64encode(b"<svg/>").decode()}, "logo"),
        ({"logo_base64": "%%"}, "logo_base64"),
    ],
)
def test_branding_that_readers_can_t_read_is_refused(admin: Call, change: dict[str, str], field: str) -> None:
    answer = admin("patch", "/api/v1/branding", change)
    assert [error["field"] for error in answer.json()["errors"]] == [field]
