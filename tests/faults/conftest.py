"""The verdicts on all cases, and the engine's outbox for their deliveries."""

import asyncio

import pytest
from tests.engine.conftest import any_port, outbox, queue

from .case import cases
from .judging import Verdict, judged

__all__ = ["any_port", "outbox", "queue", "verdicts"]


@pytest.fixture(scope="session")
def verdicts() -> dict[str, Verdict]:
    """All cases side by side, once: nearly all of their time is waiting."""
    return {verdict.case.name: verdict for verdict in asyncio.run(judged(cases()))}
