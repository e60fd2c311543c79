"""O6: what would only fail later is refused at start, with id, reason and hint."""

from pathlib import Path

import pytest

from postroom.cli import start_check
from postroom.cli.start_check import start_problems

BROKEN = {
    "database-url-invalid": {"POSTROOM_DATABASE_URL": "mysql://postroom@db.example/postroom"},
    "submission-invalid": {"POSTROOM_SUBMISSION": "mail.example.org:587"},
    "submission-trust-invalid": {"POSTROOM_SUBMISSION_TRUST": "10.1.0.0/8"},
    "submission-certificate-unusable": {"POSTROOM_SUBMISSION_CERTIFICATE": "/nowhere/mail.pem"},
    "smtp-ports-invalid": {"POSTROOM_SMTP_PORTS": "25,x"},
    "report-roots-invalid": {"POSTROOM_REPORT_ROOTS": "reports"},
    "fetch-networks-invalid": {"POSTROOM_FETCH_NETWORKS": "10.1.0.0/8"},
    "webhook-networks-invalid": {"POSTROOM_WEBHOOK_NETWORKS": "10.1.0.0/8"},
    "queue-limit-invalid": {"POSTROOM_QUEUE_LIMIT": "many"},
    "metrics-invalid": {"POSTROOM_METRICS": "yes"},
    "dns-invalid": {"POSTROOM_DNS": "dns.example"},
    "url-invalid": {"POSTROOM_URL": "mail.example.org"},
}


@pytest.mark.parametrize(("problem_id", "environment"), BROKEN.items())
def test_a_broken_setting_is_refused_by_name(problem_id: str, environment: dict[str, str], tmp_path: Path) -> None:
    [problem] = start_problems(environment, tmp_path)
    assert problem.id == problem_id
    assert next(iter(environment)) in f"{problem.reason} {problem.hint}"
    assert problem.hint
    assert f"[{problem_id}]" in str(problem)


@pytest.mark.parametrize("url", ["http://", "ftp://a.example", "https://a.example/mail", "http://a.example:99999", "http://[::1"])
def test_an_address_that_links_could_not_use_is_refused(url: str, tmp_path: Path) -> None:
    assert [p.id for p in start_problems({"POSTROOM_URL": url}, tmp_path)] == ["url-invalid"]


@pytest.mark.parametrize("folder", ["", "keys", ".."])
def test_t6_reports_are_never_taken_from_among_the_keys(folder: str, tmp_path: Path) -> None:
    data = tmp_path / "data"
    [problem] = start_problems({"POSTROOM_REPORT_ROOTS": f"reports={(data / folder).resolve()}"}, data)
    assert problem.id == "report-roots-own-files"


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    environment = {name: value for settings in BROKEN.values() for name, value in settings.items()}
    assert {p.id for p in start_problems(environment, tmp_path)} == set(BROKEN)


@pytest.mark.parametrize("addresses", ["127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", "mail.example.org:25", "[::1]"])
def test_what_can_not_be_listened_on_is_refused(addresses: str, tmp_path: Path) -> None:
    assert [p.id for p in start_problems({"POSTROOM_SUBMISSION": addresses}, tmp_path)] == ["submission-invalid"]


def test_a_key_without_its_certificate_is_refused(tmp_path: Path) -> None:
    [problem] = start_problems({"POSTROOM_SUBMISSION_KEY": "/nowhere/key.pem"}, tmp_path)
    assert problem.id == "submission-certificate-unusable"


def test_good_settings_have_no_problem_and_make_a_private_directory(tmp_path: Path) -> None:
    environment = {"POSTROOM_URL": "https://mail.example.org:8443/", "POSTROOM_SMTP_PORTS": "25, 587,10000-10010"}
    assert start_problems(environment, tmp_path / "new" / "data") == []
    assert (tmp_path / "new" / "data").stat().st_mode & 0o777 == 0o700


def test_a_data_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    assert [p.id for p in start_problems({}, tmp_path / "data")] == ["data-not-writable"]


def test_a_database_without_its_keys_is_refused_instead_of_making_new_ones(tmp_path: Path) -> None:
    (tmp_path / "postroom.sqlite3").write_bytes(b"")
    [problem] = start_problems({}, tmp_path)
    assert problem.id == "keys-missing"
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "k1.key").write_bytes(bytes(32))
    assert start_problems({}, tmp_path) == []


def test_a_damaged_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "k1.key").write_bytes(b"short")
    [problem] = start_problems({}, tmp_path)
    assert problem.id == "key-unusable"
    assert "k1.key is damaged" in problem.reason


def test_an_sqlite_that_django_can_not_use_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start_check.sqlite3, "sqlite_version_info", (3, 30, 1))
    [problem] = start_problems({}, tmp_path)
    assert problem.id == "sqlite-too-old"
    assert "3.30.1" in problem.reason
