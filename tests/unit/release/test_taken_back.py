"""What was taken back is not released again, unless somebody wants just that."""

from datetime import timedelta

import pytest

from mlops.errors import ReleaseRefused
from mlops.registry.releases import Ended
from mlops.release.closing import DEPLOY
from tests.unit.inference.building import V1
from tests.unit.release.bench import ANN, ID, V2, Bench

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
    bench.deploy(bench.pins[V1], code="sha256:bad")
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


def test_nor_its_model_in_another_image(bench: Bench) -> None:
    """Each commit builds one."""
    bench.released()
    bench.rollback.roll_back(None, ANN)
    bench.deploy(code="sha256:newer")
    begun = bench.begin(OTHER, DEPLOY)
    assert (begun.outcome, bench.live()) == (Ended.REFUSED, ("1", {}, "1"))
    assert begun.reasons[0].startswith(f"{V2} was taken back before; pin another version")


def test_nor_a_model_whose_canary_people_took_back(bench: Bench) -> None:
    bench.canary()
    bench.desk.abort(ID, ANN)
    bench.deploy(code="sha256:newer")
    assert bench.begin(OTHER, DEPLOY).outcome is Ended.REFUSED
    bench.rollout.record(OTHER, Ended.REFUSED, ())
    assert bench.begin("release-3", ANN, retry=True).plan is not None


@pytest.mark.parametrize("code", ["", "sha256:newer"])
@pytest.mark.parametrize("how", ["abort", "rollback"])
def test_nor_what_people_stopped_before_it_had_traffic(bench: Bench, how: str, code: str) -> None:
    bench.begin()
    bench.rollout.gate(ID)
    if how == "abort":
        bench.desk.abort(ID, ANN)
    else:
        with pytest.raises(ReleaseRefused, match="was stopped"):
            bench.rollback.roll_back(None, ANN)
    if code:
        bench.deploy(code=code)
    assert bench.begin(OTHER, DEPLOY).outcome is Ended.REFUSED
    bench.rollout.record(OTHER, Ended.REFUSED, ())
    assert bench.begin("release-3", ANN, retry=True).plan is not None


def test_what_a_judge_took_back_is_judged_again_in_another_image(bench: Bench) -> None:
    bench.canary()
    bench.api.move("1", {}, bench.api.traffic().revision)
    bench.rollout.record(ID, Ended.ROLLED_BACK, ("slow",))
    bench.deploy(code="sha256:newer")
    assert bench.begin(OTHER, DEPLOY).plan is not None


def test_a_model_that_was_promoted_after_all_is_good(bench: Bench) -> None:
    bench.canary()
    bench.desk.abort(ID, ANN)
    bench.released(OTHER, retry=True)
    third = bench.register(V2.next_minor())
    bench.deploy(third)
    bench.released("release-3")
    bench.deploy(code="sha256:newer")
    assert bench.begin("release-4", DEPLOY).plan is not None


def test_so_is_one_that_people_went_back_to(bench: Bench) -> None:
    bench.released()
    bench.wait(timedelta(hours=1))
    bench.rollback.roll_back(None, ANN)
    bench.rollback.roll_back("2", ANN)
    bench.deploy(code="sha256:newer")
    assert bench.begin(OTHER, DEPLOY).plan is not None


def test_the_model_that_stays_is_not_to_blame_for_code_that_was_taken_back(bench: Bench) -> None:
    bench.deploy(bench.pins[V1], code="sha256:bad")
    bench.canary()
    bench.desk.abort(ID, ANN)
    bench.deploy(bench.pins[V1], code="sha256:mended")
    assert bench.begin(OTHER, DEPLOY).plan is not None


def test_another_model_is_released(bench: Bench) -> None:
    bench.released()
    bench.rollback.roll_back(None, ANN)
    bench.deploy(bench.register(V2.next_minor()))
    assert bench.begin(OTHER, DEPLOY).plan is not None


def test_what_the_gate_refused_is_asked_again(bench: Bench) -> None:
    bench.begin()
    bench.rollout.record(ID, Ended.REFUSED, ("accuracy",))
    assert bench.begin(OTHER, DEPLOY).plan is not None
