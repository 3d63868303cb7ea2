"""The gate, asked about candidates good and bad; the API that answers is the real one."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from mlops.errors import ModelUnusable
from mlops.inference.holdout import Holdout, holdout_to_bytes
from mlops.inference.loading import ServedModel
from mlops.inference.manifest import HOLDOUT, MODEL
from mlops.inference.predictor import Predictor
from mlops.inference.version import Pin
from mlops.models.columns import Columns
from mlops.release.gate import GatePolicy
from tests.unit.inference.building import golden_rows, onnx_model
from tests.unit.release.gating import (
    CANDIDATE,
    CHAMPION,
    ROWS,
    SLOPE,
    World,
    holdout_rows,
    model_files,
)

UNCOMPARED = GatePolicy(allow_uncompared=True)
BREAKING = GatePolicy(allow_breaking=True)


def test_a_good_candidate_passes_with_its_figures() -> None:
    world = World()
    report = world.report()
    assert report.passed
    assert report.reasons == ()
    found = report.details["models"]["churn"]
    assert found["candidate"] == str(world.candidate_pin)
    assert found["champion"] == str(world.champion_pin)
    assert found["golden"] == {"rows": len(golden_rows()), "wrong": 0}
    assert found["holdout"]["rows"] == ROWS
    assert found["holdout"]["unseen_by_the_champion_too"] is True
    for view in ("full", "required_only"):
        for figure in found["holdout"][view].values():
            assert figure["candidate"] == figure["champion"]
            assert figure["loss_at_most"] < figure["margin"]


def test_a_better_candidate_passes() -> None:
    world = World()
    world.champion_pin = world.written(5, model_files(slope=-0.01))
    world.function.deploy(pins=(world.champion_pin,))
    worse = world.function.publish()
    assert world.report(champion=worse).passed


def test_the_opposite_of_the_champion_is_refused_in_every_view() -> None:
    report = World(model_files(slope=-SLOPE)).report()
    assert not report.passed
    assert [reason.split(" ")[:4] for reason in report.reasons] == [
        ["churn:", "holdout,", "full:", "accuracy"],
        ["churn:", "holdout,", "full:", "brier"],
        ["churn:", "holdout,", "required_only:", "accuracy"],
        ["churn:", "holdout,", "required_only:", "brier"],
    ]


def test_new_code_with_the_same_model_has_nothing_to_be_compared() -> None:
    world = World()
    world.function.deploy(code="sha256:second", pins=(world.champion_pin,))
    report = world.report(candidate=world.function.publish())
    assert report.passed
    found = report.details["models"]["churn"]
    assert "this very version" in found["holdout"]
    assert found["golden"]["rows"] > 0


def test_a_new_model_has_to_repeat_its_golden_rows_only() -> None:
    world = World()
    no_model = replace(world.function.describe(CHAMPION), pins=())
    report = world.report(champion=no_model)
    assert report.passed
    assert "no such model" in report.details["models"]["churn"]["holdout"]


def test_a_candidate_without_any_model_is_refused() -> None:
    world = World()
    nothing = replace(world.function.describe(CANDIDATE), pins=())
    assert world.report(candidate=nothing, policy=BREAKING).reasons == ("no model is pinned",)
    assert world.report(candidate=nothing).reasons == (
        "churn: the model is removed",
        "no model is pinned",
    )


@pytest.mark.parametrize(
    ("holdout", "reason"),
    [
        (b"no gzip", "its holdout cannot be read"),
        (holdout_to_bytes(Holdout((), holdout_rows().labels[:0])), "its holdout has no rows"),
        (
            holdout_to_bytes(replace(holdout_rows(2), requests=({"tenure": 1}, {"tenure": 2}))),
            "the contract refuses row 1 of its holdout",
        ),
        (holdout_to_bytes(holdout_rows(20)), "holdout, full: accuracy"),
        (holdout_to_bytes(holdout_rows(1)), "holdout, full: accuracy"),
    ],
    ids=["no gzip", "no rows", "refused", "too few to be sure", "one"],
)
@pytest.mark.parametrize("policy", [GatePolicy(), UNCOMPARED])
def test_a_holdout_that_cannot_be_used(holdout: bytes, reason: str, policy: GatePolicy) -> None:
    report = World(model_files(replaced={HOLDOUT: holdout})).report(policy=policy)
    assert not report.passed
    assert reason in report.reasons[0]


def test_without_a_holdout_a_candidate_is_let_through_only_where_that_is_allowed() -> None:
    world = World(model_files(name="candidate", replaced={HOLDOUT: None}))
    assert world.report().reasons == (f"churn: it has no {HOLDOUT}",)
    report = world.report(policy=UNCOMPARED)
    assert report.passed
    assert report.details["models"]["churn"]["uncompared"] == [f"it has no {HOLDOUT}"]


def test_a_champion_from_before_there_were_holdouts() -> None:
    world = World()
    world.function.deploy(pins=(world.written(5, model_files(replaced={HOLDOUT: None})),))
    report = world.report(champion=world.function.publish())
    assert report.passed
    holdout = report.details["models"]["churn"]["holdout"]
    assert holdout["unseen_by_the_champion_too"] is False


def change(world: World, pin: Pin, file: str, content: bytes | None) -> None:
    """Put other bytes into a version, or None: lose the file."""
    key = f"models/{pin.version}/{file}"
    tag = world.objects.get(key).tag
    if content is None:
        world.objects.remove(key)
    else:
        world.objects.replace(key, content, tag)


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        (HOLDOUT, b"other rows", "holdout.jsonl.gz is sha256:"),
        (HOLDOUT, None, "holdout.jsonl.gz is missing"),
        ("model.onnx", b"another model", "model.onnx is sha256:"),
        ("model.onnx", None, "model.onnx is missing"),
        ("manifest.json", b"{}", "the pin says"),
        ("manifest.json", None, "There is no version"),
    ],
)
@pytest.mark.parametrize("policy", [GatePolicy(), UNCOMPARED])
def test_a_candidate_whose_files_have_changed(
    file: str, content: bytes | None, words: str, policy: GatePolicy
) -> None:
    world = World()
    change(world, world.candidate_pin, file, content)
    report = world.report(policy=policy)
    assert not report.passed
    assert words in report.reasons[0]


@pytest.mark.parametrize(
    ("file", "content"),
    [("model.onnx", b"another model"), ("model.onnx", None), ("manifest.json", None)],
)
def test_a_champion_that_cannot_be_loaded_is_no_reason_to_keep_it(
    file: str, content: bytes | None
) -> None:
    """Its API cannot load it either, so nobody knows what it takes."""
    world = World()
    change(world, world.champion_pin, file, content)
    first, second = world.report().reasons
    assert first.startswith("churn: the champion does not say what it takes: 1 does not answer")
    assert second.startswith("churn: the champion cannot be used: ")
    assert world.report(policy=GatePolicy(allow_breaking=True, allow_uncompared=True)).passed


def test_a_champion_trained_on_other_columns() -> None:
    """What a new category in the contract does to all models from before."""
    world = World()
    old = {MODEL: onnx_model(slope=SLOPE, layout="{}")}
    world.function.deploy(pins=(world.written(5, model_files(replaced=old)),))
    report = world.report(champion=world.function.publish(), policy=BREAKING)
    (reason,) = report.reasons
    assert "the champion cannot be used: churn-model-v1.5.0: it was trained on the col" in reason


def test_a_model_this_code_knows_no_contract_of() -> None:
    world = World()
    pin = Pin(replace(world.candidate_pin.version, model="fraud"), world.candidate_pin.digest)
    report = world.report(candidate=replace(world.function.describe(CANDIDATE), pins=(pin,)))
    assert report.reasons[0].startswith("fraud: There is no model 'fraud' here")


class _Answering(Predictor):
    """Predicts the same for every row, or fails."""

    def __init__(self, answer: float | ModelUnusable) -> None:
        self._answer = answer

    def predict(self, columns: Columns) -> NDArray[np.float64]:
        if isinstance(self._answer, ModelUnusable):
            raise self._answer
        return np.full(len(columns), self._answer)


@pytest.mark.parametrize("answer", [float("nan"), ModelUnusable("churn", "it cannot predict")])
def test_models_that_predict_no_numbers(answer: float | ModelUnusable) -> None:
    """The candidate's is refused whatever is allowed, the champion's where that is not."""
    world = World()
    for pin, passes in ((world.candidate_pin, False), (world.champion_pin, True)):

        def load(asked: Pin, broken: Pin = pin) -> ServedModel:
            served = world.loader.load(asked)
            return replace(served, predictor=_Answering(answer)) if asked == broken else served

        world.load = load
        assert not world.report().passed
        assert world.report(policy=UNCOMPARED).passed is passes
