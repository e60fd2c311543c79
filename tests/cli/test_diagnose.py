"""`postroom diagnose` and `postroom explain` as scripts see them: exit status, JSON, lines, no secret."""

import asyncio
import json
import sys
from typing import Any

import pytest
from tests.dialogs.player import dialog_of, playing

MAIN = "import sys; from postroom.cli.main import main; sys.exit(main())"
PASSWORD = "Lantern-Harbour-41"
HEALTHY = """
S: 220 mx.norrvik.example ESMTP
C: EHLO client.example
S: 250 mx.norrvik.example
C: MAIL *
S: 250 ok
C: RCPT *
S: 250 ok
C: DATA
S: 354 go on
C.
S: 250 queued
C: QUIT
S: 221 bye
"""
REFUSING = """
S: 220 mx.norrvik.example ESMTP
C: EHLO client.example
S: 250-mx.norrvik.example
S: 250 AUTH PLAIN
C: AUTH PLAIN *
S: 535 5.7.8 Error: authentication failed
C: QUIT
"""
SIGNING_IN_BY_DIGEST = HEALTHY.replace(
    "S: 250 mx.norrvik.example\n",
    "S: 250-mx.norrvik.example\nS: 250 AUTH CRAM-MD5\nC: AUTH CRAM-MD5\nS: 334 PDE+\nC: *\nS: 235 ok\n",
)
KEYS = {
    "verdict", "cause", "confidence", "title", "explanation", "fix", "field", "retry", "evidence", "proposal",
    "consequence", "alternatives", "stages", "server", "transcript", "seconds", "also_tried", "warnings",
}


async def ran(*words: str, said: str = "") -> tuple[int, str, str]:
    """Exit status, standard output and standard error of `postroom WORDS`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", MAIN, *words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate(said.encode())
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def asked(port: int, *more: str, host: str = "127.0.0.1") -> list[str]:
    return [
        "diagnose", "--host", host, "--port", str(port), "--security", "none", "--from", "reports@norrvik.example",
        "--to", "anna@customer.example", "--ehlo-name", "client.example", *more,
    ]


async def test_a_passed_test_is_status_0_and_its_json_has_every_key_of_the_contract() -> None:
    async with playing(dialog_of("cli", HEALTHY)) as server:
        status, out, _ = await ran(*asked(server.port, "--json"))
    answer = json.loads(out)
    assert status == 0
    assert set(answer) == KEYS
    assert answer["verdict"] == "success"
    assert answer["cause"] is answer["title"] is answer["fix"] is None
    assert [set(stage) for stage in answer["stages"]] == [{"name", "status", "ms", "detail"}] * 10
    assert any("220 mx.norrvik.example" in line for line in answer["transcript"])
    assert answer["warnings"] == []


async def test_a_sign_in_by_cram_md5_without_tls_passes_with_a_warning() -> None:
    login = ("--username", "reports@norrvik.example", "--password-stdin")
    for form in (("--json",), ("--language", "fr")):
        async with playing(dialog_of("cli", SIGNING_IN_BY_DIGEST)) as server:
            status, out, _ = await ran(*asked(server.port, *login, *form), said=PASSWORD + "\n")
        assert status == 0
        if "--json" in form:
            (warning,) = json.loads(out)["warnings"]
            assert (warning["field"], warning["code"]) == ("security", "cram-md5-without-tls")
        else:
            assert "Avertissement: L’identification a utilisé CRAM-MD5" in out


async def test_a_failed_test_is_status_1_and_shows_no_password_in_any_output() -> None:
    login = ("--username", "reports@norrvik.example", "--password-stdin")
    for form in (("--json",), ()):
        async with playing(dialog_of("cli", REFUSING)) as server:
            status, out, err = await ran(*asked(server.port, *login, *form), said=PASSWORD + "\n")
        assert status == 1
        assert "535 5.7.8" in out
        assert PASSWORD not in out + err
        if form:
            assert json.loads(out)["cause"] == "auth-bad-credentials"
        else:
            assert "Cause: The server did not accept the username or the password" in out
            assert "authenticate  FAILED" in out


async def test_a_wrong_host_is_a_finding_and_no_usage_error() -> None:
    status, out, _ = await ran(*asked(2525, "--json", host="smtp://mail.norrvik.example:2525"))
    answer = json.loads(out)
    assert (status, answer["verdict"], answer["field"]) == (1, "failure", "host")
    assert answer["proposal"] is None
    assert answer["also_tried"] == [
        {"place": "mail.norrvik.example:2525", "ok": False, "text": "No such name, or a name without an address."}
    ]


async def test_sending_can_be_left_out() -> None:
    lines = HEALTHY.split("C: MAIL")[0] + "C: QUIT\nS: 221 bye\n"
    async with playing(dialog_of("cli", lines)) as server:
        status, out, _ = await ran(*asked(server.port, "--no-send"))
    assert status == 0
    assert "no mail was sent" in out


@pytest.mark.parametrize(
    "more", [["--username", "a"], ["--timeout-s", "0"], ["--security", "ssl"], ["--ca-file", "/nowhere.pem"]]
)
async def test_an_argument_of_no_use_is_status_2(more: list[str]) -> None:
    status, out, err = await ran(*asked(25, *more))
    assert (status, out) == (2, "")
    assert err


async def test_explain_reads_a_text_and_gives_a_finding() -> None:
    status, out, _ = await ran("explain", "--json", said="535-5.7.8 Username and Password not accepted. - gsmtp")
    assert status == 0
    assert json.loads(out)["cause"] == "auth-app-password-required"
    status, out, _ = await ran("explain", said="550 5.1.1 <a@b.example>: User unknown")
    assert status == 0
    assert out.startswith("Cause: The recipient does not exist")


async def test_explain_answers_line_by_line() -> None:
    config = {"host": "smtp.gmail.com", "port": 587, "security": "none", "username_given": True}
    lines: list[dict[str, Any]] = [
        {"id": 1, "error_text": "SMTP AUTH extension not supported by server.", "config": config, "client": "smtplib"},
        {"id": "two", "error_text": "connection refused", "config": {"port": 587}, "client": None},
        {"id": "three", "error_text": "The cat sat on the mat."},
        {"id": "four", "error_text": "connection refused", "config": None, "client": None},
    ]
    status, out, _ = await ran("explain", "--jsonl", said="".join(json.dumps(line) + "\n" for line in lines))
    answers = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [(a["id"], a["cause"]) for a in answers] == [
        (1, "auth-not-offered-without-tls"), ("two", "connect-refused-no-listener"), ("three", "unknown"),
        ("four", "unknown"),  # it may be anything's: nothing in it is about mail
    ]
    assert all(set(answer) == {"id", "cause", "text", "retry"} for answer in answers)
    assert "STARTTLS" in answers[0]["text"]


async def test_explain_refuses_a_line_that_is_no_question() -> None:
    status, out, err = await ran("explain", "--jsonl", said='{"id": 1}\n')
    assert (status, out) == (2, "")
    assert "line 1" in err
