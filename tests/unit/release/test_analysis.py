"""Verdicts on given figures, and the statistics against published and brute-force ones."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy
from numpy.typing import NDArray

from mlops.inference.version import ModelVersion, Pin
from mlops.registry.releases import Ended
from mlops.release.analysis import (
    Analysis,
    Counts,
    Observation,
    Policy,
    Requests,
    Verdict,
    analyze,
    latency_bin,
)
from mlops.release.canary_analysis import changed_models
from mlops.release.ports import FunctionVersion
from mlops.release.statistics import (
    Grouped,
    difference_at_most,
    more_often,
    moved_by_chance,
    shift,
    slower,
)
from tests.unit.release.fixture import INTERVAL, Fixture

POLICY = Policy()
LAST = POLICY.analyses
BINS = 10
CHURN = {"churn": BINS}


def asked_for(requests: int, errors: int = 0, seed: int = 0) -> Requests:
    """Return requests for a model that were answered in about 7 ms; its bins are equally full."""
    generator = np.random.default_rng(seed)
    return Requests(
        requests,
        errors,
        latencies=latencies_of(generator.lognormal(2.0, 0.5, requests)),
        predictions=dict(enumerate(generator.multinomial(requests, [1 / BINS] * BINS).tolist())),
    )


def latencies_of(values: NDArray[np.float64]) -> Counts:
    return Counter(map(latency_bin, values.tolist()))


def later(latencies: Counts, factor: float) -> Counts:
    moved = latency_bin(factor)
    return {place + moved: count for place, count in latencies.items()}


def lower(predictions: Counts) -> Counts:
    """Let all predictions of the upper half lie in the lowest bin."""
    return {0: sum(predictions.values()) - sum(map(predictions.__getitem__, range(1, 5)))} | {
        place: predictions[place] for place in range(1, 5)
    }


STABLE = asked_for(5_400, 5, seed=1)
CANARY = asked_for(600, 0, seed=2)


def analysis_of(
    canary: Observation,
    stable: Observation,
    changed: Mapping[str, int] = CHURN,
    number: int = LAST,
    policy: Policy = POLICY,
) -> Analysis:
    return analyze(canary, stable, changed, policy, number, np.random.default_rng(3))


def verdict_of(
    canary: Requests,
    stable: Requests = STABLE,
    number: int = LAST,
    *,
    others: tuple[Requests, Requests] = (Requests(), Requests()),
    crashes: tuple[int, int] = (0, 0),
) -> Verdict:
    """Return the verdict on a release of one model. others, crashes: of canary and stable."""
    return analysis_of(
        Observation({"churn": canary}, others[0], crashes[0]),
        Observation({"churn": stable}, others[1], crashes[1]),
        number=number,
    ).verdict


def test_a_good_canary_passes_at_the_last_analysis_only() -> None:
    assert verdict_of(CANARY) is Verdict.PASSED
    for number in range(1, LAST):
        assert verdict_of(CANARY, number=number) is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("criterion", "changed"),
    [
        ("errors of churn", {"errors": 30}),
        ("refusals of churn", {"refusals": 30}),
        ("latency of churn", {"latencies": later(CANARY.latencies, 1.5)}),
        ("predictions of churn", {"predictions": lower(CANARY.predictions)}),
    ],
)
def test_a_harm_fails_at_any_analysis_for_its_own_reason(
    criterion: str, changed: dict[str, Any]
) -> None:
    canary = Observation({"churn": replace(CANARY, **changed)})
    for number in (1, LAST):
        found = analysis_of(canary, Observation({"churn": STABLE}), number=number)
        assert found.verdict is Verdict.FAILED
        (reason,) = found.reasons
        assert reason.startswith(f"{criterion}: ")


@pytest.mark.parametrize("missing", ["requests", "latencies", "predictions"])
@pytest.mark.parametrize("whose", ["canary", "stable"])
def test_no_data_never_passes(missing: str, whose: str) -> None:
    none: dict[str, Any] = {missing: {}}
    if missing == "requests":
        none = {"requests": 0, "errors": 0}
    canary, stable = CANARY, STABLE
    if whose == "canary":
        canary = replace(canary, **none)
    else:
        stable = replace(asked_for(POLICY.min_requests - 1), **none)
    assert verdict_of(canary, stable) is Verdict.INCONCLUSIVE


def test_without_a_reference_profile_predictions_are_never_compared() -> None:
    canary, stable = Observation({"churn": CANARY}), Observation({"churn": STABLE})
    found = analysis_of(canary, stable, {"churn": 0})
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.reasons == (
        "predictions of churn: the stable version has no reference profile to count them by",
    )


DOWN = Requests(5_400, 5_400)


def test_a_stable_version_that_fails_for_all_does_not_stand_in_the_way_of_its_fix() -> None:
    assert verdict_of(CANARY, DOWN) is Verdict.PASSED


@pytest.mark.parametrize("canary", [replace(CANARY, errors=20), Requests(600, 600)])
def test_a_canary_that_does_not_fix_it_is_not_let_through(canary: Requests) -> None:
    assert verdict_of(canary, DOWN) is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("errors", [0, POLICY.min_requests - 1])
def test_a_refusal_is_an_answer(errors: int) -> None:
    """All that asked the stable version asked for what only the canary knows."""
    refusing = replace(DOWN, errors=errors, refusals=DOWN.requests - errors)
    assert verdict_of(CANARY, refusing) is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("errors", "outcome"), [(0, Verdict.PASSED), (5, Verdict.PASSED), (60, Verdict.FAILED)]
)
def test_other_requests_fail_a_canary_and_pass_none(errors: int, outcome: Verdict) -> None:
    others = Requests(1_000, errors), Requests(9_000, 45)
    assert verdict_of(CANARY, others=others) is outcome
    few = replace(CANARY, requests=30)
    assert verdict_of(few, others=others) is not Verdict.PASSED


def test_health_checks_hide_no_failing_predictions() -> None:
    others = Requests(10_000), Requests(90_000)
    assert verdict_of(replace(CANARY, errors=30), others=others) is Verdict.FAILED


def test_too_few_requests_never_pass() -> None:
    few = asked_for(POLICY.min_requests - 1, seed=2)
    assert verdict_of(few) is Verdict.INCONCLUSIVE
    assert verdict_of(asked_for(POLICY.min_requests, seed=2)) is Verdict.PASSED


@pytest.mark.parametrize("analyses", [1, 5, 20, 100])
def test_predictions_that_have_moved_fail_however_many_analyses_there_are(analyses: int) -> None:
    canary = Observation({"churn": replace(CANARY, predictions=lower(CANARY.predictions))})
    stable, policy = Observation({"churn": STABLE}), replace(POLICY, analyses=analyses)
    assert analysis_of(canary, stable, number=1, policy=policy).verdict is Verdict.FAILED


def test_predictions_that_have_moved_a_little_are_inconclusive_where_they_are_few() -> None:
    few = Requests(40, latencies={0: 40}, predictions={0: 24, 1: 16})
    others = Requests(160, latencies={0: 160}, predictions={0: 130, 1: 30})
    found = analysis_of(Observation({"churn": few}), Observation({"churn": others}), {"churn": 2})
    (moved,) = [it for it in found.findings if it.criterion == "predictions of churn"]
    assert moved.verdict is Verdict.INCONCLUSIVE
    assert "; p = 0.0" in moved.reason


def test_a_better_canary_passes() -> None:
    better = replace(CANARY, latencies=later(CANARY.latencies, 1 / 3))
    assert verdict_of(better, replace(STABLE, errors=500)) is Verdict.PASSED


def test_what_is_worse_by_nothing_worth_a_rollback_is_left_alone() -> None:
    """Sure, and tiny: 0.3 % more errors over very many requests."""
    many, more = asked_for(40_000, 40, seed=1), asked_for(40_000, 160, seed=2)
    assert verdict_of(more, many) is Verdict.PASSED


def test_the_same_seed_gives_the_same_verdict() -> None:
    canary, stable = Observation({"churn": CANARY}), Observation({"churn": STABLE})
    assert analysis_of(canary, stable) == analysis_of(canary, stable)


# --- several models -----------------------------------------------------------------------------
RARE = asked_for(150, seed=4), asked_for(1_350, seed=5)


def both(canary: Requests, *, stable: Requests = RARE[1]) -> tuple[Observation, Observation]:
    """Return a canary and a stable version with churn as it was, and a rare model."""
    return (
        Observation({"churn": CANARY, "loans": canary}),
        Observation({"churn": STABLE, "loans": stable}),
    )


@pytest.mark.parametrize(
    ("criterion", "changed"),
    [
        ("errors", {"errors": 30}),
        ("refusals", {"refusals": 30}),
        ("latency", {"latencies": later(RARE[0].latencies, 2)}),
        ("predictions", {"predictions": lower(RARE[0].predictions)}),
    ],
)
def test_a_bad_model_cannot_hide_behind_another_one(
    criterion: str, changed: dict[str, Any]
) -> None:
    versions = both(replace(RARE[0], **changed))
    for models in ({"loans": BINS}, {"churn": BINS, "loans": BINS}):
        found = analysis_of(*versions, models)
        assert found.verdict is Verdict.FAILED
        assert [reason.partition(":")[0] for reason in found.reasons] == [f"{criterion} of loans"]


def test_two_good_models_pass() -> None:
    assert analysis_of(*both(RARE[0]), {"churn": BINS, "loans": BINS}).verdict is Verdict.PASSED


def test_each_changed_model_needs_its_own_answers() -> None:
    found = analysis_of(*both(asked_for(149, seed=4)), {"churn": BINS, "loans": BINS})
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.reasons == ("requests for loans: 149 answered predictions, and 150 are needed",)


def test_a_model_that_does_not_change_needs_no_answers() -> None:
    assert analysis_of(*both(asked_for(3, seed=4)), CHURN).verdict is Verdict.PASSED


def test_a_model_that_does_not_change_may_be_harmed_all_the_same() -> None:
    versions = both(replace(RARE[0], errors=30))
    found = analysis_of(*versions, CHURN)
    assert found.verdict is Verdict.FAILED
    assert found.reasons[0].startswith("errors of other models: 30 of 150 requests failed")


def test_bins_of_any_model_are_its_own() -> None:
    """Two classes, and a number with many bins."""
    classes = replace(RARE[0], predictions={0: 100, 1: 50})
    stable = replace(RARE[1], predictions={0: 900, 1: 450})
    models = {"churn": BINS, "loans": 2}
    assert analysis_of(*both(classes, stable=stable), models).verdict is Verdict.PASSED
    turned = replace(classes, predictions={0: 50, 1: 100})
    found = analysis_of(*both(turned, stable=stable), models)
    assert found.reasons[0].startswith("predictions of loans: 33.3% of them lie in other bins")


def test_where_nothing_can_be_compared_the_canary_needs_answers_of_any_model() -> None:
    """A model that is only in the canary changes none of the others."""
    versions = both(RARE[0])
    assert analysis_of(*versions, {}).verdict is Verdict.PASSED
    few = Observation({"churn": asked_for(100, seed=2)}), versions[1]
    found = analysis_of(*few, {})
    assert "requests for all models: 100 answered predictions, and 150 are needed" in found.reasons


@pytest.mark.parametrize(
    ("crashes", "outcome"), [((0, 0), "passed"), ((1, 9), "passed"), ((30, 9), "failed")]
)
def test_a_crash_is_an_error_of_each_model(crashes: tuple[int, int], outcome: str) -> None:
    canary, stable = (
        replace(it, crashes=count) for it, count in zip(both(RARE[0]), crashes, strict=True)
    )
    found = analysis_of(canary, stable, {"churn": BINS, "loans": BINS})
    assert found.verdict == outcome
    if outcome == "failed":
        assert [reason.partition(":")[0] for reason in found.reasons] == [
            "errors of churn",
            "errors of loans",
        ]


def test_over_all_models_there_must_surely_be_few_errors_more() -> None:
    """Three errors of 153 are no harm that is sure; nor can anybody be sure that there is none."""
    found = analysis_of(
        Observation({"churn": replace(RARE[0], requests=153, errors=3)}),
        Observation({"churn": replace(RARE[1], errors=3)}),
    )
    assert found.verdict is Verdict.INCONCLUSIVE
    assert [reason.partition(":")[0] for reason in found.reasons] == ["errors of all models"]


def test_the_level_is_shared_between_all_that_can_fail() -> None:
    """Some harm is sure enough where one model changes, and not where three do."""
    canary, stable = Observation({"churn": CANARY}), Observation({"churn": STABLE})
    one = analysis_of(canary, stable)
    assert len(one.findings) == 1 + 4 + 2 + 1, "answers, a model, other requests, all errors"
    several = {f"model-{number}": BINS for number in range(3)}
    many = analysis_of(
        Observation(dict.fromkeys(several, CANARY)),
        Observation(dict.fromkeys(several, STABLE)),
        several,
    )
    assert len(many.findings) == 3 * 5 + 2 + 1
    errors = replace(CANARY, errors=5)
    p = more_often(5, 600, STABLE.errors, STABLE.requests)
    assert POLICY.false_alarms / (LAST * 14) < p < POLICY.false_alarms / (LAST * 6)
    assert verdict_of(errors) is Verdict.FAILED
    hidden = Observation({**dict.fromkeys(several, CANARY), "model-0": errors})
    found = analysis_of(hidden, Observation(dict.fromkeys(several, STABLE)), several)
    assert found.verdict is not Verdict.FAILED


def version(code: str, settings: str, *pins: tuple[str, int]) -> FunctionVersion:
    made = (Pin(ModelVersion(model, 1, minor, 0), f"sha256:{minor:064}") for model, minor in pins)
    return FunctionVersion("1", code, tuple(made), settings)


@pytest.mark.parametrize(
    ("canary", "changed"),
    [
        (version("a", "s", ("churn", 0), ("loans", 1)), ["loans"]),
        (version("b", "s", ("churn", 0), ("loans", 0)), ["churn", "loans"]),
        (version("a", "t", ("churn", 0), ("loans", 0)), ["churn", "loans"]),
        (version("a", "s", ("churn", 0), ("loans", 0), ("fraud", 0)), []),
        (version("b", "s", ("fraud", 0), ("churn", 0)), ["churn"]),
    ],
    ids=["a pin", "code", "settings", "a new model", "a removed model"],
)
def test_which_models_a_release_changes(canary: FunctionVersion, changed: list[str]) -> None:
    stable = version("a", "s", ("churn", 0), ("loans", 0))
    found = changed_models(stable, canary)
    assert [*found] == changed
    assert all(pin in stable.pins for pin in found.values())


# --- counts -------------------------------------------------------------------------------------
def test_observations_add_up() -> None:
    first = Observation({"a": Requests(2, 1, 0, {1: 1}, {3: 1})}, Requests(4, refusals=1), 1)
    second = Observation({"a": Requests(1, 0, 0, {1: 1}, {4: 1}), "b": Requests(5)}, Requests(), 2)
    assert first + second == Observation(
        {"a": Requests(3, 1, 0, {1: 2}, {3: 1, 4: 1}), "b": Requests(5)}, Requests(4, refusals=1), 3
    )
    assert (first + second).predictions.requests == 3 + 5 + 3
    assert (first + second).model("b") == Requests(8, 3)
    assert (first + second).models_but(["a"]) == Requests(8, 3)


@pytest.mark.parametrize("milliseconds", [0, 0.001, 0.4, 7, 59_000])
def test_a_bin_of_latencies_is_two_percent_wide(milliseconds: float) -> None:
    bins = {latency_bin(milliseconds * (1 + share / 1_000)) for share in range(20)}
    assert len(bins) <= 2
    assert milliseconds < 0.01 or latency_bin(milliseconds * 1.025) > latency_bin(milliseconds)


# --- statistics ---------------------------------------------------------------------------------
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


@pytest.mark.parametrize(
    "counts", [(5, 180, 3, 1_620), (0, 5, 0, 9), (40, 40_000, 160, 9_000), (90, 100, 9_000, 90_000)]
)
def test_more_often_is_what_others_compute(counts: tuple[int, int, int, int]) -> None:
    hits, of, others, other_of = counts
    table = [[hits, of - hits], [others, other_of - others]]
    expected = scipy.stats.fisher_exact(table, alternative="greater").pvalue
    assert more_often(*counts) == pytest.approx(expected, rel=1e-8)


def grouped(values: NDArray[np.float64]) -> Grouped:
    found, counts = np.unique(values, return_counts=True)
    return Grouped(found, counts)


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.25])
def test_slower_is_what_others_compute_of_the_values_one_by_one(factor: float) -> None:
    generator = np.random.default_rng(4)
    values, other = generator.integers(10, 40, 300) / 4, generator.integers(8, 40, 900) / 4
    expected = tuple(
        scipy.stats.mannwhitneyu(
            values, other * factor, alternative=alternative, method="asymptotic"
        ).pvalue
        for alternative in ("greater", "less")
    )
    assert slower(grouped(values), grouped(other), factor=factor) == pytest.approx(expected)


def test_slower_of_equal_values_is_never_sure() -> None:
    assert slower(grouped(np.ones(9)), grouped(np.ones(99)), factor=1.0) == (1.0, 1.0)


def test_bins_of_latencies_hardly_change_the_comparison() -> None:
    generator = np.random.default_rng(4)
    base, other = generator.lognormal(2, 0.3, (2, 400))
    exact = slower(grouped(base), grouped(other), factor=1.0)
    binned = (grouped(1.02 ** np.round(np.log(it) / np.log(1.02))) for it in (base, other))
    assert slower(*binned, factor=1.0) == pytest.approx(exact, abs=0.02)


def test_slower_is_about_a_factor() -> None:
    generator = np.random.default_rng(4)
    base, other = generator.lognormal(2, 0.3, (2, 400))
    above, below = slower(grouped(base * 1.5), grouped(other), factor=1.5)
    assert above > 0.05
    assert below > 0.05
    assert slower(grouped(base * 1.5), grouped(other), factor=1.1)[0] < 1e-6
    assert slower(grouped(base * 1.5), grouped(other), factor=2.0)[1] < 1e-6


def test_a_shift_is_held_against_chance() -> None:
    generator = np.random.default_rng(5)
    counts, others = (generator.multinomial(many, [0.1] * 10) for many in (300, 3_000))
    same = shift(counts, others)
    assert 0.02 < same.by_chance < 0.1, "no two samples are alike"
    assert moved_by_chance(counts, others, draws=2_000, generator=generator) > 0.01
    half = np.concatenate([counts[:5] + counts[5:], np.zeros(5, dtype=np.int64)])
    assert shift(half, others).distance == pytest.approx(0.5, abs=0.05)
    found = moved_by_chance(half, others, draws=2_000, generator=generator)
    assert found == pytest.approx(1 / 2_001)


@pytest.mark.parametrize(
    ("counts", "others"),
    [([30] * 10, [270] * 10), ([5, 0, 1], [9, 0, 30]), ([1, 0], [0, 1]), ([7], [9])],
)
def test_what_chance_moves_is_the_mean_of_all_permutations(
    counts: list[int], others: list[int]
) -> None:
    ours, theirs = np.array(counts), np.array(others)
    pooled, n = ours + theirs, int(ours.sum())
    dealt = np.random.default_rng(7).multivariate_hypergeometric(pooled, n, size=100_000)
    shares = dealt / n - (pooled - dealt) / theirs.sum()
    drawn = np.abs(shares).sum(axis=1).mean() / 2
    assert shift(ours, theirs).by_chance == pytest.approx(drawn, abs=2e-3)


def test_p_values_of_shifts_are_uniform_where_there_is_none() -> None:
    generator = np.random.default_rng(6)
    found = [
        moved_by_chance(
            generator.multinomial(100, [0.1] * 10),
            generator.multinomial(900, [0.1] * 10),
            draws=200,
            generator=generator,
        )
        for _ in range(400)
    ]
    for level in (0.05, 0.25, 0.5):
        assert np.mean(np.array(found) <= level) == pytest.approx(level, abs=0.07)


# --- refusals -----------------------------------------------------------------------------------
def refusing(it: Requests, refusals: int) -> Requests:
    """Return as many requests, of which so many were refused."""
    answers = asked_for(it.requests - refusals, seed=it.requests)
    return replace(
        it, refusals=refusals, latencies=answers.latencies, predictions=answers.predictions
    )


@pytest.mark.fault
@pytest.mark.parametrize("refusals", [30, 540, 600])
@pytest.mark.parametrize("number", [1, LAST])
def test_refusals_fail_at_any_analysis(refusals: int, number: int) -> None:
    canary = Observation({"churn": refusing(CANARY, refusals)})
    found = analysis_of(canary, Observation({"churn": STABLE}), number=number)
    assert found.verdict is Verdict.FAILED
    (reason,) = found.reasons
    assert reason.startswith(
        f"refusals of churn: {refusals} of 600 requests refused, 0 of 5395 on the stable version"
    )


def test_what_both_versions_refuse_is_the_clients_fault() -> None:
    canary, stable = refusing(asked_for(1_000, seed=2), 300), refusing(STABLE, 1_620)
    assert verdict_of(canary, stable) is Verdict.PASSED


def test_a_canary_that_fixes_what_failed_may_refuse_more() -> None:
    canary = refusing(CANARY, 60)
    stable = replace(STABLE, errors=2_700, refusals=270)
    assert verdict_of(canary, stable) is Verdict.PASSED


def test_fewer_refusals_are_no_harm() -> None:
    assert verdict_of(CANARY, refusing(STABLE, 2_000)) is Verdict.PASSED


@pytest.mark.parametrize(("answered", "outcome"), [(149, "inconclusive"), (150, "passed")])
def test_only_what_is_answered_counts_for_the_least_number(answered: int, outcome: str) -> None:
    canary = refusing(asked_for(3_000, seed=2), 3_000 - answered)
    stable = refusing(asked_for(27_000, seed=1), round(27_000 * (1 - answered / 3_000)))
    assert verdict_of(canary, stable) == outcome


def test_latencies_may_be_fewer_than_answers() -> None:
    """Those of cold starts are not counted."""
    few = replace(CANARY, latencies=asked_for(200, seed=9).latencies)
    assert verdict_of(few, STABLE) is Verdict.PASSED


@pytest.mark.parametrize(
    ("refusals", "outcome"), [(0, Verdict.PASSED), (12, Verdict.PASSED), (60, Verdict.FAILED)]
)
def test_a_route_that_is_gone_is_a_refusal_too(refusals: int, outcome: Verdict) -> None:
    """Clients that ask for what neither version has are refused by both."""
    others = Requests(100, refusals=refusals), Requests(900, refusals=90)
    assert verdict_of(CANARY, others=others) is outcome


@pytest.mark.fault
def test_a_canary_that_refuses_too_much_is_rolled_back(canary: Fixture) -> None:
    at = canary.clock.time + INTERVAL / 2
    canary.serve("1", at, 1_500)
    canary.serve("2", at, 200, refused=0.9)
    canary.next_analysis()
    done = canary.run()
    assert done.outcome is Ended.ROLLED_BACK
    assert done.reasons[0].startswith("refusals of churn: 180 of 200 requests refused, 0 of 1500")
    assert canary.live() == ("1", {}, "1")


@pytest.mark.fault
def test_a_canary_without_a_route_that_others_ask_for_is_rolled_back(canary: Fixture) -> None:
    at = canary.clock.time + INTERVAL / 2
    for version, refusals in (("1", 0), ("2", 40)):
        others = Observation(others=Requests(100, refusals=refusals))
        canary.serve(version, at, 300)
        canary.observations.record(version, at, others)
    canary.next_analysis()
    (reason,) = canary.run().reasons
    assert reason.startswith(
        "refusals of other requests: 40 of 100 requests refused, 0 of 100 on the stable"
    )


def test_failures_are_no_answers_either() -> None:
    assert Requests(400, 50, refusals=60).answered == 290


def test_a_canary_that_answers_too_few_is_inconclusive(deployed: Fixture) -> None:
    state = deployed.canary()
    for number in range(3):
        at = state.began + number * INTERVAL + INTERVAL / 2
        deployed.serve("1", at, 1_500, refused=0.6)
        deployed.serve("2", at, 200, refused=0.6)
    expected = "requests for churn: 240 answered predictions, and 300 are needed"
    assert expected in deployed.run().reasons
