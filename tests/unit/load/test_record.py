"""What a run of load has measured, and the thresholds that make it fail."""

import errno
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from load.profiles import PROFILES, Profile, Stage
from load.record import Answer, Measured, Memory, Record, broken, percentile, read, record

SHORT = Profile((Stage(4, 25),), p95_ms=20, slot=2)
SOAK = Profile((Stage(600, 1),), p95_ms=20, slot=5)
GOOD = [Answer(number / 25, 10.0) for number in range(100)]
MEGABYTE = 1_000_000


def measured(
    answers: Sequence[Answer] = GOOD, readings: Sequence[Memory] = (), profile: Profile = SHORT
) -> Record:
    return record(
        *("server", "steady", profile, Measured(list(answers), list(readings))),
        date="2026-11-24",
        commit="c0ffee123456",
        machine="2 virtual cores",
    )


def full(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let writes fail as on a full disk."""

    def fsync(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)


def memory(*, at_first: int, in_the_end: int) -> list[Memory]:
    return [
        Memory(second, (at_first if second < 60 else in_the_end) * MEGABYTE)
        for second in range(0, 601, 5)
    ]


def soaked(**sizes: int) -> Record:
    return measured([Answer(float(second), 10.0) for second in range(600)], memory(**sizes), SOAK)


def test_a_run_that_keeps_to_its_profile_has_no_problem() -> None:
    assert broken(measured(), SHORT) == []


def test_one_error_is_one_too_many() -> None:
    answers = [*GOOD[:-1], Answer(3.9, 10.0, "status 503")]
    assert broken(measured(answers), SHORT) == ["1 × status 503"]


def test_slow_answers_are_a_problem() -> None:
    answers = [replace(answer, milliseconds=20.5) for answer in GOOD[:6]] + GOOD[6:]
    assert broken(measured(answers), SHORT) == ["p95 is 20.5 ms, more than 20 ms"]
    assert broken(measured(GOOD[:1] + answers[1:]), SHORT) == []


def test_who_cannot_be_asked_as_planned_is_too_slow() -> None:
    assert broken(measured(GOOD[:99]), SHORT) == []
    assert broken(measured(GOOD[:98]), SHORT) == ["98 of 100 requests could be made"]


def test_a_target_that_never_answered_kept_nothing() -> None:
    assert broken(measured([]), SHORT) == ["0 of 100 requests could be made"]


def test_memory_may_grow_by_less() -> None:
    outcome = soaked(at_first=100, in_the_end=104)
    assert outcome.growth() == pytest.approx(0.04)
    assert broken(outcome, SOAK) == []


def test_memory_that_grows_is_a_problem() -> None:
    """Also at once, as here: what a process needs for what it does, it has when it starts."""
    outcome = soaked(at_first=100, in_the_end=105)
    assert broken(outcome, SOAK) == ["resident memory grew by 5.0%, not less than 5%"]


def test_a_soak_without_its_memory_is_a_problem() -> None:
    outcome = replace(soaked(at_first=100, in_the_end=100), memory=())
    assert broken(outcome, SOAK) == ["resident memory could not be read until the end"]


def test_slots_hold_what_was_asked_in_them() -> None:
    outcome = measured([*GOOD[:-1], Answer(3.9, 30.0, "status 503")])
    assert [(slot.second, slot.requests, slot.errors) for slot in outcome.slots] == [
        (0, 50, 0),
        (2, 50, 1),
    ]
    assert [slot.p99 for slot in outcome.slots] == [10.0, 30.0]


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(number) for number in range(200, 0, -1)]
    assert [percentile(values, percent) for percent in (50, 95, 99, 100)] == [100, 190, 198, 200]
    assert percentile([], 95) == 0


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    outcome = soaked(at_first=100, in_the_end=101)
    outcome.write(tmp_path / "results/run.json")
    assert read(tmp_path / "results/run.json") == outcome


def test_a_result_that_cannot_be_written_leaves_the_previous_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "run.json"
    measured().write(file)
    full(monkeypatch)
    with pytest.raises(OSError, match="No space left"):
        measured(GOOD[:9]).write(file)
    assert read(file) == measured()
    assert [*tmp_path.iterdir()] == [file]


def test_each_profile_of_one_target_is_one_of_the_other() -> None:
    server, container = PROFILES.values()
    assert [*server] == [*container]
