"""Whom recipients, groups and addresses reach."""

import pytest

from postroom.flow.instance.instance import change_site
from postroom.flow.recipients.recipients import Addressed, addressed
from postroom.store.models import GroupMember, Recipient, RecipientGroup, Subscriber

pytestmark = pytest.mark.django_db


def person(address: str, **values: object) -> Recipient:
    return Recipient.objects.create(address=address, address_key=address.lower(), **values)


def group_of(name: str, *members: Recipient) -> RecipientGroup:
    group = RecipientGroup.objects.create(name=name)
    GroupMember.objects.bulk_create(GroupMember(group=group, recipient=member) for member in members)
    return group


def test_each_address_is_there_once_in_order_with_the_groups_it_came_by() -> None:
    ben, ann = person("Ben@example.org", name="Ben"), person("ann@example.org", name="Ann", language="fr")
    north, all_ = group_of("North", ben), group_of("All", ann, ben)
    found = addressed([
        Subscriber(group=north), Subscriber(group=all_), Subscriber(recipient=ben),
        Subscriber(address="BEN@example.org"), Subscriber(address="Zoe@example.org"),
    ])
    assert [(one.address, one.group_names) for one in found] == [
        ("ann@example.org", ("All",)), ("Ben@example.org", ("All", "North")), ("Zoe@example.org", ()),
    ]
    assert [one.language for one in found] == ["fr", "en", "en"]


def test_who_is_in_to_and_in_bcc_is_in_to_and_bcc_comes_last() -> None:
    ann, ben = person("ann@example.org"), person("ben@example.org")
    found = addressed([
        Subscriber(address="ann@example.org", place="bcc"), Subscriber(recipient=ben, place="bcc"),
        Subscriber(recipient=ann), Subscriber(address="zoe@example.org"),
    ])
    assert [(one.address_key, one.place) for one in found] == [
        ("ann@example.org", "to"), ("zoe@example.org", "to"), ("ben@example.org", "bcc"),
    ]


def test_a_plain_address_of_a_recipient_has_the_recipients_name_and_values() -> None:
    person("Ann@example.org", name="Ann", values={"region": "north"}, time_zone="Europe/Oslo")
    change_site({"language": "fr", "time_zone": "Europe/Paris"}, "test")
    assert addressed([Subscriber(address="ANN@example.org")]) == [
        Addressed("Ann@example.org", "ann@example.org", "Ann", "fr", "Europe/Oslo", {"region": "north"}),
    ]


def test_a_large_group_takes_no_query_for_each_member(django_assert_max_num_queries: object) -> None:
    Recipient.objects.bulk_create(
        Recipient(address=f"p{n}@example.org", address_key=f"p{n}@example.org") for n in range(1_200)
    )
    group = group_of("Everybody", *Recipient.objects.all())
    with django_assert_max_num_queries(6):  # type: ignore[operator]
        found = addressed([Subscriber(group=group)])
    assert len(found) == 1_200
    assert [one.address_key for one in found] == sorted(one.address_key for one in found)
