"""The order of servers: its first is the default, moves keep it whole, the sandbox has no place in it."""


import pytest

from postroom.flow.instance.refusals import NotPossible
from postroom.flow.servers import configure
from postroom.flow.servers.server_order import move_server, servers_in_order, set_default
from postroom.store.models import AuditEntry, SmtpServer
from postroom.terms.server import ServerSettings

pytestmark = pytest.mark.django_db

ACTOR = "marta@company.example"


def server(name: str, *, takes: bool = True, **columns: object) -> SmtpServer:
    settings = ServerSettings(name=name, host="smtp.company.example", from_address="a@company.example")
    return SmtpServer.objects.create(
        name=name, settings=settings.as_json(), use_unverified=takes, position=SmtpServer.objects.count(), **columns
    )


def order() -> str:
    return "".join(row.name for row in servers_in_order())


@pytest.fixture
def abc() -> dict[str, SmtpServer]:
    rows = {name: server(name) for name in "ABC"}
    set_default(rows["A"], ACTOR)
    return rows


@pytest.mark.parametrize(
    ("name", "to", "expected"), [("B", 0, "BAC"), ("A", 1, "BAC"), ("A", 9, "BCA"), ("C", -3, "CAB"), ("B", 1, "ABC")]
)
def test_a_move_puts_a_server_where_it_is_said_and_the_first_is_the_default(
    abc: dict[str, SmtpServer], name: str, to: int, expected: str
) -> None:
    before = order().index(name)
    assert move_server(abc[name], to, ACTOR) == before
    assert order() == expected
    rows = servers_in_order()
    assert [row.position for row in rows] == [0, 1, 2]
    assert [row.is_default for row in rows] == [True, False, False]


def test_making_a_server_the_default_moves_it_to_the_top_and_keeps_the_rest(abc: dict[str, SmtpServer]) -> None:
    set_default(abc["C"], ACTOR)
    assert order() == "CAB"


def test_a_move_back_undoes_a_move_and_both_are_audited(abc: dict[str, SmtpServer]) -> None:
    before = move_server(abc["C"], 0, ACTOR)
    move_server(abc["C"], before, ACTOR)
    assert order() == "ABC"
    entries = AuditEntry.objects.filter(action="server.move").order_by("id")
    assert [entry.changes for entry in entries] == [{"position": [2, 0]}, {"position": [0, 2]}]


def test_what_takes_no_deliveries_does_not_become_the_default_by_moving(abc: dict[str, SmtpServer]) -> None:
    SmtpServer.objects.filter(name="B").update(use_unverified=False)
    for name, to in (("B", 0), ("A", 1)):
        with pytest.raises(NotPossible, match="B cannot be the default"):
            move_server(abc[name], to, ACTOR)
    assert order() == "ABC"
    move_server(abc["B"], 2, ACTOR)
    assert order() == "ACB"


def test_the_sandbox_comes_last_and_is_not_moved(abc: dict[str, SmtpServer]) -> None:
    sandbox = server("S", is_sandbox=True)
    with pytest.raises(NotPossible, match="sandbox"):
        move_server(sandbox, 0, ACTOR)
    move_server(abc["A"], 99, ACTOR)
    assert order() == "BCAS"


def test_the_first_real_server_takes_the_place_of_the_sandbox() -> None:
    server("S", is_sandbox=True, is_default=True)
    real, other = server("A"), server("B", takes=False)
    assert order() == "SAB"
    with pytest.raises(NotPossible):
        move_server(other, 0, ACTOR)
    move_server(other, 1, ACTOR)
    assert order() == "SBA"
    set_default(real, ACTOR)
    assert order() == "ABS"


def test_after_the_default_is_deleted_the_next_of_the_order_is_it(abc: dict[str, SmtpServer]) -> None:
    configure.delete_server(abc["A"], ACTOR)
    assert [(row.name, row.is_default, row.position) for row in servers_in_order()] == [("B", True, 0), ("C", False, 1)]


def test_what_takes_no_deliveries_does_not_become_the_default_because_another_is_deleted() -> None:
    default, _idle = server("A", is_default=True), server("B", takes=False)
    server("S", is_sandbox=True)
    configure.delete_server(default, ACTOR)
    assert [row.is_default for row in servers_in_order()] == [False, False]


def test_a_move_of_a_server_removed_meanwhile_says_so(abc: dict[str, SmtpServer]) -> None:
    SmtpServer.objects.filter(name="C").delete()
    with pytest.raises(NotPossible, match="removed meanwhile"):
        move_server(abc["C"], 0, ACTOR)
