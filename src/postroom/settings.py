"""Django's settings, from the environment (docs/reference.md lists every variable)."""

import os
from pathlib import Path

from csp.constants import NONE, SELF

from postroom.policy.fetch_networks import FetchNetworks
from postroom.policy.ports import Ports
from postroom.policy.report_roots import ReportRoots
from postroom.policy.submission import TrustedNetworks, endpoints
from postroom.policy.web_host import allowed_hosts
from postroom.store.database import django_database
from postroom.store.vault import Vault

DATA_DIR = Path(os.environ.get("POSTROOM_DATA", "data")).absolute()
DATA_DIR.mkdir(mode=0o700, parents=True, exist_ok=True)
PUBLIC_URL = os.environ.get("POSTROOM_URL", "http://127.0.0.1:8025").rstrip("/")

SMTP_PORTS = Ports.parse(os.environ.get("POSTROOM_SMTP_PORTS", "25,465,587,2525"))
REPORT_ROOTS = ReportRoots.parse(os.environ.get("POSTROOM_REPORT_ROOTS", ""))
FETCH_NETWORKS = FetchNetworks.parse(os.environ.get("POSTROOM_FETCH_NETWORKS", ""))
WEBHOOK_NETWORKS = FetchNetworks.parse(os.environ.get("POSTROOM_WEBHOOK_NETWORKS", ""))
QUEUE_LIMIT = int(os.environ.get("POSTROOM_QUEUE_LIMIT", "2000000"))
QUEUE_LIMIT_PER_CLIENT = int(os.environ.get("POSTROOM_QUEUE_LIMIT_PER_CLIENT", "1000000"))
METRICS_PUBLIC = os.environ.get("POSTROOM_METRICS", "token") == "public"
SUBMISSION = endpoints(os.environ.get("POSTROOM_SUBMISSION", ""))
SUBMISSION_TRUST = TrustedNetworks.parse(os.environ.get("POSTROOM_SUBMISSION_TRUST", ""))
SUBMISSION_CERTIFICATE = os.environ.get("POSTROOM_SUBMISSION_CERTIFICATE", "")
SUBMISSION_KEY = os.environ.get("POSTROOM_SUBMISSION_KEY", "")

VAULT = Vault(DATA_DIR / "keys")
VAULT.ensure_key()
SECRET_KEY = VAULT.derive("session")

DEBUG = False
# Asked in postroom.asgi, before any door.
ALLOWED_HOSTS = allowed_hosts(PUBLIC_URL)
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
DATABASES = {"default": django_database(os.environ.get("POSTROOM_DATABASE_URL", ""), DATA_DIR)}
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("fr", "Français")]
LOCALE_PATHS = [Path(__file__).parent / "locale"]
FORMAT_MODULE_PATH = ["postroom.pages.formats"]

MIDDLEWARE = [
    "postroom.api.refusals.problems_for_api",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "postroom.pages.middleware.SignInRequired",
    "django.contrib.messages.middleware.MessageMiddleware",
    "postroom.pages.middleware.LanguageAndZoneOfReader",
    "django_htmx.middleware.HtmxMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "postroom.pages.frame.frame",
            ],
        },
    }
]
STATIC_URL = "/static/"

# Pages: everything comes from this origin; inline script and style, eval and frames of others are refused (W3).
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-src": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True

# Cookies: only for this site, unreadable for script, and encrypted only where the public address is (W2).
_IS_ENCRYPTED = PUBLIC_URL.startswith("https://")
SESSION_COOKIE_NAME = "postroom_session"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = _IS_ENCRYPTED
SESSION_COOKIE_AGE = 14 * 24 * 3600
CSRF_COOKIE_NAME = "postroom_csrf"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SECURE = _IS_ENCRYPTED
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
CSRF_FAILURE_VIEW = "postroom.pages.views.errors.csrf_failed"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# Counts failed sign-ins. More fit in than digests of passwords can be made in the counters' five minutes, so that
# nobody pushes his own out with others (W8).
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
        "OPTIONS": {"MAX_ENTRIES": 10_000},
    }
}

LOGIN_URL = "pages:login"
LOGIN_REDIRECT_URL = "pages:overview"
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
FORM_RENDERER = "django.forms.renderers.DjangoTemplates"
