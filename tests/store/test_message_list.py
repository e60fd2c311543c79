"""The list of messages: what a filter fits, in which order, page after page, and by which way it is found."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from tests.rig.filled import fill

from postroom.store.database import is_postgresql
from postroom.store.message_filter import ATTENTION, MessageFilter, Order, Place
from postroom.store.message_list import MessageList, causes_in_use
from postroom.store.message_search import HITS, hits_of
from postroom.store.models import Delivery, DeliveryTally, Message, QueueSample, SmtpServer

NOW = datetime(2026, 11, 22, 14, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def _filled(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:  # noqa: ARG001
    """Three hundred messages over a month, and one to a thousand; removed again for the other modules."""
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        fill(300, now=NOW)
        yield
        for model in (Message, SmtpServer, DeliveryTally, QueueSample):
            model.objects.all().delete()


@pytest.fixture(autouse=True)
def database(_filled: None, db: None) -> None:
    """Every test reads the same messages."""


def filters() -> list[MessageFilter]:
    week = NOW - timedelta(days=7)
    return [
        MessageFilter(), MessageFilter(since=week), MessageFilter(until=week), MessageFilter(purpose="alert"),
        MessageFilter(client="Payroll"), MessageFilter(cause="recipient-unknown"), MessageFilter(purpose="spam"),
        MessageFilter(purpose="report", client="Reporting server", since=week), MessageFilter(tag="weekly"),
        MessageFilter(server="relay"), MessageFilter(server="relay", purpose="report"), MessageFilter(text="finance"),
        MessageFilter(text="warehouse", purpose="report"), MessageFilter(recipient="known"),
        MessageFilter(server="relay", cause="recipient-unknown", purpose="notification"),
    ]


def settled(wanted: MessageFilter) -> MessageFilter:
    """With ids and addresses of the present database."""
    values = {name: getattr(wanted, name) for name in wanted.__dataclass_fields__}
    if wanted.server:
        values["server"] = SmtpServer.objects.get(name="Internal relay").pk
    if wanted.recipient:
        values["recipient"] = Delivery.objects.order_by("recipient")[5].recipient
    return MessageFilter(**values)


def list_of(wanted: MessageFilter) -> MessageList:
    return MessageList(wanted, hits_of(wanted.text, wanted.since, wanted.until) if wanted.text else None)


def fitting(wanted: MessageFilter, state: str = "") -> dict[str, set[str]]:
    """The slow way: each message that fits, with the states of its deliveries that fit."""
    found: dict[str, set[str]] = {}
    for delivery in Delivery.objects.select_related("message"):
        message, text = delivery.message, wanted.text.lower()
        about_message = (
            (not wanted.purpose or message.purpose == wanted.purpose)
            and (not wanted.client or message.client_name == wanted.client)
            and (not wanted.tag or wanted.tag in message.tags)
            and (wanted.since is None or message.created_at >= wanted.since)
            and (wanted.until is None or message.created_at < wanted.until)
            and (not text or text in message.subject.lower() or any(
                text in each.recipient.lower() for each in message.deliveries.all()
            ))
        )
        about_delivery = (
            (not wanted.server or delivery.server_id == wanted.server)
            and (not wanted.cause or delivery.cause == wanted.cause)
            and (not wanted.recipient or delivery.recipient == wanted.recipient)
        )
        if about_message and about_delivery:
            found.setdefault(message.pk, set()).add(delivery.state)
    return {id_: states for id_, states in found.items() if not state or state in states}


def pages_of(found: MessageList, order: Order, state: str = "", rows: int = 7) -> list[str]:
    ids: list[str] = []
    after: Place | None = None
    while True:
        page = found.page(order, rows, after, state)
        ids += page.ids
        if page.next is None:
            return ids
        after = Place.parse(str(page.next))
        assert after == page.next


@pytest.mark.parametrize("number", range(len(filters())))
def test_the_pages_have_every_message_that_fits_once_whatever_leads_the_statement(number: int) -> None:
    wanted = settled(filters()[number])
    found, expected = list_of(wanted), fitting(wanted)
    newest = sorted(expected, reverse=True)
    assert pages_of(found, Order.NEWEST) == newest
    assert sorted(pages_of(found, Order.ATTENTION), reverse=True) == newest
    assert found.count() == len(newest)
    states = ("sent", "failed", "deferred", "cancelled")
    assert found.counts(states) == {state: len(fitting(wanted, state)) for state in ("", *states)}
    for state in states:
        with_state = sorted(fitting(wanted, state), reverse=True)
        assert pages_of(found, Order.NEWEST, state) == with_state
        assert found.count(state) == len(with_state)


def test_what_needs_attention_comes_first_the_deferred_with_the_oldest() -> None:
    found = pages_of(MessageList(MessageFilter()), Order.ATTENTION)
    states = fitting(MessageFilter())
    ranks = [next((n for n, state in enumerate(ATTENTION) if state in states[id_]), len(ATTENTION)) for id_ in found]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) > 2
    for rank in set(ranks):
        part = [id_ for id_, each in zip(found, ranks, strict=True) if each == rank]
        assert part == sorted(part, reverse=ATTENTION[rank : rank + 1] != ("deferred",))


@pytest.mark.parametrize("number", range(len(filters())))
def test_no_statement_of_the_list_walks_through_a_table(number: int) -> None:
    if is_postgresql():
        pytest.skip("PostgreSQL counts rows, and walks through tables as small as these")
    wanted = settled(filters()[number])
    hits = hits_of(wanted.text, wanted.since, wanted.until) if wanted.text else None
    with CaptureQueriesContext(connection, ) as queries:
        for state in ("", "sent", "failed"):
            MessageList(wanted, hits).count(state)
            MessageList(wanted, hits).page(Order.ATTENTION, 50, None, state)
    with connection.cursor() as cursor:
        for query in queries.captured_queries:
            cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
            plan = [row[3] for row in cursor.fetchall()]
            assert not [line for line in plan if line.startswith("SCAN store_")], (query["sql"], plan)


def test_a_search_takes_an_address_an_id_a_message_id_and_a_server() -> None:
    delivery = Delivery.objects.select_related("message").order_by("pk")[10]
    message = delivery.message
    to_it = set(Delivery.objects.filter(recipient=delivery.recipient).values_list("message_id", flat=True))
    address = hits_of(delivery.recipient.upper(), None, None)
    assert set(address.ids) == to_it
    assert delivery.recipient in address.recipients
    for text in (message.pk, message.pk.lower(), delivery.pk, message.message_id, message.message_id.strip("<>")):
        assert hits_of(text, None, None).ids == [message.pk], text
    relay = SmtpServer.objects.get(name="Internal relay")
    assert set(hits_of("internal rel", None, None).ids) == set(
        Delivery.objects.filter(server=relay).values_list("message_id", flat=True)
    )


def test_a_search_finds_pieces_of_recipients_and_subjects_with_any_capitals_and_takes_no_wildcards() -> None:
    znin = set(Message.objects.filter(subject__contains="Żnin").values_list("pk", flat=True))
    assert znin
    assert set(hits_of("żnin", None, None).ids) == znin
    assert set(hits_of("DEPOT", None, None).ids) == set(
        Message.objects.filter(subject__contains="depot").values_list("pk", flat=True)
    )
    assert hits_of("%", None, None).ids == []
    assert hits_of("f_nance", None, None).ids == []


def test_a_search_stays_in_its_period_and_says_when_there_is_more(monkeypatch: pytest.MonkeyPatch) -> None:
    week = NOW - timedelta(days=7)
    recent = hits_of("example", week, None)
    assert set(recent.ids) == set(Message.objects.filter(created_at__gte=week).values_list("pk", flat=True))
    assert not recent.is_cut
    assert recent.subjects_since is None
    monkeypatch.setattr("postroom.store.message_search.HITS", 20)
    monkeypatch.setattr("postroom.store.message_search.SUBJECTS", 50)
    cut = hits_of("example", None, None)
    assert cut.is_cut
    assert len(cut.ids) == 20 < HITS
    oldest = Message.objects.order_by("-pk")[50]
    assert cut.subjects_since == oldest.created_at


def test_the_causes_in_use_are_listed_once() -> None:
    expected = sorted(set(Delivery.objects.exclude(cause="").values_list("cause", flat=True)))
    assert causes_in_use(100) == expected
    assert causes_in_use(2) == expected[:2]


@pytest.mark.parametrize("text", ["", "3", "x-01", "12-01ABC", "-01ABC", "1-" + "X" * 27, "١-01"])
def test_a_place_that_nobody_was_given_is_no_place(text: str) -> None:
    assert Place.parse(text) is None
