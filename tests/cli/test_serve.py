"""What a process that serves asks of the system before it does."""

import resource

import pytest

from postroom.cli import serve

INFINITE = resource.RLIM_INFINITY


@pytest.mark.parametrize(("limits", "raised"), [
    ((1_024, 4_096), (4_096, 4_096)), ((1_024, 1_048_576), (65_536, 1_048_576)), ((256, INFINITE), (65_536, INFINITE)),
    ((4_096, 4_096), (4_096, 4_096)), ((100_000, 1_048_576), (100_000, 1_048_576)),
])
def test_b15_doors_get_the_descriptors_that_may_be_had_and_no_endless_number(
    monkeypatch: pytest.MonkeyPatch, limits: tuple[int, int], raised: tuple[int, int]
) -> None:
    now = limits

    def limited(_: int, wanted: tuple[int, int]) -> None:
        nonlocal now
        if wanted[0] == INFINITE:
            raise ValueError("current limit exceeds maximum limit")  # as macOS says
        now = wanted

    monkeypatch.setattr(resource, "getrlimit", lambda _: now)
    monkeypatch.setattr(resource, "setrlimit", limited)
    serve._raise_descriptors()
    assert now == raised
