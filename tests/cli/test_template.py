"""`postroom template`: templates on the command line."""

import argparse
import io
import json

import pytest

from postroom.cli import template
from postroom.store.models import AuditEntry, Template

pytestmark = pytest.mark.django_db
BODY = {"name": "figures", "title": "Figures", "texts": {"en": {"subject": "{{ n }} rows", "text": "{{ n }}"}}}


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command stands on this test process's database."""
    monkeypatch.setattr(template, "open_instance", lambda _: True)


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    template.add_arguments(parser)
    return template.run(parser.parse_args(words))


def test_a_template_is_saved_shown_previewed_used_and_removed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(BODY)))
    assert run("save") == 0
    assert capsys.readouterr().out == "figures: version 1\n"
    assert run("preview", "figures", "--values", '{"n": 7}') == 0
    assert capsys.readouterr().out == "7 rows\n\n7\n"
    assert run("show", "figures") == 0
    shown = json.loads(capsys.readouterr().out)
    shown["texts"]["en"]["subject"] = "Rows: {{ n }}"
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(shown)))
    assert run("save") == 0
    assert run("use", "figures", "1") == 0
    assert Template.objects.get(name="figures").version == 1
    assert run("list") == 0
    assert "report-delivery" in capsys.readouterr().out
    assert run("remove", "figures") == 0
    assert run("remove", "figures") == 1
    assert set(AuditEntry.objects.values_list("actor", flat=True)) == {"command line"}


def test_what_is_wrong_is_told_and_nothing_is_saved(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = {**BODY, "texts": {"en": {"subject": "a", "html": "{{ n"}}}
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(broken)))
    assert run("save") == 2
    assert "texts.en.html: Line 1: Close what begins with {{" in capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", io.StringIO("[]"))
    assert run("save") == 2
    assert run("preview", "announcement", "--values", "1") == 2
    assert not Template.objects.filter(name="figures").exists()
