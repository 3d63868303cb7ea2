"""Twenty thousand races of releases, two rollbacks, aborts, promotions by hand and crashes.

The actors of a race take turns at every call of an alias, the registry and Step Functions.
"""

from collections import Counter

import pytest

from tests.unit.release.races import check, play
from tests.unit.release.test_races import RACES as PLAYED_BY_UNIT_TESTS

RACES = 20_000
PARTS = 10
RARE = {"second rollback", "crashes", "lost answers", "stale reads", "dead function"}


@pytest.mark.fault
@pytest.mark.timeout(600)
@pytest.mark.parametrize("part", range(PARTS))
def test_in_every_race_one_version_has_all_traffic_and_rollbacks_win(part: int) -> None:
    total, wrong = Counter[str](), []
    for seed in range(PLAYED_BY_UNIT_TESTS + part, PLAYED_BY_UNIT_TESTS + RACES, PARTS):
        race, took_part = play(seed)
        total += took_part
        try:
            check(race, took_part)
        except AssertionError as error:
            wrong.append(f"seed {seed}, with {sorted(took_part)}: {error}")
    assert wrong == []
    assert total["release"] == RACES // PARTS
    assert all(total[name] > 1_000 // PARTS for name in RARE), total
