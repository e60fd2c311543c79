"""Recipients, groups and allowed domains through the API."""

import base64
from typing import Any

from postroom.store.models import AuditEntry, Recipient, RecipientGroup

from .conftest import Call

ANN = {"address": "Ann@Example.org", "name": "Ann", "language": "fr", "values": {"region": "North", "rank": 2}}


def made(admin: Call, path: str, body: Any) -> Any:
    answer = admin("post", f"/api/v1/{path}", body)
    assert answer.status_code in (200, 201), answer.content
    return answer.json()


def test_a_recipient_is_added_found_changed_and_removed(admin: Call, reader: Call) -> None:
    ann = made(admin, "recipients", ANN)
    assert (ann["address"], ann["values"], ann["groups"]) == ("Ann@example.org", ANN["values"], [])
    board = made(admin, "groups", {"name": "Board"})
    path = f"/api/v1/recipients/{ann['id']}"
    changed = admin("patch", path, {"time_zone": "Europe/Paris", "groups": [board["id"]]}).json()
    assert (changed["name"], changed["time_zone"], changed["groups"]) == ("Ann", "Europe/Paris", [board["id"]])
    for query in ("q=EXAMPLE.org", "q=ann", f"group={board['id']}"):
        assert [one["id"] for one in reader("get", f"/api/v1/recipients?{query}").json()["recipients"]] == [ann["id"]]
    assert reader("get", "/api/v1/recipients?q=ben").json() == {"recipients": [], "next_before": None}
    assert admin("delete", path).status_code == 204
    assert reader("get", path).status_code == 404
    actions = list(AuditEntry.objects.filter(action__startswith="recipient.").order_by("pk"))
    assert [entry.action for entry in actions] == ["recipient.add", "recipient.change", "recipient.remove"]
    assert actions[1].changes["groups"] == [[], ["Board"]]


def test_fields_at_fault_are_all_named_with_the_remedy(admin: Call) -> None:
    body = {"address": "nobody", "name": "A\nB", "language": "french", "time_zone": "Paris", "values": {"a b": 1}}
    errors = admin("post", "/api/v1/recipients", body).json()["errors"]
    assert {error["field"] for error in errors} == {"address", "name", "language", "time_zone", "values"}
    made(admin, "recipients", ANN)
    twice = admin("post", "/api/v1/recipients", {"address": "ANN@example.org"}).json()["errors"]
    assert [(error["field"], error["code"]) for error in twice] == [("address", "exists")]


def test_a_group_takes_ids_addresses_and_names_and_makes_who_is_no_recipient_one(admin: Call, reader: Call) -> None:
    ann = made(admin, "recipients", ANN)
    group = made(admin, "groups", {"name": "Board", "members": [ann["id"], "Ben <ben@example.org>", "ann@example.org"]})
    assert group["members"] == 2
    assert Recipient.objects.get(address_key="ben@example.org").name == "Ben"
    path = f"/api/v1/groups/{group['id']}"
    body = {"add": ["carl@example.org", "BEN@example.org"], "remove": [ann["id"]]}
    assert admin("post", f"{path}/members", body).json() == {"added": 1, "new_recipients": 1, "removed": 1}
    assert admin("patch", path, {"name": "The board"}).json()["name"] == "The board"
    assert reader("get", "/api/v1/groups").json()["groups"][0]["members"] == 2
    errors = admin("post", f"{path}/members", {"add": ["nobody", "eve@example.org"]}).json()["errors"]
    assert (errors[0]["field"], "nobody" in errors[0]["text"]) == ("members", True)
    assert not Recipient.objects.filter(address_key="eve@example.org").exists()
    assert admin("delete", path).status_code == 204
    assert Recipient.objects.count() == 3


def test_a_file_is_looked_at_taken_and_taken_back(admin: Call) -> None:
    file = base64.b64encode(b"address,name\nann@example.org,Ann\nnobody,\n").decode()
    body = {"content_base64": file, "filename": "people.csv", "group": "Board"}
    looked = made(admin, "recipients/import", {**body, "dry_run": True})
    assert (looked["id"], looked["added"], looked["left_out"], looked["new_groups"]) == (None, 1, 1, ["Board"])
    assert (looked["bad_lines"][0]["line"], "no @" in looked["bad_lines"][0]["problem"]) == (3, True)
    assert not Recipient.objects.exists()
    taken = made(admin, "recipients/import", body)
    assert RecipientGroup.objects.get().members.get().name == "Ann"
    path = f"/api/v1/recipients/imports/{taken['id']}/undo"
    assert admin("post", path).json() == {"removed": 1, "set_back": 0}
    assert admin("post", path).status_code == 409
    refused = admin("post", "/api/v1/recipients/import", {"content_base64": base64.b64encode(b"\xff").decode()})
    assert refused.json()["errors"][0]["field"] == "content_base64"


def test_the_domains_that_mail_may_go_to_are_read_set_and_audited(admin: Call, reader: Call) -> None:
    path = "/api/v1/recipient-domains"
    assert reader("get", path).json() == {"domains": []}
    assert admin("put", path, {"domains": ["Example.org", "*.partner.example"]}).json() == {
        "domains": ["*.partner.example", "example.org"],
    }
    assert admin("put", path, {"domains": ["no domain"]}).status_code == 422
    assert AuditEntry.objects.get(action="recipient-domains.change").changes["domains"][0] == []
