"""Retain: how long what nobody saved is kept."""

from datetime import datetime, timedelta

from django.db import transaction

from postroom.store.models import ServerTest

# A test left behind can be gone back to for a day; then its password goes, and all of it unless it is part of
# a server's history.
TESTS_KEPT = timedelta(hours=24)


def forget_old_tests(now: datetime) -> int:
    """Delete tests of settings that were never saved, and take the password out of others; how many there were."""
    with transaction.atomic():
        old = ServerTest.objects.filter(created_at__lt=now - TESTS_KEPT)
        deleted, _ = old.filter(server=None).delete()
        return deleted + old.exclude(sealed_password="").update(sealed_password="")
