"""What every real mail server of the rig has in common."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from .programs import free_port

SIZE_LIMIT_BYTES = 20_971_520


@dataclass(frozen=True, slots=True)
class Listeners:
    """`ports` maps (security, needs AUTH) to the port where mail is taken that way; each caught message is a file in
    `mail`."""

    ports: dict[tuple[str, bool], int]
    mail: Path
    log: Path


def free_ports(*ways: tuple[str, bool]) -> dict[tuple[str, bool], int]:
    """A port for each way of taking mail."""
    return {way: free_port() for way in ways}


def ports_of(ports: dict[tuple[str, bool], int], wanted: Iterable[tuple[str, bool]]) -> list[int]:
    """The ports of the wanted ways."""
    return [ports[way] for way in wanted]
