"""B14: nothing grows under steady load. `make soak` runs the same for half an hour, with bounds as tight."""

import pytest
from bench.soak import WARMING, Samples, an_hour, growths, soaked

pytestmark = pytest.mark.crash
SECONDS = 40.0
RATE = 150.0
# A leak of a kilobyte for each message would be more than this in the time that counts.
MOST_MIB = 4.0
MOST_DESCRIPTORS = 4.0


def test_b14_forty_seconds_of_steady_load_leave_memory_and_descriptors_as_they_were() -> None:
    result = soaked(SECONDS, per_second=RATE)
    print(result)
    assert result.accepted > SECONDS * RATE * 0.8
    assert result.delivered == result.accepted
    assert {growth.role for growth in result.growths} == {"engine", "sandbox", "submission", "web"}
    hours = SECONDS * (1 - WARMING) / 3_600
    for growth in result.growths:
        assert growth.rss_an_hour * hours < MOST_MIB, growth
        assert growth.descriptors_an_hour * hours < MOST_DESCRIPTORS, growth


def test_a_leak_is_told_from_noise_and_from_the_warming_up() -> None:
    at_s = [float(second) for second in range(600)]
    steady = [60.0 + (second % 7) * 0.1 + (30.0 if second % 97 == 0 else 0.0) for second in range(600)]
    leaking = [60.0 + second / 100 for second in range(600)]
    warming = [min(60.0, float(second)) for second in range(600)]
    assert abs(an_hour(at_s, steady)) < 1.0
    assert an_hour(at_s, leaking) == pytest.approx(36.0)
    found = growths(
        {"leaking": Samples(at_s, leaking, steady), "warming": Samples(at_s, warming, leaking)}, at_s[120]
    )
    assert [round(growth.rss_an_hour) for growth in found] == [36, 0]
    assert [round(growth.descriptors_an_hour) for growth in found] == [0, 36]
