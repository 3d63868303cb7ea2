"""Twenty thousand races of releases, two rollbacks, aborts, promotions by hand and crashes.

They are played at every call of an alias, the registry and Step Functions, in both processors.
"""

import multiprocessing
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

import pytest

from tests.unit.release.races import check, play

FIRST, RACES = 2_000, 20_000  # the unit tests play those before
PARTS = 18


def play_part(part: int) -> tuple[Counter[str], list[str]]:
    """How often what took part, and what went wrong."""
    total, wrong = Counter[str](), []
    for seed in range(FIRST + part, RACES + FIRST, PARTS):
        race, took_part = play(seed)
        total += took_part
        try:
            check(race, took_part)
        except AssertionError as error:
            wrong.append(f"seed {seed}, with {sorted(took_part)}: {error}")
    return total, wrong


@pytest.mark.fault
@pytest.mark.timeout(600)
def test_in_every_race_one_version_has_all_traffic_and_rollbacks_win() -> None:
    # A new process each: one that is forked from here would inherit threads.
    processes = ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn"))
    with processes as pool:
        parts = list(pool.map(play_part, range(PARTS)))
    wrong = [words for _, part in parts for words in part]
    assert wrong == []
    total = sum((counts for counts, _ in parts), Counter[str]())
    assert total["release"] == RACES
    least = {"second rollback", "crashes", "lost answers", "stale reads", "dead function"}
    assert all(total[name] > 1_000 for name in least), total
