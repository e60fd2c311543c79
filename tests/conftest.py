"""The whole suite's ground: a data directory of its own for each test process, set before Django loads.

Workers of pytest-xdist inherit the environment of their parent, so the settings module is named here and nowhere else,
and taken out of the environment again once Django stands on this process's own directory. TEST_DATABASE=postgresql puts
Django on a private PostgreSQL in place of SQLite.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import django
import hypothesis
import pytest
from django.conf import settings
from django.contrib.contenttypes.management import create_contenttypes
from django.db.models.signals import post_migrate

if settings.configured or "DJANGO_SETTINGS_MODULE" in os.environ:
    raise pytest.UsageError("Unset DJANGO_SETTINGS_MODULE: tests/conftest.py chooses settings and data directory.")

DATA = Path(tempfile.mkdtemp(prefix="postroom-tests-"))
atexit.register(shutil.rmtree, DATA, ignore_errors=True)

for name in [name for name in os.environ if name.startswith("POSTROOM_")]:
    del os.environ[name]
os.environ["POSTROOM_DATA"] = str(DATA)
if os.environ.get("TEST_DATABASE") == "postgresql":
    from tests.rig.postgresql import session_cluster

    os.environ["POSTROOM_DATABASE_URL"] = session_cluster().url(f"suite_{os.getpid()}")
os.environ["DJANGO_SETTINGS_MODULE"] = "postroom.settings"
django.setup()
del os.environ["DJANGO_SETTINGS_MODULE"]

# The test database is the one that the code under test opens by itself; each worker has its own directory or server.
settings.DATABASES["default"].setdefault("TEST", {})["NAME"] = str(settings.DATABASES["default"]["NAME"])

# Each test that commits empties all tables, and Django would write its permissions anew after that; nothing reads them.
post_migrate.disconnect(dispatch_uid="django.contrib.auth.management.create_permissions")
post_migrate.disconnect(create_contenttypes)

hypothesis.settings.register_profile("postroom", deadline=None, database=None, print_blob=True)
hypothesis.settings.load_profile("postroom")

pytest_plugins = ["tests.rig.fixtures"]


@pytest.fixture(scope="session")
def django_db_modify_db_settings_xdist_suffix() -> None:
    """No suffix: the directory is this worker's alone, and the file keeps the name that the settings give it."""


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The data directory (POSTROOM_DATA) of this test process."""
    return DATA
