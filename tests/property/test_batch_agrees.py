"""Whatever a row holds, batch and API say the same of it: its prediction, or what is wrong."""

import base64
import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from fastapi import FastAPI
from hypothesis import given, settings

from functions.api.gateway import behind_gateway
from mlops.batch.job import Format, Limits
from mlops.batch.predicting import predict_chunk
from mlops.batch.splitting import split
from mlops.bootstrap import pinned_models
from mlops.inference.loading import ServedModel
from mlops.inference.version import Pin
from mlops.models.churn.contract import CHURN
from tests.property.odd_rows import Rows
from tests.property.requests import JSON_VALUES

EACH = 2_500
NUMBERS = {field.name for field in CHURN.fields if field.type in ("integer", "number")}

# A row is [predicted answer] or [(field, type, detail) of each error].
Verdict = list[Any]


@pytest.fixture(scope="session")
def served(
    trained_store: Path, churn_pin: Pin, tmp_path_factory: pytest.TempPathFactory
) -> ServedModel:
    cache = tmp_path_factory.mktemp("cache")
    models = pinned_models([churn_pin], baked=None, store=str(trained_store), cache=cache)
    return models.get("churn")


class Api:
    def __init__(self, app: FastAPI) -> None:
        self._handler: Any = behind_gateway(app)

    def verdict(self, body: bytes) -> Verdict:
        http = {"method": "POST", "path": "/v1/predict/churn", "sourceIp": "192.0.2.1"}
        event = {
            "version": "2.0",
            "headers": {"content-type": "application/json"},
            "requestContext": {"http": http},
            "body": base64.b64encode(body).decode(),
            "isBase64Encoded": True,
        }
        answered = self._handler(event, None)
        content = answered["body"]
        if answered["isBase64Encoded"]:
            content = base64.b64decode(content)
        answer = json.loads(content)
        if answered["statusCode"] == 200:
            del answer["prediction_id"]
            return [answer]
        if answered["statusCode"] == 400:
            return [("row", "malformed_json", answer["detail"])]
        assert answered["statusCode"] == 422, answer
        return [
            # A stranger may call a field `body`, too.
            (
                "row"
                if error["field"] == "body" and error["type"] != "extra_forbidden"
                else error["field"],
                error["type"],
                error["detail"],
            )
            for error in answer["errors"]
        ]


@pytest.fixture(scope="module")
def api(app: FastAPI) -> Api:
    return Api(app)


def batch_verdicts(content: bytes, format: Format, served: ServedModel) -> list[Verdict]:
    (chunk,) = split(content, format, Limits())
    predicted = predict_chunk(chunk, format, Format.JSONL, "job-1", served)
    results = [json.loads(line) for line in predicted.results.splitlines()]
    errors = [json.loads(line) for line in predicted.errors.splitlines()]
    verdicts: list[Verdict] = [[] for _ in range(chunk.rows)]
    for error in errors:
        verdicts[error["row"] - 1].append((error["field"], error["type"], error["detail"]))
    for result in results:
        row = int(result.pop("prediction_id")[-12:])
        assert not verdicts[row - 1]
        verdicts[row - 1].append(result)
    assert (predicted.done, predicted.done + predicted.failed) == (len(results), chunk.rows)
    return verdicts


def line(row: object) -> bytes:
    return json.dumps(row, ensure_ascii=False).encode()


def test_json_lines(api: Api, served: ServedModel) -> None:
    rows = Rows(CHURN, 1)
    sent = [line(rows.json()) for _ in range(EACH)]
    require_equal(batch_verdicts(b"\n".join(sent), Format.JSONL, served), sent, api)


def among_others(sent: bytes, served: ServedModel) -> list[Verdict]:
    """Return the verdict of a line that follows a right one: without any, no line is read."""
    right = line({"customer_id": "a", "tenure": 1, "monthly_charges": 1})
    return batch_verdicts(right + b"\n" + sent, Format.JSONL, served)[1:]


@settings(max_examples=200)
@given(sent=JSON_VALUES)
def test_lines_of_any_json(api: Api, served: ServedModel, sent: object) -> None:
    require_equal(among_others(line(sent), served), [line(sent)], api)


@pytest.mark.parametrize(
    "sent",
    [
        b'{"customer_id": "a", "tenure": 1, "monthly_charges": 1e999}',
        b'{"customer_id": "a", "tenure": 1, "monthly_charges": NaN}',
        b'{"customer_id": "a", "tenure": 1, "tenure": 1, "monthly_charges": 1}',
        b'{"customer_id": "\\ud800", "tenure": 1, "monthly_charges": 1}',
        b'{"customer_id": "a", "tenure": ' + b"9" * 400 + b', "monthly_charges": 1}',
        b"[" * 60_000,
        b'{"customer_id": "a"',
        b"'",
        b"{}{}",
    ],
)
def test_lines_that_are_hardly_json(api: Api, served: ServedModel, sent: bytes) -> None:
    assert among_others(sent, served) == [of_a_line(api.verdict(sent))]


def of_a_line(verdict: Verdict) -> Verdict:
    """Return the API's verdict in the words for a line of a file, whose number stands beside it."""
    if not isinstance(verdict, list):
        return verdict
    return [
        (*found[:-1], found[-1].replace(" at line 1 column", " at column")) for found in verdict
    ]


def as_csv(sent: Sequence[dict[str, str]], *, quote_all: bool) -> bytes:
    file = io.StringIO(newline="")
    dialect = "unix" if quote_all else "excel"  # they differ in what is quoted
    writer = csv.DictWriter(file, list(sent[0]), dialect=dialect, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(sent)
    return file.getvalue().encode()


def as_request(row: dict[str, str]) -> bytes:
    """What a client would send to the API for a line of CSV, written down a second time."""
    members = []
    for name, text in row.items():
        if text.strip(" \t\u00a0") == "":
            continue
        value = json.dumps(text, ensure_ascii=False)
        if name in NUMBERS and is_json_number(text):
            value = text
        members.append(f'"{name}": {value}')
    return ("{" + ", ".join(members) + "}").encode()


def is_json_number(text: str) -> bool:
    try:
        return text == text.strip() and type(json.loads(text, parse_constant=str)) in (int, float)
    except ValueError:
        return False


@pytest.mark.parametrize("quote_all", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_csv(api: Api, served: ServedModel, quote_all: bool, seed: int) -> None:
    rows = Rows(CHURN, seed)
    columns = rows.columns()
    sent = [rows.texts(columns) for _ in range(EACH // 5)]
    found = batch_verdicts(as_csv(sent, quote_all=quote_all), Format.CSV, served)
    require_equal(found, [as_request(row) for row in sent], api)


def test_parquet(api: Api, served: ServedModel) -> None:
    rows = Rows(CHURN, 3)
    sent = [rows.typed() for _ in range(EACH)]
    table = pa.table(
        {
            name: pa.array(
                [row.get(name) for row in sent], pa.float64() if name in NUMBERS else pa.string()
            )
            for name in CHURN.by_name
        }
    )
    file = io.BytesIO()
    parquet.write_table(table, file)
    found = batch_verdicts(file.getvalue(), Format.PARQUET, served)
    asked = [
        {
            name: float(cell) if name in NUMBERS else cell
            for name, cell in row.items()
            if cell is not None
        }
        for row in sent
    ]
    require_equal(found, [line(row) for row in asked], api)


def require_equal(found: list[Verdict], sent: Sequence[bytes], api: Api) -> None:
    """Both kinds of rows have to be there, or the comparison says little."""
    asked = [api.verdict(body) for body in sent]
    for body, batch, single in zip(sent, found, asked, strict=True):
        if "malformed_json" in str(single) and "finite_number" in str(batch):
            continue  # a number that no float can hold: no JSON at all, but a cell like any other
        assert in_order(batch) == in_order(single), body[:2_000]
    if len(sent) > 100:
        refused = sum(isinstance(single[0], tuple) for single in asked)
        assert 0.1 < refused / len(sent) < 0.9


def in_order(verdict: Verdict) -> Verdict:
    """Unknown fields are named in the order in which they were sent; columns have another one."""
    return verdict if isinstance(verdict[0], dict) else sorted(verdict)
