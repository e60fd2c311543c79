"""Fixtures of the rig for every room's tests."""

from collections.abc import Iterator

import pytest

from .mail_rig import MailRig, running_mail_rig


@pytest.fixture(scope="session")
def mail_rig() -> Iterator[MailRig]:
    """A private Postfix with Dovecot SASL (tests/rig); skips, or fails when CI=true, where they are not installed."""
    with running_mail_rig() as rig:
        yield rig
