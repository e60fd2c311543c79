"""`postroom dkim`: the DKIM keys of mail domains. Works beside a running instance."""

import argparse
import sys
from typing import TYPE_CHECKING

from .instance import add_data_argument, open_instance

if TYPE_CHECKING:
    from postroom.store.models import DkimKey

ACTOR = "command line"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="make a key and print the DNS record to publish")
    create.add_argument("domain", metavar="DOMAIN", help="the domain in From, such as company.example")
    create.add_argument("--algorithm", choices=("rsa", "ed25519"), default="rsa", help="default: %(default)s")
    create.add_argument("--selector", default="", help="default: one with the date in it")
    listing = actions.add_parser("list", help="list the keys with their DNS records")
    check = actions.add_parser("check", help="look at the DNS: is the record there?")
    activate = actions.add_parser("activate", help="sign with a key; the domain's former one is retired")
    activate.add_argument("--unpublished", action="store_true", help="although no look has found the record yet")
    retire = actions.add_parser("retire", help="sign with a key no longer")
    delete = actions.add_parser("delete", help="remove a key that signs no mail")
    for action in (check, activate, retire, delete):
        action.add_argument("key", metavar="KEY", help="its id, or SELECTOR._domainkey.DOMAIN")
    for action in (create, listing, check, activate, retire, delete):
        add_data_argument(action)


def run(args: argparse.Namespace) -> int:
    if not open_instance(args.data):
        return 1
    from postroom.flow.instance.refusals import NotPossible, SettingsRefused

    actions = {
        "create": _created, "list": _listed, "check": _checked, "activate": _activated, "retire": _retired,
        "delete": _deleted,
    }
    try:
        return actions[args.action](args)
    except SettingsRefused as refusal:
        print("\n".join(error.text for error in refusal.problems), file=sys.stderr)
        return 2
    except (NotPossible, LookupError) as problem:
        print(problem.args[0], file=sys.stderr)
        return 1


def _created(args: argparse.Namespace) -> int:
    from postroom.flow.domains.dkim_keys import create_key

    key = create_key(args.domain, args.algorithm, args.selector, ACTOR)
    print(f"{key.record_name}  TXT  {key.record_value}")
    print(f"Publish this record, then: postroom dkim check {key.record_name}", file=sys.stderr)
    return 0


def _listed(_: argparse.Namespace) -> int:
    from postroom.store.models import DkimKey

    for key in DkimKey.objects.all():
        published = f"published {key.published_at:%Y-%m-%d}" if key.published_at else "not seen yet"
        print(f"{key.pk}  {key.state:7}  {key.algorithm:7}  {published:20}  {key.record_name}  {key.record_value}")
    return 0


def _checked(args: argparse.Namespace) -> int:
    import asyncio

    from postroom.flow.domains.dkim_keys import note_published, own_keys
    from postroom.flow.domains.read_domain import look_at

    key = _key(args.key)
    found = asyncio.run(look_at(key.domain, "", own_keys(key.domain))).published_keys
    if found:
        note_published(key.domain, list(found))
    if key.selector in found:
        print(f"{key.record_name} is published. Sign with it: postroom dkim activate {key.record_name}")
        return 0
    print(f"The DNS does not show {key.record_name} with this key:\n{key.record_value}", file=sys.stderr)
    return 1


def _activated(args: argparse.Namespace) -> int:
    from postroom.flow.domains.dkim_keys import activate_key

    activate_key(_key(args.key), ACTOR, unpublished=args.unpublished)
    return 0


def _retired(args: argparse.Namespace) -> int:
    from postroom.flow.domains.dkim_keys import retire_key

    retire_key(_key(args.key), ACTOR)
    return 0


def _deleted(args: argparse.Namespace) -> int:
    from postroom.flow.domains.dkim_keys import delete_key

    delete_key(_key(args.key), ACTOR)
    return 0


def _key(named: str) -> "DkimKey":
    from postroom.store.models import DkimKey

    selector, _, domain = named.rstrip(".").lower().partition("._domainkey.")
    found = DkimKey.objects.filter(pk=named).first() or DkimKey.objects.filter(domain=domain, selector=selector).first()
    if found is None:
        raise LookupError("There is no such key. See: postroom dkim list")
    return found
