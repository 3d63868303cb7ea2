"""Verdicts on given figures, and the statistics against published and brute-force ones."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlops.release.judge import Observed, Outcome, Policy, judge
from mlops.release.statistics import difference_at_most, more_often, shift, slower

POLICY = Policy()
LAST = POLICY.looks


def observed(requests: int, errors: int = 0, seed: int = 0) -> Observed:
    generator = np.random.default_rng(seed)
    return Observed(
        requests,
        errors,
        generator.lognormal(2.0, 0.5, requests),
        generator.beta(0.8, 2.2, requests),
    )


STABLE = observed(5_400, 5, seed=1)
CANARY = observed(600, 0, seed=2)


def outcome_of(canary: Observed, stable: Observed = STABLE, look: int = LAST) -> Outcome:
    return judge(canary, stable, POLICY, look, np.random.default_rng(3)).outcome


def test_a_good_canary_passes_at_the_last_look_only() -> None:
    assert outcome_of(CANARY) is Outcome.PASS
    for look in range(1, LAST):
        assert outcome_of(CANARY, look=look) is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("criterion", "changed"),
    [
        ("errors", {"errors": 30}),
        ("latency", {"latencies": CANARY.latencies * 1.5}),
        ("predictions", {"predictions": CANARY.predictions * 0.5}),
    ],
)
def test_a_harm_fails_at_any_look_for_its_own_reason(
    criterion: str, changed: dict[str, Any]
) -> None:
    canary = replace(CANARY, **changed)
    for look in (1, LAST):
        verdict = judge(canary, STABLE, POLICY, look, np.random.default_rng(3))
        assert verdict.outcome is Outcome.FAIL
        (reason,) = verdict.reasons
        assert reason.startswith(f"{criterion}: ")


@pytest.mark.parametrize("missing", ["requests", "latencies", "predictions"])
@pytest.mark.parametrize("whose", ["canary", "stable"])
def test_no_data_never_passes(missing: str, whose: str) -> None:
    none = {"requests": 0, "errors": 0} if missing == "requests" else {missing: np.zeros(0)}
    canary, stable = CANARY, STABLE
    if whose == "canary":
        canary = replace(canary, **none)
    else:
        stable = replace(observed(POLICY.min_requests - 1), **none)
    assert outcome_of(canary, stable) is Outcome.INCONCLUSIVE


DOWN = Observed(5_400, 5_400, np.zeros(0), np.zeros(0))


def test_a_stable_version_that_fails_for_all_does_not_stand_in_the_way_of_what_mends_it() -> None:
    assert outcome_of(CANARY, DOWN) is Outcome.PASS


@pytest.mark.parametrize(
    "canary", [replace(CANARY, errors=20), Observed(600, 600, np.zeros(0), np.zeros(0))]
)
def test_what_mends_it_not_is_not_let_through(canary: Observed) -> None:
    assert outcome_of(canary, DOWN) is Outcome.INCONCLUSIVE


@pytest.mark.parametrize("errors", [0, POLICY.min_requests - 1])
def test_a_refusal_is_an_answer(errors: int) -> None:
    """All that asked the stable version asked for what only the canary knows."""
    assert outcome_of(CANARY, replace(DOWN, errors=errors)) is Outcome.INCONCLUSIVE


@pytest.mark.parametrize(
    ("errors", "outcome"), [(0, Outcome.PASS), (5, Outcome.PASS), (60, Outcome.FAIL)]
)
def test_other_requests_fail_a_canary_and_pass_none(errors: int, outcome: Outcome) -> None:
    canary = replace(CANARY, other_requests=1_000, other_errors=errors)
    stable = replace(STABLE, other_requests=9_000, other_errors=45)
    assert outcome_of(canary, stable) is outcome
    few = replace(canary, requests=30, errors=0)
    assert outcome_of(few, stable) is not Outcome.PASS


def test_health_checks_hide_no_failing_predictions() -> None:
    canary = replace(CANARY, errors=30, other_requests=10_000)
    stable = replace(STABLE, other_requests=90_000)
    assert outcome_of(canary, stable) is Outcome.FAIL


def test_too_few_requests_never_pass() -> None:
    few = observed(POLICY.min_requests - 1, seed=2)
    assert outcome_of(few) is Outcome.INCONCLUSIVE
    assert outcome_of(observed(POLICY.min_requests, seed=2)) is Outcome.PASS


@pytest.mark.parametrize("looks", [1, 5, 20, 100])
def test_predictions_that_have_moved_fail_however_many_looks_there_are(looks: int) -> None:
    canary = replace(CANARY, predictions=CANARY.predictions * 0.5)
    verdict = judge(canary, STABLE, replace(POLICY, looks=looks), 1, np.random.default_rng(3))
    assert verdict.outcome is Outcome.FAIL


def test_a_better_canary_passes() -> None:
    better = replace(CANARY, latencies=CANARY.latencies / 3)
    assert outcome_of(better, replace(STABLE, errors=500)) is Outcome.PASS


def test_what_is_worse_by_nothing_worth_a_rollback_is_left_alone() -> None:
    """Sure, and tiny: 0.3 % more errors over very many requests."""
    many, more = observed(40_000, 40, seed=1), observed(40_000, 160, seed=2)
    assert outcome_of(more, many) is Outcome.PASS


def test_the_same_seed_gives_the_same_verdict() -> None:
    first, second = (
        judge(CANARY, STABLE, POLICY, LAST, np.random.default_rng(9)) for _ in range(2)
    )
    assert first == second


@pytest.mark.parametrize(
    ("counts", "lower", "upper"),
    [
        # Newcombe 1998, table II, method 10: two-sided 95 %.
        ((56, 70, 48, 80), 0.0524, 0.3339),
        ((9, 10, 3, 10), 0.1705, 0.8090),
        ((5, 56, 0, 29), -0.0381, 0.1926),
        ((0, 10, 0, 20), -0.1611, 0.2775),
        ((10, 10, 0, 10), 0.6075, 1.0),
    ],
)
def test_differences_of_proportions_are_the_published_ones(
    counts: tuple[int, int, int, int], lower: float, upper: float
) -> None:
    assert difference_at_most(*counts, doubt=0.025) == pytest.approx(upper, abs=5e-5)
    hits, of, others, other_of = counts
    mirrored = -difference_at_most(others, other_of, hits, of, doubt=0.025)
    assert mirrored == pytest.approx(lower, abs=5e-5)


def test_more_often_is_fishers_lady_tasting_tea() -> None:
    """All four cups right: one way in seventy; three of them: 17 in seventy."""
    assert more_often(4, 4, 0, 4) == pytest.approx(1 / 70)
    assert more_often(3, 4, 1, 4) == pytest.approx(17 / 70)
    assert more_often(0, 600, 0, 5_400) == pytest.approx(1)


def test_slower_is_about_a_factor() -> None:
    generator = np.random.default_rng(4)
    base, other = generator.lognormal(2, 0.3, (2, 400))
    above, below = slower(base * 1.5, other, factor=1.5)
    assert above > 0.05
    assert below > 0.05
    assert slower(base * 1.5, other, factor=1.1)[0] < 1e-6
    assert slower(base * 1.5, other, factor=2.0)[1] < 1e-6


def test_a_shift_is_held_against_chance() -> None:
    generator = np.random.default_rng(5)
    values, other = generator.random(300), generator.random(3_000)
    same = shift(values, other, bins=10, draws=2_000, generator=generator)
    assert 0.02 < same.by_chance < 0.1, "no two samples are alike"
    assert same.p_value > 0.01
    moved = shift(values / 2, other, bins=10, draws=2_000, generator=generator)
    assert moved.distance == pytest.approx(0.5, abs=0.05)
    assert moved.p_value == pytest.approx(1 / 2_001)


def test_p_values_of_shifts_are_uniform_where_there_is_none() -> None:
    generator = np.random.default_rng(6)
    found = [
        shift(
            generator.random(100), generator.random(900), bins=10, draws=200, generator=generator
        ).p_value
        for _ in range(400)
    ]
    for level in (0.05, 0.25, 0.5):
        assert np.mean(np.array(found) <= level) == pytest.approx(level, abs=0.07)
