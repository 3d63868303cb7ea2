"""Jobs of a model that forecasts: a list of days for each row."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from mlops.batch.job import Format, Limits
from mlops.batch.predicting import Predicted, predict_chunk
from mlops.batch.splitting import split
from mlops.errors import InputRefused
from mlops.inference.loading import ServedModel
from tests.any_forecast import CALLS, answer, predictor, request
from tests.any_model import contract_of, serve
from tests.unit.batch.files import as_rows

ROWS = [
    request([10.0, None, *range(12)]),
    request([7.0] * 400, days=10, line="b"),
    request([7.5] * 14, days=1, since="2024-02-16", line="ключ"),
]
WRONG = [request([None] * 14), request([1.0] * 13), request([1.0] * 14, days=11), {"line": "c"}]


@pytest.fixture(scope="module")
def served() -> ServedModel:
    any_model = serve(contract_of([{"name": "x", "type": "boolean"}]))
    return replace(any_model, contract=CALLS, predictor=predictor())


def as_jsonl(rows: Sequence[dict[str, Any]]) -> bytes:
    return "\n".join(map(json.dumps, rows)).encode()


def as_parquet(rows: Sequence[dict[str, Any]]) -> bytes:
    sink = pa.BufferOutputStream()
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [row.get(name) for row in rows] for name in names}
    parquet.write_table(pa.table(columns), sink)
    return bytes(sink.getvalue())


def predict(content: bytes, served: ServedModel, format: Format, output: Format) -> Predicted:
    (chunk,) = split(content, format, Limits())
    return predict_chunk(chunk, format, output, "job-1", served)


@pytest.mark.parametrize("output", [Format.JSONL, Format.PARQUET])
@pytest.mark.parametrize("format", [Format.JSONL, Format.PARQUET])
def test_rows_get_what_the_api_answers(served: ServedModel, format: Format, output: Format) -> None:
    rows = [{"days": 5, **row} for row in ROWS]
    content = as_jsonl(rows) if format is Format.JSONL else as_parquet(rows)
    found = as_rows(predict(content, served, format, output).results, output)
    for row, expected in zip(found, map(answer, ROWS), strict=True):
        assert {name: row[name] for name in expected} == expected
        assert row["prediction_id"].startswith("pred_")


@pytest.mark.parametrize("format", [Format.JSONL, Format.PARQUET])
def test_a_horizon_that_is_null_is_the_default_as_in_the_api(
    served: ServedModel, format: Format
) -> None:
    rows = [ROWS[0] | {"days": None}, ROWS[1]]
    content = as_jsonl(rows) if format is Format.JSONL else as_parquet(rows)
    found = predict(content, served, format, Format.JSONL)
    assert [len(row["forecast"]) for row in as_rows(found.results, Format.JSONL)] == [5, 10]
    assert found.failed == 0


@pytest.mark.parametrize("format", [Format.JSONL, Format.PARQUET])
def test_a_wrong_row_is_an_error_and_the_others_are_predicted(
    served: ServedModel, format: Format
) -> None:
    rows = [*ROWS, *WRONG]
    content = as_jsonl(rows) if format is Format.JSONL else as_parquet(rows)
    found = predict(content, served, format, Format.JSONL)
    errors = [(it["row"], it["field"], it["type"]) for it in as_rows(found.errors, Format.JSONL)]
    assert errors == [
        (4, "calls", "too_few_known"),
        (5, "calls", "too_short"),
        (6, "days", "less_than_equal"),
        (7, "since", "missing"),
        (7, "calls", "missing"),
    ]
    assert (found.done, found.failed) == (3, 4)


def test_a_job_whose_rows_are_all_wrong_has_no_results(served: ServedModel) -> None:
    found = predict(as_jsonl(WRONG), served, Format.JSONL, Format.JSONL)
    assert (found.done, found.failed, found.results) == (0, 4, b"")


@pytest.mark.parametrize("output", [Format.CSV, Format.CSV_GZIP])
def test_results_in_csv_are_refused_with_the_reason(served: ServedModel, output: Format) -> None:
    with pytest.raises(InputRefused, match=r"a list for each row \(forecast\), which csv cannot"):
        predict(as_jsonl(ROWS), served, Format.JSONL, output)


def test_an_input_in_csv_is_refused_with_the_reason(served: ServedModel) -> None:
    with pytest.raises(InputRefused, match=r"lists of numbers \(calls\), which csv cannot hold"):
        predict(b"line,since,calls\na,2026-01-05,1\n", served, Format.CSV, Format.JSONL)
