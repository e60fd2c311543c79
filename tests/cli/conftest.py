"""What commands on servers find there."""

import pytest

from postroom.flow.servers.configure import save_untested
from postroom.store.models import SmtpServer
from postroom.terms.server import Security, ServerSettings


@pytest.fixture
def relay(db: None) -> SmtpServer:  # noqa: ARG001  it is a row
    settings = ServerSettings(
        name="Relay", from_address="reports@company.example", host="smtp.company.example", port=25,
        security=Security.NONE,
    )
    return save_untested(
        settings, password=None, based_on=None, server=None, reason="for a test", use_unverified=True,
        make_default=True, actor="test",
    )
