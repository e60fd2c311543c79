"""Collects what people read from the source into the French catalogue: `make words`. Needs gettext's programs."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import postroom

PACKAGE = Path(postroom.__file__).parent
CATALOGUE = Path("locale/fr/LC_MESSAGES/django.po")
# What `terms.wording` collects beside gettext's own names.
KEYWORDS = ("worded",)
_READ = (".py", ".html")
_EXTRACT = """
import sys
from django.conf import settings
from django.core.management.commands import makemessages
settings.configure(LOCALE_PATHS=[sys.argv[1]], USE_I18N=True)
class Command(makemessages.Command):
    xgettext_options = [*makemessages.Command.xgettext_options, *(f"--keyword={name}" for name in sys.argv[2:])]
    msgmerge_options = [*makemessages.Command.msgmerge_options, "--no-fuzzy-matching"]
Command().run_from_argv(["manage", "makemessages", "-l", "fr", "--no-location", "--no-wrap", "--no-obsolete"])
"""


def programs_are_there() -> bool:
    return all(shutil.which(name) for name in ("xgettext", "msgmerge", "msgfmt", "msgattrib", "msguniq"))


def extracted(folder: Path) -> Path:
    """The French catalogue as the source wants it now, made in `folder`: known translations, new texts empty."""
    place = folder / "postroom"
    for file in _sources():
        copy = place / file.relative_to(PACKAGE)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    command = [sys.executable, "-c", _EXTRACT, str(place / "locale"), *KEYWORDS]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    found = place / CATALOGUE
    # The time of the extraction would be the only difference of most runs.
    lines = [line for line in found.read_text().splitlines(keepends=True) if "POT-Creation-Date" not in line]
    found.write_text("".join(lines))
    return found


def compiled(catalogue: Path, into: Path) -> Path:
    """The catalogue as Django reads it. Raises CalledProcessError, which names lines whose placeholders differ."""
    subprocess.run(["msgfmt", "--check", "-o", str(into), str(catalogue)], check=True, capture_output=True, text=True)
    return into


def left_open(catalogue: Path) -> list[str]:
    """The entries that have no translation, or one that is not confirmed."""
    found: list[str] = []
    for kind in ("--untranslated", "--only-fuzzy"):
        command = ["msgattrib", kind, "--no-wrap", str(catalogue)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        # The first entry is the header.
        found += [entry for entry in done.stdout.split("\n\n")[1:] if entry.strip()]
    return found


def _sources() -> Iterable[Path]:
    yield PACKAGE / CATALOGUE
    for file in PACKAGE.rglob("*"):
        if file.suffix in _READ and not {"migrations", "vendor", "locale"} & set(file.parts):
            yield file


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        fresh = extracted(Path(folder))
        shutil.copyfile(fresh, PACKAGE / CATALOGUE)
    compiled(PACKAGE / CATALOGUE, PACKAGE / CATALOGUE.with_suffix(".mo"))
    print("\n\n".join(left_open(PACKAGE / CATALOGUE)) or "Every text has its translation.")


if __name__ == "__main__":
    main()
