"""`postroom run`: one command that sets up, starts, watches and stops everything."""

import os
import signal
import smtplib
import stat
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.outbox import rows
from tests.rig.installation import Installation, Run, running_postroom

from postroom.cli.main import parser_for

PASSWORD = "four words of canary"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    data = tmp_path_factory.mktemp("run") / "data"
    installation = Installation(data, POSTROOM_SUBMISSION="127.0.0.1:0", POSTROOM_SUBMISSION_TRUST="127.0.0.1")
    with running_postroom(installation) as running:
        yield running


def status_of(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=20) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


def alive(process_id: int) -> bool:
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone_within(process_ids: list[int], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while any(alive(process_id) for process_id in process_ids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_the_set_up_link_comes_before_ready_and_opens_the_first_page(run: Run) -> None:
    assert run.output.index("Set up Postroom: ") < run.output.index("Postroom is ready at ")
    assert run.setup_url.startswith(f"{run.url}/setup?code=")
    assert status_of(run.setup_url) == 200


def test_o5_nobody_can_sign_in_before_the_link_was_used_and_it_answers_on_loopback_alone(run: Run) -> None:
    database = run.installation.data / "postroom.sqlite3"
    assert rows(database, "SELECT count(*) FROM store_user") == [(0,)]
    # What is sent by command or from a trusted network has a client of its own, which no token opens.
    assert rows(database, "SELECT count(*) FROM store_apitoken WHERE length(digest) = 64") == [(0,)]
    port = int(run.url.rpartition(":")[2])
    assert listening_addresses(port) == {"0100007F"}


def listening_addresses(port: int) -> set[str]:
    """Local addresses, as the kernel writes them, on which anything listens on that port."""
    lines = [
        line.split()
        for name in ("tcp", "tcp6") if (table := Path("/proc/net", name)).exists()
        for line in table.read_text().splitlines()[1:]
    ]
    listening = "0A"
    return {
        place.partition(":")[0] for _, place, _, state, *_ in lines
        if state == listening and int(place.partition(":")[2], 16) == port
    }


def test_o5_the_address_that_nobody_chose_is_loopback() -> None:
    assert parser_for(["run"]).parse_args(["run"]).host == "127.0.0.1"


def test_o5_two_installations_have_keys_of_their_own(run: Run, tmp_path: Path) -> None:
    with running_postroom(Installation(tmp_path / "data")) as other:
        keys = [
            path.read_bytes() for one in (run, other)
            for path in sorted(one.installation.data.glob("keys/*.key"))
        ]
    assert len(keys) == len(set(keys)) == 2
    assert all(len(key) == 32 and len(set(key)) > 8 for key in keys)


def test_every_role_runs_as_a_process_of_its_own(run: Run) -> None:
    assert set(run.children()) == {"web", "engine", "sandbox", "submission"}


def test_mail_is_taken_over_smtp_where_it_says_and_leaves(run: Run) -> None:
    port = int(run.said(r"takes mail over SMTP at 127\.0\.0\.1:(\d+)"))
    assert "signed itself" in run.output
    assert "Whoever is in 127.0.0.1/32 needs no sign-in." in run.output
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
        client.sendmail("app@host.example", ["ann@example.org"], b"Subject: Over SMTP\r\n\r\nIt works.\r\n")
    deadline = time.monotonic() + 30
    caught = "SELECT count(*) FROM store_sandboxmessage WHERE subject = 'Over SMTP'"
    while rows(run.installation.data / "postroom.sqlite3", caught) != [(1,)]:
        assert time.monotonic() < deadline, run.output[-3000:]
        time.sleep(0.1)


def test_an_address_that_is_taken_already_is_refused_at_the_start(run: Run, tmp_path: Path) -> None:
    port = run.said(r"takes mail over SMTP at 127\.0\.0\.1:(\d+)")
    done = Installation(tmp_path / "data", POSTROOM_SUBMISSION=f"127.0.0.1:{port}").command("run", "--port", "0")
    assert done.returncode == 1
    assert "[submission-address-not-available]" in done.stderr


def test_the_role_alone_says_what_it_needs(run: Run) -> None:
    done = Installation(run.installation.data).command("serve", "submission")
    assert done.returncode == 1
    assert "POSTROOM_SUBMISSION=127.0.0.1:2525" in done.stderr


def test_nothing_it_makes_can_be_read_by_another_user(run: Run) -> None:
    paths = [run.installation.data, *run.installation.data.rglob("*")]
    open_to_others = [path for path in paths if stat.S_IMODE(path.stat().st_mode) & 0o077]
    assert open_to_others == []
    assert [stat.S_IMODE(path.stat().st_mode) for path in run.installation.data.glob("keys/*.key")] == [0o600]


def test_a_second_run_on_the_same_directory_is_refused(run: Run) -> None:
    done = run.installation.command("run", "--port", "0")
    assert done.returncode == 1
    assert "[already-running]" in done.stderr
    assert f"process {run.process.pid}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_port_in_use_is_refused_by_name(run: Run, tmp_path: Path) -> None:
    port = run.url.rsplit(":", 1)[1]
    done = Installation(tmp_path).command("run", "--port", port)
    assert done.returncode == 1
    assert "[address-not-available]" in done.stderr
    assert f"port {port}" in done.stderr


def test_a_damaged_database_is_refused_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "postroom.sqlite3").write_bytes(b"no database at all" * 100)
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "k1.key").write_bytes(bytes(32))
    done = Installation(tmp_path).command("run", "--port", "0")
    assert done.returncode == 1
    assert "[database-unusable]" in done.stderr
    assert "Traceback" not in done.stderr


def test_broken_settings_are_refused_before_anything_is_made(tmp_path: Path) -> None:
    installation = Installation(tmp_path / "data", POSTROOM_SMTP_PORTS="99999", POSTROOM_SUBMISSION="mail:25")
    done = installation.command("run", "--port", "0")
    assert done.returncode == 1
    assert "[smtp-ports-invalid]" in done.stderr
    assert "[submission-invalid]" in done.stderr
    assert not (tmp_path / "data" / "keys").exists()


@pytest.mark.parametrize("role", ["web", "engine", "sandbox", "submission"])
def test_a_role_that_is_killed_comes_back(run: Run, role: str) -> None:
    before = run.children()[role]
    os.kill(before, signal.SIGKILL)
    assert run.said(rf"The {role} process (was ended by SIGKILL)", 10)
    deadline = time.monotonic() + 20
    while run.children().get(role, before) == before:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    # The supervisor holds the listening socket: whoever asks meanwhile waits and is answered.
    assert status_of(f"{run.url}/health/live") == 200


def test_a_stop_signal_ends_every_process_in_good_order(tmp_path: Path) -> None:
    with running_postroom(Installation(tmp_path / "data")) as run:
        children = list(run.children().values())
        began = time.monotonic()
        assert run.stop(signal.SIGINT) == 0
        assert time.monotonic() - began < 30
        assert run.output.rstrip().endswith("Postroom has stopped.")
        assert gone_within(children, 1)
        assert "Traceback" not in run.output


def test_children_end_with_a_killed_supervisor_and_the_next_run_starts(tmp_path: Path) -> None:
    installation = Installation(tmp_path / "data")
    with running_postroom(installation) as run:
        children = list(run.children().values())
        assert len(children) == 3
        run.stop(signal.SIGKILL)
    with running_postroom(installation) as again:
        assert gone_within(children, 0)
        assert status_of(f"{again.url}/health/live") == 200


def test_on_every_network_only_its_own_names_are_answered_and_it_says_so(tmp_path: Path) -> None:
    with running_postroom(Installation(tmp_path / "data"), "--host", "0.0.0.0") as run:
        assert "set POSTROOM_URL to the address by which others reach it" in run.output
        assert run.url.startswith("http://127.0.0.1:")
        assert httpx.get(f"{run.url}/health/live").status_code == 200
        answer = httpx.get(f"{run.url}/health/live", headers={"Host": "evil.example"})
    assert (answer.status_code, "POSTROOM_URL" in answer.text) == (400, True)


def test_no_set_up_link_is_printed_once_somebody_can_sign_in(tmp_path: Path) -> None:
    installation = Installation(tmp_path / "data")
    with running_postroom(installation):
        create = ("user", "create", "ada@example.org", "--name", "Ada", "--role", "administrator")
        done = installation.command(*create, said=f"{PASSWORD}\n")
        assert (done.returncode, done.stderr) == (0, "")
        again = installation.command(*create, said=f"{PASSWORD}\n")
        assert again.returncode == 1
        assert "is a user already" in again.stderr
        weak = installation.command("user", "reset-password", "ada@example.org", said="short\n")
        assert weak.returncode == 1
        assert "12 characters" in weak.stderr
        reset = installation.command("user", "reset-password", "ADA@example.org", said=f"new {PASSWORD}\n")
        assert (reset.returncode, reset.stderr) == (0, "")
    with running_postroom(installation) as run:
        assert "Set up Postroom" not in run.output
        assert status_of(run.url) == 200


def test_commands_on_a_directory_without_an_installation_say_so(tmp_path: Path) -> None:
    done = Installation(tmp_path).command("user", "reset-password", "a@example.org", said="x\n")
    assert done.returncode == 1
    assert "There is no Postroom in" in done.stderr
    assert list(tmp_path.iterdir()) == []
