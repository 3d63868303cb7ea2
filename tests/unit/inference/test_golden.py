from dataclasses import replace

import pytest

from mlops.errors import ModelUnusable
from mlops.inference.golden import (
    MAX_ROWS,
    TOLERANCE,
    GoldenRow,
    check_golden,
    golden_from_bytes,
    golden_to_bytes,
)
from mlops.inference.predictor import Predictor
from mlops.models.churn.contract import CHURN
from tests.unit.inference.building import failing_model, golden_rows, onnx_model

VERSION = "churn-model-v1.0.0"
ROWS = golden_rows()


def check(rows: list[GoldenRow], model: bytes | None = None) -> None:
    predictor = Predictor(VERSION, model or onnx_model(), CHURN)
    check_golden(VERSION, predictor, CHURN, rows)


def test_rows_are_read_from_their_bytes() -> None:
    assert golden_from_bytes(VERSION, golden_to_bytes(ROWS)) == tuple(ROWS)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"{}{}",
        b"7",
        b'{"request": {}, "numbers": [0.5]}',
        b"[7]",
        b'["row"]',
        b"[{}]",
        b'[{"request": {}}]',
        b'[{"request": {}, "numbers": [null]}]',
        b'[{"request": {}, "numbers": ["high"]}]',
        b'[{"request": {}, "numbers": [1' + b"0" * 400 + b"]}]",
        b'[{"request": {}, "numbers": 0.5}]',
        b'[{"request": {}, "numbers": []}]',
        b'[{"request": {}, "numbers": [1e999]}]',
        b'[{"request": {}, "numbers": ["0.5"]}]',
        b'[{"request": {}, "numbers": [true]}]',
        b'[{"request": [], "numbers": [0.5]}]',
        b'[{"request": {}, "numbers": [0.5], "more": 1}]',
        b'[{"request": {}, "request": {}, "numbers": [0.5]}]',
        b"[" * 100_000,
    ],
)
def test_what_cannot_be_read(content: bytes) -> None:
    with pytest.raises(ModelUnusable) as caught:
        golden_from_bytes(VERSION, content)
    assert caught.value.version == VERSION


def test_more_golden_rows_than_a_readiness_check_can_repeat_are_refused() -> None:
    rows = [GoldenRow({}, (0.5,))] * MAX_ROWS
    assert len(golden_from_bytes(VERSION, golden_to_bytes(rows))) == MAX_ROWS
    with pytest.raises(ModelUnusable, match="more than 1,000 golden rows"):
        golden_from_bytes(VERSION, golden_to_bytes([*rows, rows[0]]))


def test_a_model_that_answers_as_it_did() -> None:
    check(ROWS)
    check([replace(row, numbers=(row.numbers[0] + TOLERANCE / 2,)) for row in ROWS])


@pytest.mark.parametrize("place", range(len(ROWS)))
@pytest.mark.parametrize("wrong", [0.0, 1.0, float("nan"), 1e308])
def test_one_wrong_answer_is_enough(place: int, wrong: float) -> None:
    rows = [
        replace(row, numbers=(wrong,)) if number == place else row
        for number, row in enumerate(ROWS)
    ]
    with pytest.raises(ModelUnusable):
        check(rows)


def test_rows_of_another_number_of_numbers_are_refused() -> None:
    with pytest.raises(ModelUnusable, match="do not have 1 numbers each"):
        check([*ROWS[:-1], replace(ROWS[-1], numbers=(0.5, 0.5))])


def test_another_model_does_not_pass() -> None:
    with pytest.raises(ModelUnusable, match="off by"):
        check(ROWS, onnx_model(slope=0.051))


def test_a_model_that_fails_does_not_pass() -> None:
    with pytest.raises(ModelUnusable):
        check(ROWS, failing_model())


def test_no_rows_prove_nothing() -> None:
    with pytest.raises(ModelUnusable, match="no golden rows"):
        check([])


@pytest.mark.parametrize("request_", [{}, {"tenure": -1}, None, [], "row"])
def test_a_request_that_the_contract_refuses(request_: object) -> None:
    rows = golden_from_bytes(VERSION, golden_to_bytes(ROWS))
    broken = GoldenRow(request_, (0.5,))  # type: ignore[arg-type]  # on purpose
    with pytest.raises(ModelUnusable, match="contract"):
        check([*rows, broken])
