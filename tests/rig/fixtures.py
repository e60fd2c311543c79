"""Fixtures of the rig for every room's tests."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache

import pytest

from .mail_rig import SERVERS, MailRig, running_mail_rig
from .postgresql import Cluster, session_cluster


@pytest.fixture(scope="session")
def rigs() -> Iterator[Callable[[str], MailRig]]:
    """The rig of a server of `SERVERS` by name, started when first asked for; skips, or fails when CI=true, where that
    server is not installed."""
    with ExitStack() as stack:
        yield cache(lambda server: stack.enter_context(running_mail_rig(server)))


@pytest.fixture(scope="session")
def postgresql() -> Cluster:
    """A private PostgreSQL, started when first asked for; skips, or fails when CI=true, where it is not installed."""
    return session_cluster()


@pytest.fixture(scope="session")
def postgresql_schema(postgresql: Cluster) -> str:
    """The name of a database with the migrated schema, to copy."""
    return postgresql.migrated()


@pytest.fixture(scope="module")
def postgresql_url(postgresql: Cluster, postgresql_schema: str) -> str:
    """The address of a database of this file's tests alone, with the migrated schema."""
    return postgresql.url(postgresql.create(postgresql_schema))


@pytest.fixture(scope="session")
def mail_rig(rigs: Callable[[str], MailRig]) -> MailRig:
    """A private Postfix with Dovecot SASL."""
    return rigs("postfix")


@pytest.fixture(scope="session", params=SERVERS)
def every_rig(request: pytest.FixtureRequest, rigs: Callable[[str], MailRig]) -> MailRig:
    """Each real server in turn."""
    return rigs(request.param)
