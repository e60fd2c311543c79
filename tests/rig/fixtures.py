"""Fixtures of the rig for every room's tests."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache

import pytest

from .mail_rig import SERVERS, MailRig, running_mail_rig


@pytest.fixture(scope="session")
def rigs() -> Iterator[Callable[[str], MailRig]]:
    """The rig of a server of `SERVERS` by name, started when first asked for; skips, or fails when CI=true, where that
    server is not installed."""
    with ExitStack() as stack:
        yield cache(lambda server: stack.enter_context(running_mail_rig(server)))


@pytest.fixture(scope="session")
def mail_rig(rigs: Callable[[str], MailRig]) -> MailRig:
    """A private Postfix with Dovecot SASL."""
    return rigs("postfix")


@pytest.fixture(scope="session", params=SERVERS)
def every_rig(request: pytest.FixtureRequest, rigs: Callable[[str], MailRig]) -> MailRig:
    """Each real server in turn."""
    return rigs(request.param)
