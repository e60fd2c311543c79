"""What is committed works anywhere: no path of one machine, no address of a package registry, nothing unfinished."""

import re
import tomllib
from pathlib import Path

import pytest
from tests.house.sources import PACKAGE, ROOT, committed_files, python_files, shown

# Written in pieces, so that this file is not its own finding.
_HOSTS = [("pypi.", "org"), ("python", "hosted.org"), ("registry.npm", "js.org"), ("registry.yarn", "pkg.com")]
_HOMES = ["ro" + "ot", "wo" + "rk", "Us" + "ers", "ho" + "me/[a-z]"]
_MARKS = ["TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK", "pragma: no " + "cover"]
REGISTRIES = re.compile("|".join(re.escape(a + b) for a, b in _HOSTS))
MACHINE_PATHS = re.compile(rf"(?<![\w.])/(?:{'|'.join(_HOMES)})/[\w.-]")
UNFINISHED = re.compile(rf"\b(?:{'|'.join(_MARKS)})\b|except Exception:\s*pass\b")
BINARY = {".png", ".woff2", ".ico", ".jpg", ".gz"}


def _texts() -> list[tuple[Path, str]]:
    files = [path for path in committed_files() if path.suffix not in BINARY]
    return [(path, path.read_text(errors="replace")) for path in files]


@pytest.mark.parametrize("pattern", [REGISTRIES, MACHINE_PATHS], ids=["registry", "machine path"])
def test_no_file_names_a_package_registry_or_a_path_of_one_machine(pattern: re.Pattern[str]) -> None:
    found = [f"{shown(path)}: {match.group()}" for path, text in _texts() for match in pattern.finditer(text)]
    assert found == []


def test_locks_have_a_hash_for_every_package_and_no_address() -> None:
    for path in sorted((ROOT / "requirements").glob("*.txt")):
        text = path.read_text()
        assert "://" not in text, path.name
        blocks = re.split(r"\n(?=\S)", text)
        packages = [block for block in blocks if "==" in block.splitlines()[0]]
        assert packages, path.name
        assert [block.splitlines()[0] for block in packages if "--hash=sha256:" not in block] == []


def test_every_dependency_is_in_its_lock() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = {
        "run.txt": project["project"]["dependencies"],
        "build.txt": project["dependency-groups"]["build"],
        "dev.txt": [name for name in project["dependency-groups"]["dev"] if isinstance(name, str)],
    }
    for lock, dependencies in wanted.items():
        locked = set(re.findall(r"^([a-z0-9._-]+)==", (ROOT / "requirements" / lock).read_text(), re.MULTILINE))
        names = {re.split(r"[^A-Za-z0-9._-]", dependency)[0].lower() for dependency in dependencies}
        assert names - locked == set(), lock


def test_no_code_is_left_unfinished() -> None:
    files = [*python_files(PACKAGE), *python_files(ROOT / "tests")]
    found = [f"{shown(path)}: {match.group()}" for path in files for match in UNFINISHED.finditer(path.read_text())]
    assert found == []
