"""`postroom template`: list, show, preview and import templates. Works beside a running instance."""

import argparse
import json
import sys
from typing import Any

from .instance import add_data_argument, open_instance

ACTOR = "command line"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="list the templates")
    listing.add_argument("--json", action="store_true", help="print one JSON object")
    show = actions.add_parser("show", help="print a template as JSON, which `save` reads")
    show.add_argument("name", metavar="NAME")
    save = actions.add_parser("save", help="make or change a template: JSON on standard input")
    preview = actions.add_parser("preview", help="fill a template in and print it")
    preview.add_argument("name", metavar="NAME")
    preview.add_argument("--language", default="en", metavar="LANGUAGE", help="default: %(default)s")
    preview.add_argument("--values", metavar="JSON", help="values by name (default: the sample)")
    preview.add_argument("--html", action="store_true", help="print the HTML rather than subject and text")
    use = actions.add_parser("use", help="use another version; 0 is how a built-in template came")
    use.add_argument("name", metavar="NAME")
    use.add_argument("version", metavar="VERSION", type=int)
    remove = actions.add_parser("remove", help="remove a template with all its versions")
    remove.add_argument("name", metavar="NAME")
    for action in (listing, show, save, preview, use, remove):
        add_data_argument(action)


def run(args: argparse.Namespace) -> int:
    if not open_instance(args.data):
        return 1
    from postroom.flow.instance.refusals import NotPossible, SettingsRefused
    from postroom.message.template import TemplateFault

    actions = {
        "list": _listed, "show": _shown, "save": _saved, "preview": _previewed, "use": _used, "remove": _removed
    }
    try:
        return actions[args.action](args)
    except SettingsRefused as refused:
        for problem in refused.problems:
            print(f"{problem.field}: {problem.text}", file=sys.stderr)
        return 2
    except TemplateFault as fault:
        print(fault.text, file=sys.stderr)
    except NotPossible as reason:
        print(reason, file=sys.stderr)
    except LookupError as missing:
        print(missing.args[0], file=sys.stderr)
    return 1


def _listed(args: argparse.Namespace) -> int:
    from postroom.flow.templates.template_edit import templates
    from postroom.flow.templates.templates import sources_of

    rows = templates()
    if args.json:
        listed = [{"id": row.pk, "name": row.name, "title": row.title, "version": row.version} for row in rows]
        print(json.dumps({"templates": listed}, ensure_ascii=False))
        return 0
    for row in rows:
        version = f"v{row.version}" if row.version else "as it came"
        print(f"{row.name:24}  {version:10}  {','.join(sorted(sources_of(row))):10}  {row.title}".rstrip())
    return 0


def _shown(args: argparse.Namespace) -> int:
    from postroom.flow.templates.templates import sources_of

    row = _template(args.name)
    texts = {
        language: {"subject": source.subject, "html": source.html, "text": source.text}
        for language, source in sources_of(row).items()
    }
    facts = {name: getattr(row, name) for name in ("name", "title", "description", "use", "sample")}
    print(json.dumps({**facts, "texts": texts}, ensure_ascii=False, indent=2))
    return 0


def _saved(_: argparse.Namespace) -> int:
    from postroom.flow.templates.template_edit import change_template, new_template, template_named

    given = _object(sys.stdin.read(2_000_000))
    known = {"name", "title", "description", "use", "sample", "texts"}
    if given is None or given.keys() - known or not isinstance(given.get("texts", {}), dict):
        print(f"Give one JSON object with some of: {', '.join(sorted(known))}.", file=sys.stderr)
        return 2
    texts = given.pop("texts", {})
    row = template_named(str(given.get("name", "")))
    row = new_template(given, texts, ACTOR) if row is None else change_template(row.pk, given, texts, ACTOR)
    print(f"{row.name}: version {row.version}")
    return 0


def _previewed(args: argparse.Namespace) -> int:
    from postroom.flow.instance.instance import site
    from postroom.flow.templates.template_preview import preview
    from postroom.flow.templates.templates import source_of

    row = _template(args.name)
    values = row.sample if args.values is None else _object(args.values)
    if values is None:
        print("--values takes one JSON object.", file=sys.stderr)
        return 2
    made = preview(source_of(row.name, args.language, site()), values)
    print(made.html if args.html else f"{made.rendered.subject}\n\n{made.rendered.text}")
    for note in (*(barrier.text for barrier in made.barriers), *made.notes):
        print(note, file=sys.stderr)
    return 0


def _used(args: argparse.Namespace) -> int:
    from postroom.flow.templates.template_edit import use_version

    row = _template(args.name)
    use_version(row.pk, args.version, ACTOR)
    print(f"{row.name}: version {args.version}")
    return 0


def _removed(args: argparse.Namespace) -> int:
    from postroom.flow.templates.template_edit import remove_template

    remove_template(_template(args.name).pk, ACTOR)
    return 0


def _template(name: str) -> Any:
    from postroom.flow.templates.template_edit import template_named

    row = template_named(name)
    if row is None:
        raise LookupError("There is no such template. See: postroom template list")
    return row


def _object(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
