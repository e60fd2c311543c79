"""A signed-in administrator, a viewer, and servers to look at."""

from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from postroom.flow.servers import configure
from postroom.store.models import SmtpServer, User
from postroom.terms.server import Auth, Security, ServerSettings

PASSWORD = "correct horse battery staple"


@pytest.fixture(autouse=True)
def database(db: None) -> None:
    """Every test of this room reads or writes."""


@pytest.fixture(autouse=True)
def _no_failures_remembered() -> None:
    cache.clear()


@pytest.fixture(autouse=True)
def _quick_password_digests(settings: Any) -> None:
    """The real digest is slow on purpose; nothing here measures it."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def administrator() -> User:
    return User.objects.create_user(
        "marta@norrvik.example", PASSWORD, name="Marta Keller", role=User.Role.ADMINISTRATOR, time_zone="Europe/Berlin"
    )


@pytest.fixture
def viewer() -> User:
    return User.objects.create_user("vera@norrvik.example", PASSWORD, name="Vera", role=User.Role.VIEWER)


@pytest.fixture
def page(administrator: User) -> Client:
    client = Client()
    client.force_login(administrator)
    return client


@pytest.fixture
def settings_of_relay() -> ServerSettings:
    return ServerSettings(
        name="Internal relay", from_name="Norrvik Freight", from_address="postroom@norrvik.example",
        host="relay.norrvik.example", port=587, security=Security.STARTTLS, auth=Auth.PASSWORD,
        username="postroom", test_recipient="marta@norrvik.example",
    )


@pytest.fixture
def relay(settings_of_relay: ServerSettings) -> SmtpServer:
    return configure.save_untested(
        settings_of_relay, password="secret-canary", based_on=None, server=None, reason="",
        actor="marta@norrvik.example",
    )
