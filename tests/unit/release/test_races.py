"""Two thousand races of releases, rollbacks and crashes; `make test` plays all twenty thousand."""

import pytest

from tests.unit.release.races import check, play

RACES = 2_000
PARTS = 4


@pytest.mark.fault
@pytest.mark.parametrize("part", range(PARTS))
def test_in_every_race_one_version_has_all_traffic_and_rollbacks_win(part: int) -> None:
    for seed in range(part, RACES, PARTS):
        race, took_part = play(seed)
        try:
            check(race, took_part)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}, with {sorted(took_part)}: {error}") from error
