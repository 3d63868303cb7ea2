"""The gate, asked about candidates good and bad; the API that answers is the real one."""

import json
from dataclasses import replace

import numpy as np
import pytest

from mlops.errors import ModelUnusable
from mlops.inference.golden import GoldenRow, golden_to_bytes
from mlops.inference.holdout import Holdout, holdout_to_bytes
from mlops.inference.loading import ServedModel
from mlops.inference.manifest import CONTRACT, GOLDEN, HOLDOUT, MODEL
from mlops.inference.predictor import Predictor
from mlops.inference.version import Pin
from mlops.models.churn.contract import CHURN
from mlops.models.contract import Contract
from mlops.models.inputs import Tensors
from mlops.models.tabular import INPUT
from mlops.models.tasks import Numbers
from mlops.release.gate import GatePolicy
from mlops.release.reference import REFERENCE, read_edges
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
    for view in ("full", "three_fields"):
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
        ["churn:", "holdout,", "full:", "wrong"],
        ["churn:", "holdout,", "full:", "Brier"],
        ["churn:", "holdout,", "three_fields:", "wrong"],
        ["churn:", "holdout,", "three_fields:", "Brier"],
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
        (holdout_to_bytes(Holdout((), ())), "its holdout has no rows"),
        (
            holdout_to_bytes(replace(holdout_rows(2), requests=({"tenure": 1}, {"tenure": 2}))),
            "the contract refuses row 1 of the holdout",
        ),
        (holdout_to_bytes(holdout_rows(20)), "holdout, full: wrong decisions"),
        (holdout_to_bytes(holdout_rows(1)), "holdout, full: wrong decisions"),
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
    world = World()
    change(world, world.champion_pin, file, content)
    assert world.report().reasons[-1].startswith("churn: the champion cannot be used: ")
    assert world.report(policy=UNCOMPARED).passed


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        (None, f"the champion has no {REFERENCE}"),
        (b"{", "the champion's profile cannot be used: "),
        (b'{"prediction": {"edges": [0.4, 0.2]}}', "has no bins of its predictions"),
        (b'{"prediction": {"edges": []}}', "has no bins of its predictions"),
        (b'{"prediction": {"edges": ["0.4"]}}', "has no bins of its predictions"),
        (b"[]", "has no bins of its predictions"),
    ],
)
def test_a_champion_without_a_profile_would_have_no_canary_that_passes(
    profile: bytes | None, words: str
) -> None:
    world = World()
    pin = world.written(5, model_files(name="old", replaced={REFERENCE: profile}))
    world.function.deploy(pins=(pin,))
    champion = world.function.publish()
    (reason,) = world.report(champion=champion).reasons
    assert words in reason
    assert world.report(champion=champion, policy=UNCOMPARED).passed


def test_a_champion_of_several_classes_has_one_bin_for_each() -> None:
    world = World()
    profile = b'{"prediction": {"categories": ["a", "b", "c"], "counts": [1, 2, 3, 0]}}'
    pin = world.written(5, model_files(replaced={REFERENCE: profile}))
    assert read_edges(world.versions, pin) == (1.0, 2.0)


def test_a_champion_that_predicts_something_else() -> None:
    world = World()
    document = json.loads(CHURN.to_json())
    document["task"] = "regression"
    contract = Contract.from_json(json.dumps(document).encode(), "test")
    output = contract.outcome.output
    model = onnx_model(slope=SLOPE, classes=output.width, output=output.name)
    rows = [GoldenRow(row.request, (1.0,)) for row in golden_rows(SLOPE)]
    replaced = {
        CONTRACT: contract.to_json(), MODEL: model, GOLDEN: golden_to_bytes(rows),
    }  # fmt: skip
    world.function.deploy(pins=(world.written(5, model_files(replaced=replaced)),))
    assert world.report(champion=world.function.publish()).reasons == (
        "churn: answer: the task is binary, and was regression",
        "churn: the champion predicts something else",
    )


class _Answering(Predictor):
    """Predicts the same for every row, or fails."""

    def __init__(self, answer: float | ModelUnusable) -> None:
        self._answer = answer

    def predict(self, tensors: Tensors) -> Numbers:
        if isinstance(self._answer, ModelUnusable):
            raise self._answer
        return np.full((len(tensors[INPUT]), 1), self._answer)


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
