"""The command: every subcommand loads only itself."""

import subprocess
import sys

import pytest

from postroom.cli.main import COMMANDS, main


@pytest.mark.parametrize("name", COMMANDS)
def test_every_listed_command_has_arguments_and_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    assert f"usage: postroom {name}" in capsys.readouterr().out


@pytest.mark.parametrize("words", [[], ["no-such-command"], ["serve", "no-such-role"], ["user"]])
def test_wrong_usage_ends_with_status_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "usage: postroom" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["diagnose", "explain"])
def test_diagnosing_never_loads_django_or_opens_a_database(name: str) -> None:
    code = (
        "import contextlib, sys\nfrom postroom.cli.main import main\n"
        f"with contextlib.suppress(SystemExit): main(['{name}', '--help'])\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('django', 'sqlite3', 'uvicorn')], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stderr.strip() == "[]"
