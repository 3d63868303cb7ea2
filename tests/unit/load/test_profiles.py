"""When requests are due."""

import pytest

from load.profiles import PROFILES, Profile, Stage


def test_a_stage_follows_the_other_evenly() -> None:
    spike = Profile((Stage(2, 1), Stage(1, 4), Stage(1, 2)), p95_ms=1)
    assert list(spike.due()) == [0, 1, 2, 2.25, 2.5, 2.75, 3, 3.5]


@pytest.mark.parametrize("target", PROFILES)
@pytest.mark.parametrize("name", ["steady", "spike", "soak"])
def test_what_is_due_is_what_is_planned(target: str, name: str) -> None:
    profile = PROFILES[target][name]
    due = list(profile.due())
    assert len(due) == profile.planned
    assert due == sorted(due)
    assert due[-1] < profile.seconds


@pytest.mark.parametrize("target", PROFILES)
def test_a_soak_takes_ten_minutes(target: str) -> None:
    assert PROFILES[target]["soak"].seconds == 600
    assert [name for name, profile in PROFILES[target].items() if profile.is_soak] == ["soak"]
