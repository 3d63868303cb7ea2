"""Golden rows sent to the candidate, and every way in which they can be answered otherwise."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from mlops.inference.golden import GoldenRow, golden_to_bytes
from mlops.inference.manifest import GOLDEN
from mlops.release.golden import close
from tests.unit.inference.building import golden_rows
from tests.unit.release.gating import CANDIDATE, SLOPE, World, model_files, prediction

PREDICT = "/v1/predict/churn"
FIRST = golden_rows(SLOPE)[0]


def world_with(rows: list[GoldenRow]) -> World:
    return World(model_files(replaced={GOLDEN: golden_to_bytes(rows)}))


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([], "it has no golden rows"),
        (
            [*golden_rows(SLOPE), GoldenRow(FIRST.request, (prediction(24) + 3e-6,))],
            "golden row 3: churn_probability differs",
        ),
        ([GoldenRow({"tenure": 1}, (0.5,))], "golden row 1: the contract refuses it"),
        ([GoldenRow(FIRST.request, (1.5,))], "golden row 1: the contract refuses it"),
        (
            [GoldenRow(FIRST.request, (float("nan"),))],
            "churn-model-v1.1.0: its golden rows cannot be read: expected value at line 9 column 4",
        ),
        (
            [GoldenRow(FIRST.request, (0.9,))],
            "golden row 1: churn_probability differs, risk_category differs",
        ),
    ],
)
def test_wrong_golden_rows(rows: list[GoldenRow], reason: str) -> None:
    report = world_with(rows).report()
    assert report.reasons == (f"churn: {reason}",)


def test_one_unit_of_the_last_decimal_is_no_difference() -> None:
    rows = [
        GoldenRow(row.request, (round(row.numbers[0] + 1e-6, 6),)) for row in golden_rows(SLOPE)
    ]
    assert world_with(rows).report().passed


def test_of_many_wrong_golden_rows_the_first_are_named() -> None:
    rows = [replace(row, numbers=(0.9,)) for row in golden_rows(SLOPE) * 4]
    report = world_with(rows).report()
    assert len(report.reasons) == 4
    assert report.reasons[-1] == "churn: 8 of 8 golden rows in all"
    assert report.details["models"]["churn"]["golden"] == {"rows": 8, "wrong": 8}


def _set(part: str, name: str, value: object) -> Callable[[Any], object]:
    return lambda answer: answer[part].update({name: value})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda answer: answer.update(status=503), "status 503"),
        (
            _set("headers", "model-digest", "sha256:other"),
            "the header model-digest is not the pin's",
        ),
        (lambda answer: answer["headers"].pop("model-digest"), "the header model-digest"),
        (_set("body", "model_version", "churn-model-v9.9.9"), "model_version differs"),
        (_set("body", "customer_id", "somebody else"), "customer_id differs"),
        (_set("body", "churn_probability", "0.5"), "churn_probability differs"),
        (_set("body", "churn_probability", True), "churn_probability differs"),
        (_set("body", "risk_category", None), "risk_category differs"),
        (lambda answer: answer["body"].pop("prediction_id"), "prediction_id is missing"),
        (lambda answer: answer.update(body=[]), "customer_id is missing"),
    ],
)
def test_an_api_that_answers_otherwise(change: Callable[[Any], object], words: str) -> None:
    world = World()
    world.changing(CANDIDATE, PREDICT, change)
    report = world.report()
    assert not report.passed
    assert report.reasons[0].startswith(f"churn: golden row 1: {words}")
    assert "C12345" not in " ".join(report.reasons), "of whom the row is"


def test_a_new_field_in_the_answer_is_none_of_the_golden_rows_business() -> None:
    world = World()
    world.changing(CANDIDATE, PREDICT, _set("body", "explanation", "long"))
    assert world.report().passed


def test_a_candidate_that_does_not_answer() -> None:
    world = World()
    world.silent(CANDIDATE, "/")
    report = world.report()
    assert report.reasons == ("churn: golden row 1: 2 does not answer: it timed out",)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"statusCode": 200, "headers": {}, "isBase64Encoded": False},
        {"statusCode": 200, "headers": {}, "isBase64Encoded": False, "body": "<html>"},
        {"statusCode": 200, "headers": {}, "isBase64Encoded": True, "body": "%"},
        {"statusCode": "ok", "headers": {}, "isBase64Encoded": False, "body": "{}"},
        {"statusCode": 200, "headers": None, "isBase64Encoded": False, "body": "{}"},
    ],
)
def test_what_is_no_answer_of_an_api(answer: dict[str, Any]) -> None:
    world = World()
    world.function.handler = lambda number, event: answer
    assert "golden row 1: 2 does not answer: what it" in world.report().reasons[0]


@pytest.mark.parametrize(
    ("found", "expected", "decimals", "is_close"),
    [
        (0.500001, 0.5, 6, True),
        (0.500002, 0.5, 6, False),
        (20_400.0, 20_400.1, 1, True),
        (20_400.0, 20_400.2, 1, True),  # float32 has seven digits, whatever is shown
        (20_400.0, 20_401.0, 1, False),
        (-20_400.0, 20_400.0, 1, False),
        ({"a": 0.2, "b": 0.8}, {"a": 0.200001, "b": 0.799999}, 6, True),
        ({"a": 0.2, "b": 0.8}, {"a": 0.21, "b": 0.79}, 6, False),
        ({"a": 0.2}, {"a": 0.2, "b": 0.8}, 6, False),
        ([0.2], {"a": 0.2}, 6, False),
        ("a", "b", 6, False),
        ("0.5", 0.5, 6, False),
        (True, 1.0, 6, False),
    ],
)
def test_numbers_of_any_scale_and_several_classes(
    found: object, expected: object, decimals: int, is_close: bool
) -> None:
    assert close(found, expected, 10.0**-decimals) is is_close
