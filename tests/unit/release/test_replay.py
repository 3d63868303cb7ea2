"""Captured requests: which are read, and what is said of two models' predictions for them."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from mlops.errors import ModelUnusable, ObjectNotFound
from mlops.inference.loading import ServedModel
from mlops.inference.predictor import Predictor
from mlops.models.churn.contract import CHURN
from mlops.models.columns import Columns
from mlops.models.contract import Request
from mlops.registry.objects import Stamped
from mlops.release.replay import read_captured, replay_requests
from tests.unit.api.service import CUSTOMER
from tests.unit.release.gating import World

LINE = {"request": CUSTOMER, "at": "2026-01-02T03:04:05Z"}


class Given(Predictor):
    """Predicts what it is told to; None: it fails."""

    def __init__(self, predictions: list[float] | None) -> None:
        self._predictions = predictions

    def predict(self, columns: Columns) -> NDArray[np.float64]:
        if self._predictions is None:
            raise ModelUnusable("churn", "it cannot predict")
        assert len(columns) == len(self._predictions)
        return np.array(self._predictions)


def served(predictions: list[float] | None) -> ServedModel:
    world = World()
    return replace(world.load(world.candidate_pin), predictor=Given(predictions))


def requests(**columns: list[object]) -> list[Request]:
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return [CHURN.request.model_validate(CUSTOMER | row) for row in rows]


def tenures(world: World, most: int) -> list[int]:
    return [request.tenure for request in read_captured(world.objects, CHURN, most).requests]  # type: ignore[attr-defined] # requests of this contract have it


def test_the_newest_come_first_and_no_more_than_asked_for() -> None:
    world = World()
    for day in (1, 2, 3):
        lines = [{"request": CUSTOMER | {"tenure": 10 * day + hour}} for hour in (1, 2)]
        world.capture(f"2026/01/0{day}.jsonl", *lines)
    assert tenures(world, 10) == [32, 31, 22, 21, 12, 11]
    assert tenures(world, 3) == [32, 31, 22]
    assert tenures(world, 0) == []


def test_nothing_was_captured() -> None:
    world = World()
    world.objects.create("captured/churn2/1.jsonl", b"another model's")
    found = read_captured(world.objects, CHURN, 10)
    assert (found.requests, found.refused, found.malformed) == ([], [], 0)
    assert replay_requests(served(None), served(None), []).details == {"replay": {"rows": 0}}


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"request": 3}',
        b'{"other": {}}',
        b'{"request": {"tenure": NaN}}',
        b'{"request": {"tenure": 1, "tenure": 2}}',
        b"[" * 100_000,
    ],
)
def test_malformed_lines_are_counted_and_skipped(line: bytes) -> None:
    world = World()
    world.capture("1.jsonl", LINE, line, b"  ", LINE)
    found = read_captured(world.objects, CHURN, 10)
    assert len(found.requests) == 2
    assert found.malformed == 1
    assert not found.refused


def test_malformed_lines_count_among_those_read() -> None:
    """However much rubbish there is, so much is read and no more."""
    world = World()
    world.capture("1.jsonl", LINE, *[b"{"] * 20)
    found = read_captured(world.objects, CHURN, 10)
    assert (len(found.requests), found.malformed) == (0, 10)


def test_what_the_contract_refuses_is_kept_apart() -> None:
    world = World()
    world.capture("1.jsonl", LINE, {"request": {"tenure": -1}})
    found = read_captured(world.objects, CHURN, 10)
    assert len(found.requests) == 1
    assert found.refused == [{"tenure": -1}]


def test_an_object_that_expires_meanwhile_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.capture("1.jsonl", LINE)
    world.capture("2.jsonl", LINE)
    get = world.objects.get

    def gone(key: str) -> Stamped:
        if key.endswith("2.jsonl"):
            raise ObjectNotFound(key)
        return get(key)

    monkeypatch.setattr(world.objects, "get", gone)
    assert len(read_captured(world.objects, CHURN, 10).requests) == 1


def test_differences_and_flips_by_segment() -> None:
    rows = requests(
        contract=["One year", "One year", "Two year", None],
        senior_citizen=[0, 1, 1, 1],
    )
    champion, candidate = served([0.1, 0.39, 0.5, 0.9]), served([0.1, 0.41, 0.6, 0.5])
    found = replay_requests(candidate, champion, rows)
    assert found.reasons == ()
    replay = found.details["replay"]
    segments = replay.pop("segments")
    assert replay == {
        "rows": 4,
        "largest_difference": 0.4,
        "mean_difference": 0.13,
        "category_flips": 2,
    }
    assert segments.keys() == set(CHURN.segments)
    assert segments["contract"].keys() == {"One year", "Two year", "(not sent)"}
    assert segments["contract"]["One year"] == {
        "rows": 2,
        "largest_difference": 0.02,
        "mean_difference": 0.01,
        "category_flips": 1,
    }
    assert segments["contract"]["Two year"]["category_flips"] == 0
    assert segments["senior_citizen"]["1"]["rows"] == 3


NAN = float("nan")


@pytest.mark.parametrize(
    ("candidate", "champion", "lost"),
    [
        ([0.5, NAN, 0.5], [0.5, 0.5, 0.5], 1),
        ([0.5, NAN, NAN], [0.5, 0.5, NAN], 1),
        (None, [0.5, 0.5, NAN], 2),
        ([0.5, 0.5, 0.5], [NAN, 0.5, 0.5], 0),
        ([0.5, 0.5, 0.5], None, 0),
        (None, None, 0),
    ],
)
def test_rows_without_a_prediction(
    candidate: list[float] | None, champion: list[float] | None, lost: int
) -> None:
    found = replay_requests(served(candidate), served(champion), requests(tenure=[1, 2, 3]))
    reason = f"no prediction for {lost} of 3 captured rows that the champion predicts"
    assert found.reasons == ((reason,) if lost else ())
