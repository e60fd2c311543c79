"""Running a test for the pages and the API: the ports that may be dialed, and the log that stays."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.test import override_settings
from tests.dialogs.player import dialog_of, playing

from postroom.flow.probes.run_test import Prober
from postroom.flow.probes.test_log import log_text
from postroom.policy.ports import Ports
from postroom.store.activity_log import ActivityLog
from postroom.store.models import ServerTest
from postroom.terms.server import Security, ServerSettings

RELAY = ServerSettings(
    name="Relay", host="127.0.0.1", security=Security.NONE, from_address="reports@norrvik.example",
    test_recipient="anna@customer.example",
)


@pytest.mark.django_db(transaction=True)
async def test_e4_a_closer_look_of_a_page_s_test_stays_within_the_operator_s_ports(tmp_path: Path) -> None:
    async with playing(dialog_of("gone", "drop")) as server:
        port = server.port
    settings = RELAY.changed(port=port).as_json()
    test = await sync_to_async(ServerTest.objects.create)(settings=settings, created_by="marta@norrvik.example")
    with override_settings(SMTP_PORTS=Ports.parse(f"{port},465")):
        await Prober(ActivityLog(tmp_path), tmp_path, "client.example").run(test)
    await sync_to_async(test.refresh_from_db)()
    assert (test.status, test.finding["cause"]) == ("failed", "connect-refused-no-listener")
    assert [line["place"] for line in test.facts["also_tried"]] == ["127.0.0.1:465"]
    assert "- 127.0.0.1:465: Nothing listens there" in kept_log(tmp_path, test)


def kept_log(folder: Path, test: ServerTest) -> str:
    (log,) = folder.glob(f"*/tests/{test.pk}.log")
    return log.read_text()


def test_the_log_of_a_test_tells_what_else_was_tried() -> None:
    tried = [{"place": "127.0.0.1:465", "ok": False, "says": [{"what": "refused", "values": {}}]}]
    test = ServerTest(
        settings=RELAY.as_json(), created_by="marta@norrvik.example", started_at=datetime.now(UTC), status="failed",
        transcript=["  0.100 S: 220 mx"], facts={"also_tried": tried},
    )
    text = log_text(test)
    assert "Also tried, without credentials:\n- 127.0.0.1:465: Nothing listens there" in text
    assert text.endswith("\n  0.100 S: 220 mx\n")
    assert "Warning:" not in text
    test.facts = {"mechanism": "SCRAM-SHA-256", "tls": None}
    assert "\nWarning: The sign-in used SCRAM-SHA-256 and nothing was encrypted." in log_text(test)
