"""Django's settings, from the environment (docs/reference.md lists every variable)."""

import os
from pathlib import Path

from postroom.policy.ports import Ports
from postroom.store.vault import Vault

DATA_DIR = Path(os.environ.get("POSTROOM_DATA", "data")).absolute()
DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
PUBLIC_URL = os.environ.get("POSTROOM_URL", "http://127.0.0.1:8025").rstrip("/")

SMTP_PORTS = Ports.parse(os.environ.get("POSTROOM_SMTP_PORTS", "25,465,587,2525"))

VAULT = Vault(DATA_DIR / "keys")
VAULT.ensure_key()
SECRET_KEY = VAULT.derive("session")

DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "postroom.urls"
ASGI_APPLICATION = "postroom.asgi.application"
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "postroom.store.apps.StoreConfig",
    "postroom.pages.apps.PagesConfig",
]
AUTH_USER_MODEL = "store.User"
DATABASES = {
    "default": {
        "ENGINE": "postroom.store.sqlite",
        "NAME": DATA_DIR / "postroom.sqlite3",
        "OPTIONS": {
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
        },
    }
}
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
