"""Whose outbox rests, and whose does not."""

from typing import Any

import pytest

from postroom.store import outbox


@pytest.mark.parametrize(("engine", "rests"), [((), False), (("",), True)])
def test_only_the_outbox_of_an_engine_rests_for_others(
    engine: tuple[str, ...], rests: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "is_postgresql", lambda: False)
    opened: list[dict[str, Any]] = []
    writer = outbox.GroupWriter
    monkeypatch.setattr(outbox, "GroupWriter", lambda file, **named: opened.append(named) or writer(file, **named))
    outbox.open_outbox(*engine).close()
    assert [named["rest_s"] > 0 for named in opened] == [rests]
