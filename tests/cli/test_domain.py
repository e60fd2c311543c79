"""`postroom domain check`, over a DNS server on loopback."""

import json
from collections.abc import Iterator

import pytest
from tests.net.dns_server import Zone, dns_server_beside

from postroom.cli.main import main

ZONE: Zone = {
    "MX norrvik.example": ["10 mx.norrvik.example."], "A mx.norrvik.example": ["192.0.2.7"],
    "TXT norrvik.example": ['"v=spf1 include:spf.protection.outlook.com -all"'],
    "TXT spf.protection.outlook.com": ['"v=spf1 ip4:40.92.0.0/15 -all"'],
    "TXT _dmarc.norrvik.example": ['"v=DMARC1; p=quarantine"'],
}


@pytest.fixture
def _name_service(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with dns_server_beside(ZONE) as place:
        monkeypatch.setenv("POSTROOM_DNS", place)
        yield


@pytest.mark.usefixtures("_name_service")
def test_it_says_what_the_dns_says_and_what_to_add(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["domain", "check", "reports@norrvik.example", "--server-host", "smtp.office365.com"])
    said = capsys.readouterr().out
    assert status == 0
    assert "ok norrvik.example accepts mail at mx.norrvik.example." in said
    assert "ok SPF allows Microsoft 365." in said
    assert "!  DKIM key for Microsoft 365 is missing." in said
    assert "selector1._domainkey.norrvik.example  CNAME  …" in said


@pytest.mark.usefixtures("_name_service")
def test_a_domain_that_is_not_there_fails_and_json_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["domain", "check", "gone.invalid", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["parts"]["mx"]["slug"] == "mx-no-domain"


def test_what_is_no_domain_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["domain", "check", "norrvik"]) == 2
    assert "full domain" in capsys.readouterr().err
