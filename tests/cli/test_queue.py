"""`postroom queue`: what waits and what holds it, and what an operator does about it."""

import json
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from postroom.cli.main import main
from postroom.flow.servers.configure import save_untested
from postroom.flow.servers.server_pause import pause_server
from postroom.store.models import AuditEntry, Delivery, LaneState, Message, SmtpServer
from postroom.terms.server import Limits, Security, ServerSettings


@pytest.fixture(autouse=True)
def opened(db: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001  every test reads rows
    """The test database stands for the installation."""
    monkeypatch.setattr("postroom.cli.queue.open_instance", lambda _: True)


@pytest.fixture
def relay() -> SmtpServer:
    settings = ServerSettings(
        name="Relay", from_address="reports@company.example", host="smtp.company.example", port=25,
        security=Security.NONE, limits=Limits(messages_per_minute=30),
    )
    return save_untested(
        settings, password=None, based_on=None, server=None, reason="for a test", use_unverified=True,
        make_default=True, actor="test",
    )


def put(server: SmtpServer | None, state: str, due_at: datetime, count: int = 1) -> Message:
    now = timezone.now()
    message = Message.objects.create(
        server=server, message_id="<m@norrvik.example>", from_header="a@norrvik.example", content_digest="0" * 64,
        content_size=5, created_at=now, expires_at=now + timedelta(days=1),
    )
    Delivery.objects.bulk_create(
        Delivery(message=message, recipient=f"r{n}@example.org", state=state, server=server, due_at=due_at,
                 updated_at=now)
        for n in range(count)
    )
    return message


def states() -> set[str]:
    return set(Delivery.objects.values_list("state", flat=True))


def test_the_table_says_what_waits_what_holds_it_and_until_when(
    relay: SmtpServer, capsys: pytest.CaptureFixture[str]
) -> None:
    now = timezone.now()
    since, next_at, until = now - timedelta(minutes=3), now + timedelta(minutes=30), now + timedelta(hours=2)
    put(relay, "queued", since, 12)
    put(relay, "deferred", next_at, 5)
    put(relay, "sending", now, 2)
    put(None, "queued", now)
    LaneState.objects.create(
        server=relay, engine="", at=now, sessions=1, allowed=2, held_by="messages_per_minute",
        held_until=now + timedelta(seconds=90), rate=12.0,
    )
    pause_server(relay, until=until, reason="", actor="test")
    assert main(["queue"]) == 0
    told = capsys.readouterr()
    rows = [line.split() for line in told.out.splitlines()]
    assert rows[1] == ["Relay", "12", "5", "2", "0", "1/2", *f"{since:%Y-%m-%d %H:%M}Z".split()]
    assert f"    Paused until {until:%Y-%m-%d %H:%M}Z" in told.out
    assert "    The limit of 30 messages a minute, spread evenly: the next one waits for its moment until" in told.out
    assert "    It asked to be given less: 12 messages a minute at most for now" in told.out
    assert f"    Of those for later the next is due {next_at:%Y-%m-%d %H:%M}Z" in told.out
    assert "    0 of 30 messages a minute" in told.out
    assert "(no server)" in told.out
    assert "No server takes deliveries: it waits for one." in told.out
    assert "No engine is running" in told.err


def test_as_json_it_has_the_keys_of_the_api_and_the_holds(
    relay: SmtpServer, capsys: pytest.CaptureFixture[str]
) -> None:
    put(relay, "queued", timezone.now(), 2)
    assert main(["queue", "hold", "--server", "Relay"]) == 0
    hold = capsys.readouterr().out.strip()
    assert main(["queue", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["servers"][0]["name"], told["servers"][0]["held"], told["servers"][0]["due"]) == ("Relay", 2, 0)
    assert told["servers"][0]["messages_per_minute"] == {"used": 0, "limit": 30}
    assert [(row["id"], row["server"], row["deliveries"]) for row in told["holds"]] == [(hold, "Relay", 2)]


def test_what_waits_is_held_and_released(relay: SmtpServer, capsys: pytest.CaptureFixture[str]) -> None:
    put(relay, "queued", timezone.now(), 2)
    assert main(["queue", "hold", "--all"]) == 0
    hold = capsys.readouterr().out.strip()
    assert states() == {"held"}
    assert main(["queue"]) == 0
    assert f"Hold {hold}: 2 held since" in capsys.readouterr().out
    assert main(["queue", "hold", "--all"]) == 1
    assert main(["queue", "release", hold]) == 0
    assert states() == {"queued"}
    assert main(["queue", "release", hold]) == 1
    assert "This holds nothing" in capsys.readouterr().err
    assert set(AuditEntry.objects.filter(action__startswith="queue.").values_list("actor", flat=True)) == {
        "command line",
    }


def test_what_waits_for_its_next_try_is_tried_now(relay: SmtpServer, capsys: pytest.CaptureFixture[str]) -> None:
    put(relay, "deferred", timezone.now() + timedelta(hours=1), 3)
    assert main(["queue", "try-now", "--server", relay.pk]) == 0
    assert capsys.readouterr().out == "3 are tried again now\n"
    assert not Delivery.objects.filter(due_at__gt=timezone.now()).exists()


def test_messages_are_tried_again_and_cancelled_by_id(relay: SmtpServer, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = put(relay, "failed", timezone.now(), 2), put(relay, "failed", timezone.now())
    assert main(["queue", "retry", first.pk, second.pk]) == 0
    assert capsys.readouterr().out == "3 deliveries of 2 messages: queued again\n"
    assert states() == {"queued"}
    assert main(["queue", "retry", first.pk]) == 1
    assert main(["queue", "cancel", first.pk]) == 0
    assert set(first.deliveries.values_list("state", flat=True)) == {"cancelled"}
    assert set(second.deliveries.values_list("state", flat=True)) == {"queued"}
    assert main(["queue", "cancel", first.pk]) == 1
    assert main(["queue", "cancel", second.pk, "nothing"]) == 1
    assert set(second.deliveries.values_list("state", flat=True)) == {"queued"}
    assert "There is no message nothing." in capsys.readouterr().err


def test_what_can_not_be_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["queue", "hold", "--server", "Nobody"]) == 1
    assert "There is no SMTP server" in capsys.readouterr().err
    for words in (["hold"], ["try-now", "--all", "--server", "Relay"], ["retry"]):
        with pytest.raises(SystemExit) as refused:
            main(["queue", *words])
        assert refused.value.code == 2


def test_the_data_directory_is_named_before_or_behind_the_action(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr("postroom.cli.queue.open_instance", lambda data: bool(asked.append(str(data))))
    assert main(["queue", "--data", "/srv/a", "release", "x"]) == 1
    assert main(["queue", "release", "x", "--data", "/srv/b"]) == 1
    assert main(["queue", "--data", "/srv/c"]) == 1
    assert asked == ["/srv/a", "/srv/b", "/srv/c"]
