"""A message door as most would write it: one django-ninja view, a schema that validates, one durable insert by the ORM.

It asks for no token and keeps no idempotency key, so it does less than Postroom's. SQLite as Django's manual advises
for servers: WAL, every commit synced. Served by granian over WSGI, its best server where this was measured.
"""

import os

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="benchmark",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=[],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.environ["BENCH_DATABASE"],
            "CONN_MAX_AGE": None,
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;",
            },
        }
    },
    USE_TZ=True,
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402 - Django needs its settings first
from django.db import connection, models  # noqa: E402
from django.http import HttpRequest  # noqa: E402
from django.urls import path  # noqa: E402
from ninja import NinjaAPI, Schema  # noqa: E402


class Message(models.Model):
    to = models.JSONField()
    subject = models.CharField(max_length=998)
    text = models.TextField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "peer"


class MessageIn(Schema):
    to: list[str]
    subject: str
    text: str


api = NinjaAPI()


@api.post("/messages", response={202: dict[str, int]})
def accept(request: HttpRequest, body: MessageIn) -> tuple[int, dict[str, int]]:
    del request
    message = Message.objects.create(to=body.to, subject=body.subject, text=body.text)
    return 202, {"id": message.pk}


urlpatterns = [path("api/v1/", api.urls)]

if Message._meta.db_table not in connection.introspection.table_names():
    with connection.schema_editor() as editor:
        editor.create_model(Message)
connection.close()
application = get_wsgi_application()
