"""Domain checks over the API: asked for, waited for, read."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from tests.diagnosis.dns import read

from postroom.flow.domains import check_domain
from postroom.flow.servers import configure
from postroom.store.models import DomainCheck
from postroom.terms.server import ServerSettings

from .conftest import Call

ZONE = {
    "MX norrvik.example": ("10 mx.norrvik.example",), "A mx.norrvik.example": ("192.0.2.7",),
    "TXT _dmarc.norrvik.example": ("v=DMARC1; p=none",),
}


def asked(admin: Call, **body: Any) -> DomainCheck:
    answer = admin("post", "/api/v1/domain-checks", body)
    assert answer.status_code == 202, answer.content
    return DomainCheck.objects.get(pk=answer.json()["id"])


def test_a_domain_is_asked_for_and_read(admin: Call, reader: Call) -> None:
    configure.save_untested(
        ServerSettings(name="Office", from_address="a@norrvik.example", host="smtp.office365.com"), password=None,
        based_on=None, server=None, reason="", actor="test",
    )
    check = asked(admin, address="reports@norrvik.example", server="Office")
    assert (check.domain, check.server_host) == ("norrvik.example", "smtp.office365.com")
    assert reader("get", f"/api/v1/domain-checks/{check.pk}").json()["status"] == "queued"
    result = read(ZONE, check.domain, check.server_host)[0].as_json()
    DomainCheck.objects.filter(pk=check.pk).update(result=result, finished_at=timezone.now())
    answer = reader("get", f"/api/v1/domain-checks/{check.pk}").json()
    assert (answer["status"], answer["exchangers"]) == ("finished", ["mx.norrvik.example"])
    spf = answer["parts"]["spf"]
    assert (spf["slug"], spf["status"], spf["title"]) == ("spf-missing", "warn", "SPF missing")
    assert spf["add"] == [
        {"name": "norrvik.example", "type": "TXT", "value": "v=spf1 include:spf.protection.outlook.com ~all"}
    ]
    assert answer["parts"]["dmarc"]["sentence"] == "DMARC policy: none."


def test_the_same_question_is_one_check_unless_it_is_asked_anew(admin: Call) -> None:
    first = asked(admin, domain="Norrvik.example")
    assert asked(admin, domain="norrvik.example").pk == first.pk
    long_ago = timezone.now() - timedelta(minutes=1)
    DomainCheck.objects.filter(pk=first.pk).update(finished_at=long_ago)
    assert asked(admin, domain="norrvik.example", anew=True).pk != first.pk


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "domain"), ({"domain": "norrvik"}, "domain"), ({"domain": "10.0.0.1"}, "domain"),
        ({"address": "reports"}, "address"), ({"address": "a@b.example", "domain": "b.example"}, "address"),
        ({"domain": "b.example", "server": "none of mine"}, "server"), ({"domain": 7}, "domain"),
        ({"domain": "b.example", "host": "x"}, "host"),
    ],
)
def test_what_is_no_domain_is_refused_by_its_field(admin: Call, body: dict[str, Any], field: str) -> None:
    answer = admin("post", "/api/v1/domain-checks", body)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert DomainCheck.objects.count() == 0


def test_too_many_waiting_checks_are_refused_for_a_while(admin: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_domain, "PENDING", 1)
    asked(admin, domain="a.example")
    answer = admin("post", "/api/v1/domain-checks", {"domain": "b.example"})
    assert (answer.status_code, answer["Retry-After"]) == (409, "60")
