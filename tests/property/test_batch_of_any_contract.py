"""Whatever a row holds, a batch job and the contract's request class say the same of it."""

import csv
import io
import itertools
import json
import re
from collections.abc import Sequence
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from mlops.batch.job import Format, Limits
from mlops.batch.predicting import predict_chunk
from mlops.batch.splitting import split
from mlops.inference.loading import ServedModel
from mlops.models.churn.contract import CHURN
from mlops.models.contract import Contract, RequestField
from mlops.models.schemas import Request
from mlops.models.validation import validate
from tests.any_model import serve
from tests.property.contracts import draw_contract
from tests.property.odd_rows import ODD_DATES, Rows

EACH = 1_000
CONTRACTS = [CHURN, *map(draw_contract, range(9))]
ANY = pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.task)
DATES = itertools.cycle(["texts", "days", "moments"])

# A row is [predicted answer] or [(field, type, detail) of each error].
Verdict = list[Any]


def test_the_contracts_have_all_there_is() -> None:
    fields = [field for contract in CONTRACTS for field in contract.fields]
    features = [field for contract in CONTRACTS for field in contract.encoder.fields]
    kinds = {(field.type, field.required) for field in features}
    types = ("integer", "number", "boolean", "category", "date")
    assert kinds == {(type, required) for type in types for required in (True, False)}
    assert all(any(getattr(field, bound) for field in fields) for bound in ("ge", "gt", "le", "lt"))
    assert (
        len({(each.task, each.subject and each.by_name[each.subject].type) for each in CONTRACTS})
        == 9
    )
    assert any(field.default is not None for field in fields)
    rules = [rule for contract in CONTRACTS for rule in contract.rules]
    assert any(rule.then for rule in rules) and any(rule.then_not for rule in rules)
    assert any(len(rule.when) > 1 for rule in rules)
    assert {contract.inputs.dtype for contract in CONTRACTS} == {"float32", "float64"}


def batch_verdicts(content: bytes, format: Format, served: ServedModel) -> list[Verdict]:
    (chunk,) = split(content, format, Limits())
    predicted = predict_chunk(chunk, format, Format.JSONL, "job-1", served)
    verdicts: list[Verdict] = [[] for _ in range(chunk.rows)]
    for text in predicted.errors.splitlines():
        error = json.loads(text)
        verdicts[error["row"] - 1].append((error["field"], error["type"], error["detail"]))
    for text in predicted.results.splitlines():
        result = json.loads(text)
        row = int(result.pop("prediction_id")[-12:])
        assert result.pop("row", row) == row
        assert not verdicts[row - 1]
        verdicts[row - 1].append(result)
    return verdicts


def request_verdicts(values: Sequence[object], served: ServedModel) -> list[Verdict]:
    """Return what the request class says of each, and the answers to the valid ones."""
    contract = served.contract
    found = [validate(contract, value) for value in values]
    requests = [each for each in found if isinstance(each, Request)]
    numbers = iter(served.predictor.predict(contract.encoder.tensors(requests)).tolist())
    return [
        [answer_to(contract, each, next(numbers), served.version)]
        if isinstance(each, Request)
        else [(fault.field, fault.type, fault.detail) for fault in each]
        for each in found
    ]


def answer_to(
    contract: Contract, request: Request, numbers: Sequence[float], version: str
) -> dict[str, Any]:
    subject = {contract.subject: getattr(request, contract.subject)} if contract.subject else {}
    return {**subject, **contract.outcome.answer(numbers), "model_version": version}


def require_equal(found: list[Verdict], values: Sequence[object], served: ServedModel) -> None:
    """Both kinds of rows have to be there, or the comparison says little."""
    expected = request_verdicts(values, served)
    for value, batch, single in zip(values, found, expected, strict=True):
        assert in_order(batch) == in_order(single), str(value)[:2_000]
    refused = sum(isinstance(single[0], tuple) for single in expected)
    assert 0.1 < refused / len(expected) < 0.9


def in_order(verdict: Verdict) -> Verdict:
    """Unknown fields are named in the order in which they were sent; columns have another one."""
    return verdict if isinstance(verdict[0], dict) else sorted(verdict)


@ANY
def test_json_lines(contract: Contract) -> None:
    rows, served = Rows(contract, 1), serve(contract)
    sent = [rows.json() for _ in range(EACH)]
    content = "\n".join(json.dumps(row, ensure_ascii=False) for row in sent).encode()
    require_equal(batch_verdicts(content, Format.JSONL, served), sent, served)


@ANY
def test_csv(contract: Contract) -> None:
    rows, served = Rows(contract, 2), serve(contract)
    columns = rows.columns()
    sent = [rows.texts(columns) for _ in range(EACH)]
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, columns)
    writer.writeheader()
    writer.writerows(sent)
    values = [
        {
            name: meaning(contract.by_name[name], text)
            for name, text in row.items()
            if text.strip(" \t\u00a0")
        }
        for row in sent
    ]
    found = batch_verdicts(file.getvalue().encode(), Format.CSV, served)
    require_equal(found, values, served)


def meaning(field: RequestField, text: str) -> object:
    """Return the JSON value that a client would send for a cell, written down a second time."""
    if field.type == "boolean" and re.fullmatch("(?ai)true|false", text):
        return text.upper() == "TRUE"
    if field.type in ("integer", "number") and text == text.strip():
        try:
            value = json.loads(text, parse_constant=str)
        except ValueError:
            return text
        return value if type(value) in (int, float) else text
    return text


ARROW = {
    "text": pa.string(),
    "category": pa.string(),
    "boolean": pa.bool_(),
    "number": pa.float64(),
    "integer": pa.float64(),
}


@pytest.mark.parametrize(("contract", "dates"), [*zip(CONTRACTS, DATES, strict=False)])
def test_parquet(contract: Contract, dates: str) -> None:
    rows, served = Rows(contract, 3), serve(contract)
    sent = [rows.typed() for _ in range(EACH)]
    columns, values = {}, [dict(row) for row in sent]
    for field in contract.fields:
        cells = [row.get(field.name) for row in sent]
        if field.type == "date":
            cells, column = as_dates(cells, dates)
        else:
            kind = ARROW[field.type]
            if kind == pa.float64():
                cells = [None if cell is None else float(cell) for cell in cells]
            column = pa.array(cells, kind)
        columns[field.name] = column
        for row, cell in zip(values, cells, strict=True):
            row[field.name] = cell
    file = io.BytesIO()
    parquet.write_table(pa.table(columns), file)
    # A null is no value; pydantic would take one of JSON in another way where there is a default.
    asked = [{name: cell for name, cell in row.items() if cell is not None} for row in values]
    require_equal(batch_verdicts(file.getvalue(), Format.PARQUET, served), asked, served)


def as_dates(cells: Sequence[Any], dates: str) -> tuple[list[Any], pa.Array]:
    """Return what the cells mean, and the column. A type of dates holds no odd ones."""
    if dates == "texts":
        return [*cells], pa.array(cells, pa.string())
    known = [None if cell in ODD_DATES else cell for cell in cells]
    days = pa.array([None if cell is None else date.fromisoformat(cell) for cell in known])
    return known, days if dates == "days" else days.cast(pa.timestamp("ms"))
