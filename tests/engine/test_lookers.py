"""What looks beside the deliveries goes on looking, whatever one look comes to."""

import ast
import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

import postroom.engine
import postroom.submission
from postroom.engine import (
    alerts,
    bounce_mailbox,
    communications,
    domain_checks,
    runs,
    scheduler,
    server_tests,
    source_tries,
    webhooks,
)
from postroom.flow.alerts.alert_conditions.machine import _WORK
from postroom.flow.instance import looker
from postroom.pages import engine_watch
from postroom.store.own_certificate import own_certificate
from postroom.store.turn import OnlyTurn
from postroom.submission import certificate_watch
from postroom.submission.door import Door, House

pytestmark = pytest.mark.django_db(transaction=True)
NOBODY = cast(Any, None)


class Changed:
    def has_come(self) -> bool:
        return True


def nudged() -> server_tests.ServerTests:
    tests = server_tests.ServerTests(NOBODY)
    tests.nudge()
    return tests


def watching() -> engine_watch.EngineWatch:
    watch = engine_watch.EngineWatch(first_s=0.0, look_s=0.01)
    watch.start()
    return watch


def showing() -> certificate_watch.CertificateWatch:
    files = own_certificate(Path(tempfile.mkdtemp()), "mail.example.org")
    return certificate_watch.CertificateWatch(Door([], House("mail.example.org", Path(), NOBODY), NOBODY, files[0]))


CHANGED, TURN = cast(Any, Changed()), OnlyTurn()
LOOKERS: list[tuple[Any, str, Callable[[], Any]]] = [
    (alerts.Alerts, "_round", lambda: alerts.Alerts(NOBODY, TURN, look_s=0.01)),
    (bounce_mailbox.BounceMailboxReader, "_round", lambda: bounce_mailbox.BounceMailboxReader(TURN)),
    (communications.Communications, "_round", lambda: communications.Communications(NOBODY, TURN, look_s=0.01)),
    (domain_checks.DomainChecks, "_round", lambda: domain_checks.DomainChecks(CHANGED, TURN)),
    (scheduler.Scheduler, "_round", lambda: scheduler.Scheduler(TURN)),
    (source_tries.SourceTries, "_round", lambda: source_tries.SourceTries(TURN)),
    (webhooks.Webhooks, "_round", lambda: webhooks.Webhooks(CHANGED, TURN)),
    (runs.Runs, "_round", lambda: runs.Runs(NOBODY, CHANGED, engine="")),
    (runs.Runs, "_renew", lambda: runs.Runs(NOBODY, CHANGED, engine="")),
    (server_tests.ServerTests, "_claim", nudged),
    (engine_watch, "_looked", watching),
    (certificate_watch.CertificateWatch, "_note", showing),
]


@pytest.mark.parametrize(("looker_class", "look", "made"), LOOKERS)
async def test_a_fault_of_our_own_in_one_look_does_not_end_the_looking(
    looker_class: Any, look: str, made: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = 0

    async def broken(*_: object) -> None:
        nonlocal looked
        looked += 1
        raise RuntimeError("a fault of our own")

    monkeypatch.setattr(looker_class, look, broken)
    monkeypatch.setattr(looker, "AFTER_FAULT_S", 0.01)
    for module in (bounce_mailbox, domain_checks, runs, scheduler, source_tries, webhooks):
        monkeypatch.setattr(module, "LOOK_S", 0.01, raising=False)
    monkeypatch.setattr(bounce_mailbox, "ASK_S", 0.01)
    monkeypatch.setattr(runs, "LEASE", 0.04 * runs.LEASE / runs.LEASE.total_seconds())
    working = made()
    for _ in range(500):
        if looked > 1:
            break
        await asyncio.sleep(0.01)
    await working.stop()
    assert looked > 1


def names_of_lookers() -> set[str]:
    rooms = (postroom.engine, postroom.submission)
    files = [file for room in rooms for file in Path(str(room.__file__)).parent.glob("*.py")]
    files.append(Path(engine_watch.__file__))
    calls = [node for file in files for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)]
    made = [call.args[0] for call in calls if isinstance(call.func, ast.Name) and call.func.id == "Looker"]
    return {name.value for name in made if isinstance(name, ast.Constant)}


def test_each_looker_has_a_name_that_people_are_told() -> None:
    assert names_of_lookers() == set(_WORK)
    assert len(_WORK) == len(LOOKERS)
