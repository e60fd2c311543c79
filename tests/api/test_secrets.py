"""No secret returns to a client (T5): every answer of every operation, for every caller, is searched for canaries."""

import base64
import hashlib
from urllib.parse import quote

from postroom.api.openapi import document
from postroom.store.models import ReportSource, SmtpServer, SqlConnection

from .conftest import Call, Ids
from .test_smtp_servers import CANARY, RELAY, URL

FORMS = [
    CANARY, base64.b64encode(CANARY.encode()).decode(), quote(CANARY, safe=""),
    hashlib.sha256(CANARY.encode()).hexdigest(), CANARY[:12], CANARY[::-1],
]  # fmt: skip


def test_a_password_goes_in_and_never_comes_out(callers: dict[str, Call]) -> None:
    admin = callers["admin"]
    server = admin("post", URL, RELAY).json()["id"]
    test = admin("post", f"{URL}/{server}/test", {}).json()["id"]
    row = SmtpServer.objects.get()
    secrets = [*FORMS, row.sealed_password, row.secret_id]
    for call in callers.values():
        for path, item in document()["paths"].items():
            for method in sorted(item, key=lambda m: m == "delete"):
                address = path.format_map(Ids(server_id=server, test_id=test))
                for body in ({}, {"password": CANARY, "colour": CANARY}, {"password": [CANARY]}, {"based_on": server}):
                    text = call(method, address, body).content.decode()
                    assert not [secret for secret in secrets if secret in text], (method, address)
    assert SmtpServer.objects.count() == 0


def test_the_secrets_of_report_sources_never_come_out(callers: dict[str, Call]) -> None:
    admin = callers["admin"]
    given = {"name": "Web", "kind": "url", "settings": {"url": "https://a.example/"}, "secret": CANARY}
    source = admin("post", "/api/v1/report-sources", given).json()["id"]
    place = {"host": "db.example", "database": "shop", "username": "reader"}
    given = {"name": "Shop", "kind": "postgresql", "settings": place, "password": CANARY}
    connection = admin("post", "/api/v1/sql-connections", given).json()["id"]
    stored = (ReportSource.objects.get(), SqlConnection.objects.get())
    secrets = [*FORMS, stored[0].sealed_secret, stored[0].secret_id, stored[1].sealed_password, stored[1].secret_id]
    assert all(secrets)
    paths = [path for path in document()["paths"] if "source" in path or "connection" in path]
    for call in callers.values():
        for path in paths:
            address = path.format_map(Ids(source_id=source, connection_id=connection))
            for method in sorted(document()["paths"][path], key=lambda m: m == "delete"):
                for body in ({}, {"secret": [CANARY], "password": [CANARY]}, {"settings": {"url": "https://b.example/"}}):
                    text = call(method, address, body).content.decode()
                    assert not [secret for secret in secrets if secret in text], (method, address)
    assert not ReportSource.objects.exists()
    assert not SqlConnection.objects.exists()
