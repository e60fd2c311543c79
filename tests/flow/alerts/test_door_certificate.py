"""The certificate of the submission door is watched like those of servers."""

import shutil
from collections import namedtuple
from datetime import timedelta

import pytest
from django.utils import timezone

from postroom.flow.alerts.alerts import found_now, look_around, open_alerts
from postroom.store.door_certificate import DoorCertificate, note_door_certificate

pytestmark = pytest.mark.django_db(transaction=True)
DAY = timedelta(days=1)
Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def _roomy_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**12, 0, 10**12))


def test_the_certificate_of_the_submission_door_is_told_too_with_what_to_do() -> None:
    now = timezone.now()

    def of(days: int, filed: int, is_own: bool, host: str = "mail.example.org") -> None:
        note_door_certificate(DoorCertificate(host, now + days * DAY, now + filed * DAY, is_own), now)

    of(15, 15, False)
    look_around(now)
    assert open_alerts() == []
    of(13, 13, False)
    look_around(now)
    (alert,) = open_alerts()
    assert (alert.kind, alert.severity, alert.subject) == ("certificate-expiring", "warning", "mail.example.org")
    assert "POSTROOM_SUBMISSION_CERTIFICATE" in str(alert.fix)
    of(13, 90, False)
    look_around(now)
    assert "Restart Postroom" in str(open_alerts()[0].fix)
    of(2, 2, True)
    look_around(now)
    (alert,) = open_alerts()
    assert (alert.severity, "submission-certificate.pem" in str(alert.fix)) == ("critical", True)
    of(-1, -1, False)
    assert [found.title for _, found in found_now(now) if "has expired" in found.title]
    # The door was closed: nobody shows this certificate any more.
    assert not [rule for rule, _ in found_now(now + 2 * DAY) if rule.kind == "certificate-expiring"]
