"""Where a rollback goes, after whatever has happened: histories, step by step."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from mlops.inference.version import ModelVersion
from tests.unit.release.bench import ANN, V2, Bench, refusal

Step = Callable[[Bench], object]
V3 = V2.next_minor()


def released(model: ModelVersion | None = None) -> Step:
    """A release of both functions; of another model, or of other code alone."""

    def step(bench: Bench) -> None:
        number = len(bench.registry.releases())
        pin = bench.pins[V2] if model is None else bench.register(model)
        bench.deploy(pin, code=f"sha256:{number}")
        bench.released(f"release-{number}", retry=True)

    return step


def batch_released(bench: Bench) -> None:
    number = len(bench.registry.releases())
    bench.batch.deploy(settings=f"setting {number}")
    bench.released_at_once(f"release-{number}")


def back(to: str | None = None) -> Step:
    def step(bench: Bench) -> None:
        bench.wait(timedelta(minutes=3))
        bench.rollback.roll_back(to, ANN)

    return step


def by_hand(number: str, *functions: str) -> Step:
    """Somebody moves the aliases, past all releases."""

    def step(bench: Bench) -> None:
        for name in functions or ("api", "batch"):
            function = {"api": bench.api, "batch": bench.batch}[name]
            function.move(number, {}, function.traffic().revision)

    return step


@pytest.mark.parametrize(
    ("steps", "live"),
    [
        ([released()], ("1", "1")),
        ([released(), released()], ("2", "2")),
        ([released(), released(), back()], ("1", "1")),
        ([released(), released(), by_hand("2")], ("1", "1")),
        # What people left by hand is no way back, either.
        ([released(), released(), by_hand("2"), released()], ("2", "2")),
        ([released(), released(), by_hand("2", "api"), released()], ("2", "2")),
        ([released(), by_hand("1"), released()], ("1", "1")),
        ([released(), batch_released, by_hand("2", "batch"), batch_released], ("2", "2")),
        # Nor is what they left for a version that they named.
        ([released(), released(), back(), released(), back("3")], ("2", "2")),
        ([released(), back(), released(), back("2")], ("1", "1")),
        ([released(), released(), back("1"), released()], ("1", "1")),
        # Batch alone.
        ([released(), batch_released], ("2", "2")),
        ([released(), batch_released, back()], ("1", "1")),
        ([released(), batch_released, released()], ("2", "3")),
    ],
)
def test_the_next_step_back(steps: list[Step], live: tuple[str, str]) -> None:
    bench = Bench()
    for step in steps:
        step(bench)
    back()(bench)
    version, weights, batch = bench.live()
    assert (version, weights, batch) == (live[0], {}, live[1])


@pytest.mark.parametrize(
    "steps", [[released(), back()], [released(), back(), back("2")], [released(), by_hand("1")]]
)
def test_there_is_no_further_step(steps: list[Step]) -> None:
    bench = Bench()
    for step in steps:
        step(bench)
    bench.wait(timedelta(minutes=3))
    assert "no version that was live before version" in refusal(bench)


@pytest.mark.parametrize(
    ("steps", "to"),
    [
        ([released(), batch_released], "2"),
        ([released(), batch_released, back()], "2"),
        ([released(), released()], "3"),
        ([released(), released()], str(V2)),
        ([released(), back("1")], "1"),
    ],
)
def test_what_is_live_already_is_no_target(steps: list[Step], to: str) -> None:
    bench = Bench()
    for step in steps:
        step(bench)
    assert "is live already" in refusal(bench, to)


def test_what_a_release_replaced_is_a_target_though_it_came_by_hand() -> None:
    """Also for who goes back at the very moment of a promotion."""
    bench = Bench()
    released()(bench)
    bench.api.deploy(settings="by hand")
    number = bench.api.publish().number
    by_hand(number, "api")(bench)
    before = bench.live()
    released()(bench)
    assert bench.rollback.roll_back(number, ANN).version == number
    assert (bench.live(), bench.lock.read().holder) == (before, None)


def test_of_versions_with_one_model_it_takes_the_one_that_people_did_not_go_back_from() -> None:
    bench = Bench()
    for step in (released(), released(), back(), released(V3)):
        step(bench)
    assert bench.rollback.roll_back(str(V2), ANN).version == "2"
