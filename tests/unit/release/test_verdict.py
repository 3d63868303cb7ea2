"""How what was deployed last was released."""

from datetime import timedelta

from mlops.registry.releases import Ended
from tests.unit.inference.building import V1
from tests.unit.release.bench import ANN, ID, Bench

Said = tuple[str, Ended, bool]


def said(bench: Bench) -> Said | None:
    """By which record, how, and whether it is live."""
    found = bench.desk.verdict(bench.deployed_at)
    return None if found is None else (found.record.id, found.record.outcome, found.is_live)


def test_the_verdict_on_what_is_deployed_comes_with_its_release() -> None:
    bench = Bench()
    bench.deploy()
    assert said(bench) is None
    bench.released()
    assert said(bench) == (ID, Ended.PROMOTED, True)


def test_what_was_taken_back_has_its_verdict_until_something_else_is_deployed(
    canary: Bench,
) -> None:
    canary.desk.abort(ID, ANN)
    assert said(canary) == (ID, Ended.ROLLED_BACK, False)
    canary.deploy(settings="more memory")
    assert said(canary) is None


def test_a_pin_that_is_taken_back_too_is_live_whatever_the_last_release_was(canary: Bench) -> None:
    canary.desk.abort(ID, ANN)
    canary.deploy(canary.pins[V1])
    assert said(canary) == ("first-1", Ended.PROMOTED, True)


def test_a_refusal_ahead_of_any_plan_is_a_verdict_too() -> None:
    bench = Bench()
    bench.deploy()
    bench.refused()
    assert said(bench) == (ID, Ended.REFUSED, False)


def test_a_change_of_batch_alone_waits_for_its_verdict() -> None:
    bench = Bench()
    bench.deploy()
    bench.released()
    bench.batch.deploy(pins=(bench.pins[V1],))
    assert said(bench) is None


def test_a_release_that_ended_before_the_deployment_says_nothing_of_it() -> None:
    bench = Bench()
    bench.deploy()
    bench.refused()
    bench.deploy()  # the same, for whose sake a release begins all the same
    assert said(bench) is None


def test_what_people_went_back_from_has_their_rollback_for_a_verdict(promoted: Bench) -> None:
    assert said(promoted) == (ID, Ended.PROMOTED, True)
    promoted.rollback.roll_back(None, ANN)
    (rollback, *_) = promoted.desk.history()
    assert said(promoted) == (rollback.id, Ended.ROLLED_BACK, False)


def test_what_was_taken_back_ahead_of_a_rollback_keeps_its_verdict(promoted: Bench) -> None:
    promoted.deploy(code="sha256:newer")
    promoted.canary("release-2")
    promoted.desk.abort("release-2", ANN)
    promoted.wait(timedelta(hours=1))
    promoted.rollback.roll_back(None, ANN)
    assert said(promoted) == ("release-2", Ended.ROLLED_BACK, False)


def test_weights_of_somebody_else_are_not_live(promoted: Bench) -> None:
    assert said(promoted) == (ID, Ended.PROMOTED, True)
    promoted.api.move("2", {"1": 0.4}, promoted.api.traffic().revision)
    assert said(promoted) == (ID, Ended.PROMOTED, False)


def test_what_people_went_back_to_is_live(promoted: Bench) -> None:
    promoted.rollback.roll_back(None, ANN)
    (rollback, *_) = promoted.desk.history()
    promoted.deploy(promoted.pins[V1])
    assert said(promoted) == (rollback.id, Ended.ROLLED_BACK, True)


def test_a_refusal_amid_a_deployment_is_not_about_it() -> None:
    bench = Bench()
    bench.deploy()
    bench.deployments.status = "UPDATE_IN_PROGRESS"
    bench.begin()
    bench.rollout.record(ID, Ended.REFUSED, ())
    assert said(bench) is None
