"""What was taken back is not released again, unless somebody wants just that."""

from mlops.registry.releases import Ended
from mlops.release.closing import DEPLOY
from tests.unit.release.bench import ANN, ID, Bench

OTHER = "release-2"


def test_a_deploy_does_not_bring_back_what_was_taken_back(bench: Bench) -> None:
    bench.canary()
    bench.api.move("1", {}, bench.api.traffic().revision)
    bench.rollout.record(ID, Ended.ROLLED_BACK, ("slow",))
    begun = bench.begin(OTHER, DEPLOY)
    assert begun.outcome is Ended.REFUSED
    assert "version 2 was taken back before" in begun.reasons[0]
    bench.rollout.record(OTHER, Ended.REFUSED, begun.reasons)
    assert bench.begin("release-3", ANN, retry=True).plan is not None


def test_nor_what_was_rolled_back_after_its_promotion(bench: Bench) -> None:
    bench.released()
    bench.rollback.roll_back(None, ANN)
    assert bench.begin(OTHER, DEPLOY).outcome is Ended.REFUSED


def test_who_asks_for_it_is_no_matter_of_a_name(bench: Bench) -> None:
    bench.released()
    bench.rollback.roll_back(None, ANN)
    assert bench.begin(OTHER, DEPLOY, retry=True).plan is not None


def test_nor_with_another_batch(bench: Bench) -> None:
    bench.released()
    bench.rollback.roll_back(None, ANN)
    bench.batch.deploy(settings="more memory")
    assert bench.begin(OTHER, DEPLOY).outcome is Ended.REFUSED


def test_what_mends_the_api_is_released_though_batch_is_the_same(bench: Bench) -> None:
    bench.released()
    bench.rollback.roll_back(None, ANN)
    bench.api.deploy(settings="mended")
    assert bench.begin(OTHER, DEPLOY).plan is not None


def test_nor_a_batch_alone_that_was_taken_back(bench: Bench) -> None:
    bench.released()
    bench.batch.deploy(settings="more memory")
    bench.released_at_once("release-batch")
    assert bench.rollback.roll_back(None, ANN).version == "2"
    assert bench.begin(OTHER, DEPLOY).outcome is Ended.REFUSED


def test_what_came_after_it_is_released(bench: Bench) -> None:
    bench.released()
    bench.rollback.roll_back(None, ANN)
    bench.deploy(code="sha256:newer")
    assert bench.begin(OTHER, DEPLOY).plan is not None


def test_what_the_gate_refused_is_asked_again(bench: Bench) -> None:
    bench.begin()
    bench.rollout.record(ID, Ended.REFUSED, ("accuracy",))
    assert bench.begin(OTHER, DEPLOY).plan is not None
