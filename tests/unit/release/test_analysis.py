"""Verdicts on given figures, and the statistics against published and brute-force ones."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlops.registry.releases import Ended
from mlops.release.analysis import Observation, Policy, Verdict, analyze
from mlops.release.statistics import difference_at_most, more_often, shift, slower
from tests.unit.release.fixture import INTERVAL, Fixture

POLICY = Policy()
LAST = POLICY.analyses


def observation(requests: int, errors: int = 0, seed: int = 0) -> Observation:
    generator = np.random.default_rng(seed)
    return Observation(
        requests,
        errors,
        generator.lognormal(2.0, 0.5, requests),
        generator.beta(0.8, 2.2, requests),
    )


STABLE = observation(5_400, 5, seed=1)
CANARY = observation(600, 0, seed=2)


def verdict_of(canary: Observation, stable: Observation = STABLE, number: int = LAST) -> Verdict:
    return analyze(canary, stable, POLICY, number, np.random.default_rng(3)).verdict


def test_a_good_canary_passes_at_the_last_analysis_only() -> None:
    assert verdict_of(CANARY) is Verdict.PASSED
    for number in range(1, LAST):
        assert verdict_of(CANARY, number=number) is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("criterion", "changed"),
    [
        ("errors", {"errors": 30}),
        ("latency", {"latencies": CANARY.latencies * 1.5}),
        ("predictions", {"predictions": CANARY.predictions * 0.5}),
    ],
)
def test_a_harm_fails_at_any_analysis_for_its_own_reason(
    criterion: str, changed: dict[str, Any]
) -> None:
    canary = replace(CANARY, **changed)
    for number in (1, LAST):
        verdict = analyze(canary, STABLE, POLICY, number, np.random.default_rng(3))
        assert verdict.verdict is Verdict.FAILED
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
        stable = replace(observation(POLICY.min_requests - 1), **none)
    assert verdict_of(canary, stable) is Verdict.INCONCLUSIVE


DOWN = Observation(5_400, 5_400, np.zeros(0), np.zeros(0))


def test_a_stable_version_that_fails_for_all_does_not_stand_in_the_way_of_what_mends_it() -> None:
    assert verdict_of(CANARY, DOWN) is Verdict.PASSED


@pytest.mark.parametrize(
    "canary", [replace(CANARY, errors=20), Observation(600, 600, np.zeros(0), np.zeros(0))]
)
def test_what_mends_it_not_is_not_let_through(canary: Observation) -> None:
    assert verdict_of(canary, DOWN) is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("errors", [0, POLICY.min_requests - 1])
def test_a_refusal_is_an_answer(errors: int) -> None:
    """All that asked the stable version asked for what only the canary knows."""
    assert verdict_of(CANARY, replace(DOWN, errors=errors)) is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("errors", "outcome"), [(0, Verdict.PASSED), (5, Verdict.PASSED), (60, Verdict.FAILED)]
)
def test_other_requests_fail_a_canary_and_pass_none(errors: int, outcome: Verdict) -> None:
    canary = replace(CANARY, other_requests=1_000, other_errors=errors)
    stable = replace(STABLE, other_requests=9_000, other_errors=45)
    assert verdict_of(canary, stable) is outcome
    few = replace(canary, requests=30, errors=0)
    assert verdict_of(few, stable) is not Verdict.PASSED


def test_health_checks_hide_no_failing_predictions() -> None:
    canary = replace(CANARY, errors=30, other_requests=10_000)
    stable = replace(STABLE, other_requests=90_000)
    assert verdict_of(canary, stable) is Verdict.FAILED


def test_too_few_requests_never_pass() -> None:
    few = observation(POLICY.min_requests - 1, seed=2)
    assert verdict_of(few) is Verdict.INCONCLUSIVE
    assert verdict_of(observation(POLICY.min_requests, seed=2)) is Verdict.PASSED


@pytest.mark.parametrize("analyses", [1, 5, 20, 100])
def test_predictions_that_have_moved_fail_however_many_analyses_there_are(analyses: int) -> None:
    canary = replace(CANARY, predictions=CANARY.predictions * 0.5)
    verdict = analyze(
        canary, STABLE, replace(POLICY, analyses=analyses), 1, np.random.default_rng(3)
    )
    assert verdict.verdict is Verdict.FAILED


def test_a_better_canary_passes() -> None:
    better = replace(CANARY, latencies=CANARY.latencies / 3)
    assert verdict_of(better, replace(STABLE, errors=500)) is Verdict.PASSED


def test_what_is_worse_by_nothing_worth_a_rollback_is_left_alone() -> None:
    """Sure, and tiny: 0.3 % more errors over very many requests."""
    many, more = observation(40_000, 40, seed=1), observation(40_000, 160, seed=2)
    assert verdict_of(more, many) is Verdict.PASSED


def test_the_same_seed_gives_the_same_verdict() -> None:
    first, second = (
        analyze(CANARY, STABLE, POLICY, LAST, np.random.default_rng(9)) for _ in range(2)
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


# --- refusals -----------------------------------------------------------------------------------
def refusing(it: Observation, refusals: int) -> Observation:
    """As many requests as `it`, of which so many were refused."""
    left = it.requests - refusals
    return replace(
        it,
        latencies=it.latencies[:left],
        predictions=it.predictions[:left],
        refusals=refusals,
    )


@pytest.mark.fault
@pytest.mark.parametrize("refusals", [30, 540, 600])
@pytest.mark.parametrize("number", [1, LAST])
def test_refusals_fail_at_any_analysis(refusals: int, number: int) -> None:
    verdict = analyze(refusing(CANARY, refusals), STABLE, POLICY, number, np.random.default_rng(3))
    assert verdict.verdict is Verdict.FAILED
    (reason,) = verdict.reasons
    assert reason.startswith(
        f"refusals: {refusals} of 600 requests refused, 0 of 5395 on the stable version"
    )


def test_what_both_versions_refuse_is_the_clients_fault() -> None:
    canary, stable = refusing(observation(1_000, seed=2), 300), refusing(STABLE, 1_620)
    assert verdict_of(canary, stable) is Verdict.PASSED


def test_a_canary_that_fixes_what_failed_may_refuse_more() -> None:
    canary = refusing(CANARY, 60)
    stable = replace(STABLE, errors=2_700, refusals=270)
    assert verdict_of(canary, stable) is Verdict.PASSED


def test_fewer_refusals_are_no_harm() -> None:
    assert verdict_of(CANARY, refusing(STABLE, 2_000)) is Verdict.PASSED


@pytest.mark.parametrize(("answered", "outcome"), [(299, "inconclusive"), (300, "passed")])
def test_only_what_is_answered_counts_for_the_least_number(answered: int, outcome: str) -> None:
    many = observation(3_000, seed=2)
    canary = refusing(many, 3_000 - answered)
    stable = refusing(observation(27_000, seed=1), round(27_000 * (1 - answered / 3_000)))
    assert verdict_of(canary, stable) == outcome


def test_samples_may_be_fewer_than_what_was_answered() -> None:
    few = replace(CANARY, latencies=CANARY.latencies[:200], predictions=CANARY.predictions[:200])
    assert verdict_of(few, STABLE) is Verdict.PASSED


@pytest.mark.parametrize(
    ("refusals", "outcome"), [(0, Verdict.PASSED), (12, Verdict.PASSED), (60, Verdict.FAILED)]
)
def test_a_route_that_is_gone_is_a_refusal_too(refusals: int, outcome: Verdict) -> None:
    """Who asks for what neither has is refused by both."""
    canary = replace(CANARY, other_requests=100, other_refusals=refusals)
    stable = replace(STABLE, other_requests=900, other_refusals=90)
    assert verdict_of(canary, stable) is outcome


def test_the_level_is_shared_between_all_criteria() -> None:
    verdict = analyze(CANARY, STABLE, POLICY, LAST, np.random.default_rng(3))
    assert Policy().level == Policy().false_alarms / (Policy().analyses * len(verdict.findings))


@pytest.mark.fault
def test_a_canary_that_refuses_too_much_is_rolled_back(canary: Fixture) -> None:
    at = canary.clock.time + INTERVAL / 2
    canary.serve("1", at, 1_500)
    canary.serve("2", at, 200, refused=0.9)
    canary.next_analysis()
    done = canary.run()
    assert done.outcome is Ended.ROLLED_BACK
    assert done.reasons[0].startswith("refusals: 180 of 200 requests refused, 0 of 1500")
    assert canary.live() == ("1", {}, "1")


@pytest.mark.fault
def test_a_canary_without_a_route_that_others_ask_for_is_rolled_back(canary: Fixture) -> None:
    at = canary.clock.time + INTERVAL / 2
    for version, refusals in (("1", 0), ("2", 40)):
        none = np.zeros(0)
        others = Observation(0, 0, none, none, other_requests=100, other_refusals=refusals)
        canary.serve(version, at, 300)
        canary.observations.record(version, at, others)
    canary.next_analysis()
    (reason,) = canary.run().reasons
    assert reason.startswith("other refusals: 40 of 100 requests refused, 0 of 100 on the stable")


def test_failures_are_no_answers_either() -> None:
    found = Observation(400, 50, np.zeros(350), np.zeros(350), refusals=60)
    assert found.answered == 290


def test_a_canary_that_answers_too_few_is_inconclusive(deployed: Fixture) -> None:
    state = deployed.canary()
    for number in range(3):
        at = state.began + number * INTERVAL + INTERVAL / 2
        deployed.serve("1", at, 1_500, refused=0.6)
        deployed.serve("2", at, 200, refused=0.6)
    assert "240 predictions, and 300 are needed" in deployed.run().reasons
