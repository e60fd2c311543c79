"""`python -m bench`: run all parts or some, print what each measured, and write a report."""

import argparse
import importlib
import signal
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from .figures import Part
from .plan import Plan
from .report import page, summary

PARTS = {
    "a": "relay", "b": "batch", "c": "single", "c2": "drain", "d": "round_trips",
    "e": "attachments", "f": "depth",
}
# Those in which the database matters.
STORED = ("a", "b", "c", "c2", "f")
# Only when asked for: it measures nothing that could be a goal.
EXTRA = {"profile": "profile"}
ROOT = Path(__file__).parent


def main() -> int:
    args = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # in good order: what was started is ended
    plan = Plan(args.rounds, args.share, args.cpu_only, args.postgresql, not args.without_submission)
    names = args.part.split(",") if args.part else list(PARTS)
    parts = [_measured(name, plan) for name in names]
    if args.with_postgresql:
        parts += [_on_postgresql(_measured(name, replace(plan, postgresql=True))) for name in names if name in STORED]
    print("\nSummary", *summary(parts), sep="\n  ")
    if args.write:
        today = datetime.now(UTC).date()
        path = ROOT / "results" / f"{today.isoformat()}.md"
        path.parent.mkdir(exist_ok=True)
        path.write_text(page(parts, plan, today))
        print(f"\nWritten: bench/results/{path.name}")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--part", default="", help=f"comma-separated, of {', '.join((*PARTS, *EXTRA))} (default: all)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured (default: %(default)s)")
    parser.add_argument("--share", type=float, default=1.0, help="share of the messages to send (default: all)")
    parser.add_argument("--cpu-only", action="store_true", help="leave peers out; processor time of Postroom alone")
    parser.add_argument("--postgresql", action="store_true", help="keep Postroom's queue in PostgreSQL, not in SQLite")
    parser.add_argument("--with-postgresql", action="store_true", help="measure every part on PostgreSQL, too")
    parser.add_argument("--without-submission", action="store_true", help="profile: leave the SMTP door closed")
    parser.add_argument("--write", action="store_true", help="write bench/results/DATE.md")
    return parser.parse_args()


def _measured(name: str, plan: Plan) -> Part:
    part: Part = importlib.import_module(f".parts.{(PARTS | EXTRA)[name]}", __package__).run(plan)
    print("\n".join(part.lines()), flush=True)
    return part


def _on_postgresql(part: Part) -> Part:
    """Beside SQLite's: the figures count, the goals are SQLite's."""
    part.letter += ", PostgreSQL"
    part.title += ", the queue in PostgreSQL"
    part.goals = [goal for goal in part.goals if goal.reached.values]
    return part


if __name__ == "__main__":
    sys.exit(main())
