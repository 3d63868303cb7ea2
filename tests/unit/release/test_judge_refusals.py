"""A canary that refuses what the stable version answers."""

from dataclasses import replace

import numpy as np
import pytest

from mlops.registry.releases import Ended
from mlops.release.judge import Observed, Outcome, Policy, judge
from mlops.release.rollout import Action
from tests.unit.release.bench import LOOK, Bench
from tests.unit.release.test_judge import CANARY, LAST, POLICY, STABLE, observed, outcome_of


def refusing(it: Observed, refusals: int) -> Observed:
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
@pytest.mark.parametrize("look", [1, LAST])
def test_it_fails_at_any_look(refusals: int, look: int) -> None:
    verdict = judge(refusing(CANARY, refusals), STABLE, POLICY, look, np.random.default_rng(3))
    assert verdict.outcome is Outcome.FAIL
    (reason,) = verdict.reasons
    assert reason.startswith(
        f"refusals: {refusals} of 600 requests refused, 0 of 5395 on the stable version"
    )


def test_what_both_refuse_is_the_clients_fault() -> None:
    canary, stable = refusing(observed(1_000, seed=2), 300), refusing(STABLE, 1_620)
    assert outcome_of(canary, stable) is Outcome.PASS


def test_a_canary_that_mends_what_failed_may_refuse_what_nobody_got_to_refuse() -> None:
    canary = refusing(CANARY, 60)
    stable = replace(STABLE, errors=2_700, refusals=270)
    assert outcome_of(canary, stable) is Outcome.PASS


def test_fewer_refusals_are_no_harm() -> None:
    assert outcome_of(CANARY, refusing(STABLE, 2_000)) is Outcome.PASS


@pytest.mark.parametrize(("answered", "outcome"), [(299, "INCONCLUSIVE"), (300, "PASS")])
def test_only_what_is_answered_counts_for_the_least_number(answered: int, outcome: str) -> None:
    many = observed(3_000, seed=2)
    canary = refusing(many, 3_000 - answered)
    stable = refusing(observed(27_000, seed=1), round(27_000 * (1 - answered / 3_000)))
    assert outcome_of(canary, stable) == outcome


def test_samples_may_be_fewer_than_what_was_answered() -> None:
    few = replace(CANARY, latencies=CANARY.latencies[:200], predictions=CANARY.predictions[:200])
    assert outcome_of(few, STABLE) is Outcome.PASS


@pytest.mark.parametrize(
    ("refusals", "outcome"), [(0, Outcome.PASS), (12, Outcome.PASS), (60, Outcome.FAIL)]
)
def test_a_route_that_is_gone_is_a_refusal_too(refusals: int, outcome: Outcome) -> None:
    """Who asks for what neither has is refused by both."""
    canary = replace(CANARY, other_requests=100, other_refusals=refusals)
    stable = replace(STABLE, other_requests=900, other_refusals=90)
    assert outcome_of(canary, stable) is outcome


def test_the_level_is_shared_between_all_criteria() -> None:
    verdict = judge(CANARY, STABLE, POLICY, LAST, np.random.default_rng(3))
    assert Policy().level == Policy().false_alarms / (Policy().looks * len(verdict.findings))


@pytest.mark.fault
def test_it_is_taken_back_for_that(canary: Bench) -> None:
    began = canary.clock.time
    canary.serve("1", began + LOOK / 2, 1_500)
    canary.serve("2", began + LOOK / 2, 200, refused=0.9)
    watched = canary.next_look()
    assert watched.action is Action.ROLL_BACK
    assert watched.reasons[0].startswith("refusals: 180 of 200 requests refused, 0 of 1500")
    canary.api.move("1", {}, canary.api.traffic().revision)
    closed = canary.rollout.record("release-1", Ended.ROLLED_BACK, watched.reasons)
    assert closed.outcome is Ended.ROLLED_BACK
    assert canary.live() == ("1", {}, "1")


@pytest.mark.fault
def test_a_route_that_is_gone_takes_it_back(canary: Bench) -> None:
    began = canary.clock.time + LOOK / 2
    for version, refusals in (("1", 0), ("2", 40)):
        others = Observed(
            0, 0, np.zeros(0), np.zeros(0), other_requests=100, other_refusals=refusals
        )
        canary.serve(version, began, 300)
        canary.observations.record(version, began, others)
    watched = canary.next_look()
    assert watched.action is Action.ROLL_BACK
    (reason,) = watched.reasons
    assert reason.startswith("other refusals: 40 of 100 requests refused, 0 of 100 on the stable")


def test_failures_are_no_answers_either() -> None:
    it = Observed(400, 50, np.zeros(350), np.zeros(350), refusals=60)
    assert it.answered == 290


def test_who_answers_too_few_is_told_so(canary: Bench) -> None:
    began = canary.clock.time
    for look in range(canary.settings.looks):
        at = began + look * LOOK + LOOK / 2
        canary.serve("1", at, 1_500, refused=0.6)
        canary.serve("2", at, 200, refused=0.6)
    watched = [canary.next_look() for _ in range(canary.settings.looks)][-1]
    assert watched.action is Action.ROLL_BACK
    assert "240 predictions, and 300 are needed" in watched.reasons
