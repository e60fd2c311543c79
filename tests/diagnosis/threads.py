"""Failures that public issue threads settled: what a program printed, and the cause that the thread established.

`threads.jsonl` holds one a line. They were gathered before the rules were held against them; addresses and names are
exchanged for reserved ones. Every other case may be looked at while rules are written (`may_be_looked_at`); the rest
only counts, so that its share tells how the rules do on texts that nobody has seen.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postroom.diagnosis.text import finding_of_text
from postroom.terms.finding import Finding

FILE = Path(__file__).with_name("threads.jsonl")


@dataclass(frozen=True, slots=True)
class ThreadCase:
    """`source` is the thread ("owner/name#number"), `config` what it says of the settings."""

    source: str
    cause: str
    retry: str
    client: str
    config: Mapping[str, Any]
    text: str
    may_be_looked_at: bool

    def finding(self) -> Finding:
        return finding_of_text(self.text, self.config, self.client)


def thread_cases() -> tuple[ThreadCase, ...]:
    lines = FILE.read_text(encoding="utf-8").splitlines()
    return tuple(ThreadCase(**json.loads(line), may_be_looked_at=n % 2 == 0) for n, line in enumerate(lines))
