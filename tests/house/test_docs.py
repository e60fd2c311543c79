"""O9: whatever can be opened, set, called or named as a cause is in docs/, and docs/ name nothing that is not there."""

import argparse
import ast
import dataclasses
import importlib
import re
from collections.abc import Iterator

import pytest
from tests.house.routes import routes, shape_of
from tests.house.sources import PACKAGE, ROOT, python_files, tree_of

from postroom.cli.main import COMMANDS
from postroom.terms.server import Limits, ServerSettings
from postroom.terms.source_fault import SourceFaultKind

DOCS = {path.name: path.read_text() for path in sorted((ROOT / "docs").glob("*.md"))}
REFERENCE = DOCS["reference.md"]
OPERATIONS = DOCS["operations.md"]
CODE = "\n".join(path.read_text() for path in python_files(PACKAGE))


def addresses_in(text: str) -> set[str]:
    """Shapes of the addresses that a text has in backticks, with or without a method."""
    return {shape_of(address) for address in re.findall(r"`(?:[A-Z]+ )?(/[^`\s]*)`", text)}


def test_every_address_is_in_the_reference() -> None:
    assert routes() - addresses_in(REFERENCE) == set()


def test_the_reference_names_no_address_that_is_not_there() -> None:
    assert addresses_in(REFERENCE) - routes() == set()


def test_every_environment_variable_is_in_the_reference() -> None:
    read = set(re.findall(r"\bPOSTROOM_[A-Z_]+\b", CODE))
    described = set(re.findall(r"^\| `([A-Z_]+)` \|", REFERENCE, re.MULTILINE))
    assert read - described == set()
    assert described - read == {"SSL_CERT_FILE"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_each_of_its_options_is_in_the_reference(name: str) -> None:
    row = re.search(rf"^\| `postroom {name}` \| (.*) \|$", REFERENCE, re.MULTILINE)
    assert row, f"postroom {name} has no row in docs/reference.md"
    common = {"-h", "--help", "--data"}
    missing = [option for option in options_of(name) if option not in common and option not in row.group(1)]
    assert missing == []


def options_of(name: str) -> Iterator[str]:
    """Option strings and actions of a subcommand, those of its own subcommands included; hidden ones are none."""
    parser = argparse.ArgumentParser()
    importlib.import_module(f"postroom.cli.{COMMANDS[name].module}").add_arguments(parser)
    yield from _options_of(parser, name)


def _options_of(parser: argparse.ArgumentParser, name: str) -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, subparser in action.choices.items():
                yield word
                yield from _options_of(subparser, name)
        elif action.help is not argparse.SUPPRESS and name != "serve":
            yield from action.option_strings


def test_every_setting_of_a_server_is_in_the_reference() -> None:
    names = {field.name for field in dataclasses.fields(ServerSettings)} | {"password"}
    rows = set(re.findall(r"^\| [^|]+ \| `([a-z_]+)` \|", REFERENCE, re.MULTILINE))
    assert names - rows == set()
    assert rows - names == set()


def test_every_setting_names_the_user_who_needs_it() -> None:
    """A row without one tells that the setting can go."""
    users = ("Everybody", "Administrator", "Application", "Operator", "Recipient", "Reader", "People", "Whoever")
    tables = re.findall(r"^\|[^\n]*\| who needs it \|\n\|[-| ]+\|\n((?:\|.*\|\n)+)", REFERENCE, re.MULTILINE)
    rows = [row for table in tables for row in table.splitlines()]
    assert len(rows) > 35
    assert [row for row in rows if not row.split(" | ")[-1].startswith(users)] == []


def test_every_limit_of_a_server_is_in_the_reference() -> None:
    described = set(re.findall(r"^\| `([a-z_]+)` \| Administrator", REFERENCE, re.MULTILINE))
    assert {field.name for field in dataclasses.fields(Limits)} <= described


def test_every_problem_that_start_up_names_is_in_operations() -> None:
    named = set(re.findall(r'StartProblem\(\s*"([a-z-]+)"', CODE))
    described = set(re.findall(r"^\| `([a-z-]+)` \|", OPERATIONS, re.MULTILINE))
    assert named == described
    assert len(named) >= 9


def test_every_cause_that_can_be_named_is_in_causes() -> None:
    slugs = set(re.findall(r'^\[([a-z0-9-]+)\]$', "\n".join(
        path.read_text() for path in sorted((PACKAGE / "diagnosis" / "catalogue" / "causes").glob("*.toml"))
    ), re.MULTILINE))
    assert len(slugs) > 50
    assert slugs == set(re.findall(r"^## ([a-z0-9-]+)$", DOCS["causes.md"], re.MULTILINE))


def test_every_link_between_documents_leads_somewhere() -> None:
    texts = {ROOT / name: (ROOT / name).read_text() for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")}
    texts |= {ROOT / "docs" / name: text for name, text in DOCS.items()}
    broken = [
        f"{path.name}: {target}"
        for path, text in texts.items()
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", text)
        if not (path.parent / target).exists()
    ]
    assert broken == []


def test_every_fault_of_a_report_source_is_documented() -> None:
    told = set(re.findall(r"^\| `([a-z-]+)` \|", DOCS["report-sources.md"], re.MULTILINE))
    assert told == {kind.value for kind in SourceFaultKind}


def test_every_room_of_flow_is_on_the_map_as_it_calls_itself() -> None:
    said = dict(re.findall(r"^\| `flow/([a-z_]+)/` \| (.*) \|$", DOCS["map.md"], re.MULTILINE))
    rooms = [path for path in (PACKAGE / "flow").iterdir() if (path / "__init__.py").is_file()]
    assert said == {path.name: ast.get_docstring(tree_of(path / "__init__.py")) for path in rooms}
