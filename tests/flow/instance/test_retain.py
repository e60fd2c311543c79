"""What nobody saved goes after a day: the tests left behind, and every password in a test."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from postroom.flow.instance.retain import forget_old_drafts, forget_old_tests
from postroom.flow.servers import configure
from postroom.store.blobs import DamagedBlob
from postroom.store.drafts import Drafts
from postroom.store.models import ServerTest, SmtpServer
from postroom.terms.outcome import TestStatus
from postroom.terms.server import Auth, ServerSettings

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SETTINGS = ServerSettings(name="Relay", host="relay.company.example", auth=Auth.PASSWORD, username="reports")


def left_behind(server: SmtpServer | None, age: timedelta) -> ServerTest:
    test = ServerTest.objects.create(
        server=server, settings=SETTINGS.as_json(), sealed_password="v1.k1.sealed", secret_id="S", send=True,
        status=TestStatus.PASSED, created_by="marta@company.example",
    )
    ServerTest.objects.filter(pk=test.pk).update(created_at=NOW - age)
    return test




def test_tests_are_kept_for_a_day_and_their_passwords_no_longer() -> None:
    server = SmtpServer.objects.create(name="Relay", settings=SETTINGS.as_json())
    fresh = left_behind(None, timedelta(hours=23))
    left_behind(None, timedelta(hours=25))
    history = left_behind(server, timedelta(hours=25))
    assert forget_old_tests(NOW) == 2
    assert {test.pk: test.sealed_password for test in ServerTest.objects.all()} == {
        fresh.pk: "v1.k1.sealed", history.pk: "",
    }
    assert forget_old_tests(NOW) == 0


def test_an_old_test_whose_password_is_gone_is_not_saved_without_it() -> None:
    server = SmtpServer.objects.create(name="Relay", settings=SETTINGS.as_json(), sealed_password="kept")
    old = left_behind(server, timedelta(hours=25))
    forget_old_tests(NOW)
    old.refresh_from_db()
    with pytest.raises(configure.NotPossible, match="Run the live test again"):
        configure.save_tested(old, make_default=False, actor="marta@company.example")
    assert SmtpServer.objects.get().sealed_password == "kept"


def test_files_of_a_message_that_nobody_finished_are_removed_after_a_day() -> None:
    drafts = Drafts(Path(settings.DATA_DIR) / "drafts")
    blob, now = drafts.put(b"plan"), timezone.now()
    forget_old_drafts(now + timedelta(hours=23))
    assert drafts.read(blob.digest, blob.size_bytes) == b"plan"
    assert forget_old_drafts(now + timedelta(hours=25)) >= 1
    with pytest.raises(DamagedBlob):
        drafts.read(blob.digest, blob.size_bytes)
