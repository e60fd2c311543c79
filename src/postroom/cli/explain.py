"""`postroom explain`: an error text, a bounce or a log line on standard input, explained."""

import argparse
import json
import sys
from typing import Any

from postroom.diagnosis.text import finding_of_text
from postroom.terms.finding import Finding

from .finding_text import finding_text

# A text beyond this is cut; what decides stands near the beginning.
INPUT_BYTES = 1_048_576


def add_arguments(parser: argparse.ArgumentParser) -> None:
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print the finding as JSON")
    form.add_argument("--jsonl", action="store_true", help="read one JSON object a line, print one a line")
    parser.add_argument("--language", choices=("en", "fr"), default="en", help="default: %(default)s")


def run(args: argparse.Namespace) -> int:
    """0 always: explaining a failure is not one; 2 when a line of --jsonl is no such object."""
    if args.jsonl:
        return _explain_lines(args.language)
    text = sys.stdin.buffer.read(INPUT_BYTES).decode("utf-8", "replace")
    finding = finding_of_text(text, language=args.language)
    print(json.dumps(finding.as_json(), ensure_ascii=False) if args.json else finding_text(finding, args.language))
    return 0


def _explain_lines(language: str) -> int:
    for number, line in enumerate(sys.stdin.buffer, 1):
        if not line.strip():
            continue
        try:
            asked = json.loads(line)
        except ValueError:
            asked = None
        if not isinstance(asked, dict) or "id" not in asked or not isinstance(asked.get("error_text"), str):
            print(f"line {number}: not a JSON object with id and error_text", file=sys.stderr)
            return 2
        print(json.dumps(_answer(asked, language), ensure_ascii=False), flush=True)
    return 0


def _answer(asked: dict[str, Any], language: str) -> dict[str, Any]:
    config, client = asked.get("config"), asked.get("client")
    finding = finding_of_text(
        asked["error_text"],
        config if isinstance(config, dict) else None,
        client if isinstance(client, str) else None,
        language,
    )
    text = finding_text(_without_evidence(finding), language)
    return {"id": asked["id"], "cause": finding.cause, "text": text, "retry": str(finding.retry)}


def _without_evidence(finding: Finding) -> Finding:
    """The asker has the text already."""
    from dataclasses import replace

    return replace(finding, evidence=())
