"""No secret returns to a client (T5): every answer of every operation, for every caller, is searched for canaries."""

import base64
import hashlib
from urllib.parse import quote

from postroom.api.openapi import document
from postroom.store.models import SmtpServer

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
