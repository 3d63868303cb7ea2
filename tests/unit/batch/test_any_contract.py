"""Jobs of any contract: each type of field, task and subject, in each format."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from mlops.batch.job import NO_RENAMES, Format, Limits, Renames
from mlops.batch.predicting import Predicted, predict_chunk
from mlops.batch.splitting import split
from mlops.batch.tables import merge
from mlops.errors import InputRefused
from mlops.inference.loading import ServedModel
from mlops.models.contract import Contract, RequestField
from mlops.models.inputs import Tensors
from tests.any_model import CLASSES, contract_of, serve
from tests.unit.batch.files import as_rows

FIELDS: list[dict[str, Any]] = [
    {"name": "age", "type": "integer", "ge": 18, "lt": 100},
    {"name": "score", "type": "number", "gt": 0, "le": 1, "required": False},
    {"name": "smoker", "type": "boolean", "required": False},
    {"name": "size", "type": "category", "choices": ["S", "M"], "required": False},
    {"name": "since", "type": "date", "required": False},
]
ROW = {"age": 30, "score": 0.5, "smoker": True, "size": "M", "since": "2026-01-31"}
PLAIN = [Format.CSV, Format.JSONL, Format.PARQUET]


def predict(
    content: bytes,
    served: ServedModel,
    format: Format = Format.CSV,
    output: Format = Format.JSONL,
    rename: Renames = NO_RENAMES,
) -> Predicted:
    (chunk,) = split(content, format, Limits())
    return predict_chunk(chunk, format, output, "job-1", served, rename=rename)


def results(predicted: Predicted) -> list[dict[str, Any]]:
    return as_rows(predicted.results, Format.JSONL)


def errors(predicted: Predicted) -> list[tuple[int, str, str]]:
    found = as_rows(predicted.errors, Format.JSONL)
    return [(error["row"], error["field"], error["type"]) for error in found]


def answer_to(request: Mapping[str, Any], served: ServedModel) -> dict[str, Any]:
    """Return what the API answers."""
    contract = served.contract
    tensors = contract.encoder.tensors([contract.request.model_validate(request)])
    return contract.outcome.answer(served.predictor.predict_one(tensors))


def changed(contract: Contract, **parts: Any) -> Contract:
    """Return a contract with other parts, unchecked: later formats of inputs take other fields."""
    same = {name: getattr(contract, name) for name in Contract.model_fields}
    return Contract.model_construct(**same | parts)


def as_csv(*rows: Mapping[str, str]) -> bytes:
    lines = [",".join(rows[0]), *(",".join(row.values()) for row in rows)]
    return "\n".join(lines).encode()


def as_parquet(**columns: Any) -> bytes:
    sink = io.BytesIO()
    parquet.write_table(pa.table(columns), sink)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("cells", "meant"),
    [
        ({}, {}),
        ({"smoker": "TRUE"}, {"smoker": True}),
        ({"smoker": "False"}, {"smoker": False}),
        ({"smoker": "  "}, {"smoker": None}),
        ({"since": "0001-01-01"}, {"since": "0001-01-01"}),
        ({"since": "1969-12-31"}, {"since": "1969-12-31"}),
        ({"since": ""}, {"since": None}),
        ({"size": "\u00a0"}, {"size": None}),
        ({"age": "3e1"}, {}),
        ({"age": "30.0"}, {}),
        ({"score": "1"}, {"score": 1}),
    ],
)
def test_csv_cells_mean_what_the_api_takes(cells: dict[str, str], meant: dict[str, Any]) -> None:
    served = serve(contract_of(FIELDS))
    texts = {name: json.dumps(value).strip('"') for name, value in ROW.items()}
    (found,) = results(predict(as_csv(texts | cells), served))
    assert found["price"] == answer_to(ROW | meant, served)["price"]


@pytest.mark.parametrize(
    ("field", "cell", "type"),
    [
        ("smoker", "yes", "bool_type"),
        ("smoker", "1", "bool_type"),
        ("since", "2026-02-30", "date_type"),
        ("since", "31.01.2026", "date_type"),
        ("since", "2026-01-31T00:00:00", "date_type"),
        ("size", "m", "literal_error"),
        ("age", "17", "greater_than_equal"),
        ("age", "100", "less_than"),
        ("age", "30.5", "int_type"),
        ("age", " ", "missing"),
        ("score", "0", "greater_than"),
        ("score", "1.5", "less_than_equal"),
    ],
)
def test_a_csv_cell_that_is_none_of_the_fields_values_is_an_error(
    field: str, cell: str, type: str
) -> None:
    texts = {name: json.dumps(value).strip('"') for name, value in ROW.items()}
    found = predict(as_csv(texts | {field: cell}, texts), serve(contract_of(FIELDS)))
    assert errors(found) == [(1, field, type)]
    assert found.done == 1


@pytest.mark.parametrize(
    ("name", "column", "meant"),
    [
        ("smoker", pa.array([True, False, None]), [True, False, None]),
        ("smoker", pa.nulls(3), [None, None, None]),
        ("since", pa.array([date(2026, 1, 31), date(1, 1, 1), None]), [ROW["since"], "0001-01-01"]),
        ("since", pa.array([date(2026, 1, 31)] * 3, pa.date64()), [ROW["since"]] * 3),
        ("since", pa.array([datetime(2026, 1, 31), None, None]), [ROW["since"], None, None]),
        ("since", pa.array([datetime(1960, 2, 29)] * 3, pa.timestamp("ns")), ["1960-02-29"] * 3),
        ("since", pa.array([ROW["since"], None, None]), [ROW["since"], None, None]),
        ("since", pa.array(["2026-01-31", None, "2026-01-31"]).dictionary_encode(), [ROW["since"]]),
        ("size", pa.array(["S", None, "M"]).dictionary_encode(), ["S", None, "M"]),
        ("score", pa.array([Decimal("0.25"), None, Decimal("1.00")]), [0.25, None, 1]),
        ("score", pa.array([1, None, 1], pa.uint8()), [1, None, 1]),
        ("age", pa.array([18, 19, 99], pa.int8()), [18, 19, 99]),
        ("age", pa.array([18.0, 19.0, 99.0]), [18, 19, 99]),
        ("age", pa.array([Decimal(18), Decimal(19), Decimal(99)]), [18, 19, 99]),
    ],
    ids=str,
)
def test_parquet_columns_mean_what_the_api_takes(name: str, column: pa.Array, meant: Any) -> None:
    served = serve(contract_of(FIELDS))
    columns: dict[str, Any] = {"age": [30, 30, 30], name: column}
    found = predict(as_parquet(**columns), served, Format.PARQUET)
    assert errors(found) == []
    for row, value in zip(results(found), meant, strict=False):
        assert row["price"] == answer_to({"age": 30, name: value}, served)["price"]


@pytest.mark.parametrize(
    ("name", "cell", "type"),
    [
        ("since", datetime(2026, 1, 31, 12), "date_type"),
        ("since", "2026-1-31", "date_type"),
        ("since", pa.scalar(10_000_000, pa.date32()), "date_type"),  # beyond any date of Python
        ("age", Decimal("30.50"), "int_type"),
        ("age", Decimal("100.00"), "less_than"),
        ("score", float("nan"), "finite_number"),
    ],
)
def test_a_parquet_cell_that_is_none_of_the_fields_values_is_an_error(
    name: str, cell: Any, type: str
) -> None:
    columns: dict[str, Any] = {"age": pa.array([30, 31]), name: pa.array([cell, None])}
    if name == "age":
        columns["age"] = pa.array([cell, Decimal("31.00")])
    found = predict(as_parquet(**columns), serve(contract_of(FIELDS)), Format.PARQUET)
    assert errors(found) == [(1, name, type)]
    assert found.done == 1


@pytest.mark.parametrize(
    ("name", "column", "reason"),
    [
        ("smoker", pa.array([1]), "smoker is int64, not a boolean"),
        ("smoker", pa.array(["true"]), "smoker is string, not a boolean"),
        ("age", pa.array([True]), "age is bool, not a number"),
        ("since", pa.array([20260131]), "since is int64, not a date"),
        (
            "since",
            pa.array([datetime(2026, 1, 31)], pa.timestamp("us", "UTC")),
            r"since is timestamp\[us, tz=UTC\], not a date",
        ),
        ("size", pa.array([date(2026, 1, 31)]), r"size is date32\[day\], not text"),
        ("score", pa.array([[0.5]]), r"score is list<.*>, not a number"),
    ],
)
def test_a_parquet_column_of_another_type_is_refused(
    name: str, column: pa.Array, reason: str
) -> None:
    content = as_parquet(**{"age": pa.array([30]), name: column})
    with pytest.raises(InputRefused, match=f"columns of the wrong type: {reason}"):
        predict(content, serve(contract_of(FIELDS)), Format.PARQUET)


def ids_as(format: Format, ids: Sequence[Any], fields: Mapping[str, Any] = ROW) -> bytes:
    if format is Format.PARQUET:
        return as_parquet(id=pa.array(ids), age=[fields["age"]] * len(ids))
    if format is Format.CSV:
        return as_csv(*({"id": str(each), "age": str(fields["age"])} for each in ids))
    return b"\n".join(json.dumps({"id": each, "age": fields["age"]}).encode() for each in ids)


@pytest.mark.parametrize("format", PLAIN)
def test_integer_ids_come_back_exactly(format: Format) -> None:
    ids = [7, 2**63 - 2, -(2**63) + 1, 2**53 + 1, 0]
    served = serve(contract_of(FIELDS, subject="integer"))
    found = predict(ids_as(format, ids), served, format)
    assert [row["id"] for row in results(found)] == ids
    typed = predict(ids_as(format, ids), served, format, Format.PARQUET).results
    assert parquet.read_schema(pa.BufferReader(typed)).field("id").type == pa.int64()
    assert [row["id"] for row in as_rows(typed, Format.PARQUET)] == ids
    texts = predict(ids_as(format, ids), served, format, Format.CSV).results
    assert [row["id"] for row in as_rows(texts, Format.CSV)] == list(map(str, ids))


@pytest.mark.parametrize(
    ("format", "ids"),
    [
        (Format.CSV, ["7.0", "1e3", "-0"]),
        (Format.JSONL, [7.0, 1e3, -0.0]),
        (Format.PARQUET, [7.0, 1e3, -0.0]),
        (Format.PARQUET, [Decimal("7.0"), Decimal("1000.0"), Decimal("0.0")]),
    ],
)
def test_an_integer_id_may_be_written_as_another_number(format: Format, ids: list[Any]) -> None:
    found = predict(ids_as(format, ids), serve(contract_of(FIELDS, subject="integer")), format)
    assert [row["id"] for row in results(found)] == [7, 1000, 0]


def test_decimals_of_many_digits_are_ids_to_the_last_one() -> None:
    ids = [Decimal(2**62 + 1), Decimal(2**53 + 1)]
    content = as_parquet(id=pa.array(ids, pa.decimal128(38, 0)), age=[30, 30])
    found = predict(content, serve(contract_of(FIELDS, subject="integer")), Format.PARQUET)
    assert [row["id"] for row in results(found)] == ids


@pytest.mark.parametrize(
    ("format", "ids", "type"),
    [
        (Format.CSV, ["x", "", "9223372036854775807"], ["int_type", "missing", "less_than"]),
        (Format.CSV, ["+7", "07", "000000000000000007"], ["int_type"] * 3),
        (Format.JSONL, ["7", None, 2**63], ["int_type", "int_type", "less_than"]),
        (Format.JSONL, [True, 7.5, 10**30], ["int_type", "int_type", "less_than"]),
        (Format.PARQUET, [7.5, None, 1e19], ["int_type", "missing", "less_than"]),
    ],
)
def test_ids_that_are_no_integers_are_errors(
    format: Format, ids: list[Any], type: list[str]
) -> None:
    found = predict(
        ids_as(format, [*ids, 1]), serve(contract_of(FIELDS, subject="integer")), format
    )
    assert errors(found) == [(row, "id", each) for row, each in enumerate(type, start=1)]
    assert [row["id"] for row in results(found)] == [1]


def test_an_unsigned_id_beyond_64_bits_with_a_sign_is_an_error() -> None:
    content = as_parquet(id=pa.array([2**64 - 1, 7], pa.uint64()), age=[30, 30])
    found = predict(content, serve(contract_of(FIELDS, subject="integer")), Format.PARQUET)
    assert errors(found) == [(1, "id", "less_than")]


@pytest.mark.parametrize("format", PLAIN)
@pytest.mark.parametrize("output", PLAIN)
def test_without_a_subject_results_begin_with_the_number_of_the_row(
    format: Format, output: Format
) -> None:
    rows = {
        Format.CSV: as_csv({"age": "30"}, {"age": "7"}, {"age": "31"}),
        Format.JSONL: b'{"age": 30}\n{"age": 7}\n{"age": 31}',
        Format.PARQUET: as_parquet(age=[30, 7, 31]),
    }
    served = serve(contract_of(FIELDS))
    found = predict(rows[format], served, format, output)
    answers = as_rows(found.results, output)
    assert list(answers[0]) == ["row", "price", "model_version", "prediction_id"]
    assert [int(answer["row"]) for answer in answers] == [1, 3]
    assert [int(error["row"]) for error in as_rows(found.errors, output)] == [2]


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("subject", ["text", "integer", None])
def test_json_results_are_the_answers_of_the_api(task: str, subject: str | None) -> None:
    served = serve(contract_of(FIELDS, task=task, subject=subject))
    ids: dict[str | None, dict[str, Any]] = {"text": {"id": "a"}, "integer": {"id": 7}, None: {}}
    about = ids[subject]
    (found,) = results(predict(json.dumps(about | ROW).encode(), served, Format.JSONL))
    assert found.pop("row", None) == (1 if subject is None else None)
    assert found.pop("model_version") == "any-model-v1.0.0"
    assert found.pop("prediction_id").endswith("1")
    assert found == about | answer_to(about | ROW, served)


def test_probabilities_of_classes_are_nested_in_json_and_parquet_and_flat_in_csv() -> None:
    served = serve(contract_of(FIELDS, task="multiclass", subject="text"))
    content = as_csv({"id": "a", "age": "30"}, {"id": "b", "age": "31"})
    expected = [answer_to({"id": "a", "age": age}, served) for age in (30, 31)]
    nested = predict(content, served).results
    assert [row["probabilities"] for row in as_rows(nested, Format.JSONL)] == [
        answer["probabilities"] for answer in expected
    ]
    typed = predict(content, served, output=Format.PARQUET).results
    kind = parquet.read_schema(pa.BufferReader(typed)).field("probabilities").type
    assert kind == pa.struct([(name, pa.float64()) for name in CLASSES])
    assert [row["probabilities"] for row in as_rows(typed, Format.PARQUET)] == [
        answer["probabilities"] for answer in expected
    ]
    flat = as_rows(predict(content, served, output=Format.CSV).results, Format.CSV)
    assert list(flat[0]) == [
        *("id", "category"),
        *(f"probabilities.{name}" for name in CLASSES),
        *("model_version", "prediction_id"),
    ]
    assert [float(row["probabilities.é"]) for row in flat] == [
        answer["probabilities"]["é"] for answer in expected
    ]


@pytest.mark.parametrize("output", PLAIN)
@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_results_without_any_row_have_the_same_columns(task: str, output: Format) -> None:
    served = serve(contract_of(FIELDS, task=task, subject="integer"))
    none = predict(as_csv({"id": "1", "age": "7"}), served, output=output).results
    some = predict(as_csv({"id": "1", "age": "30"}), served, output=output).results
    (row,) = as_rows(b"".join(merge([none, some, none], output)), output)
    assert list(row) == list(as_rows(some, output)[0])
    if output is Format.PARQUET:
        schemas = [parquet.read_schema(pa.BufferReader(part)) for part in (none, some)]
        assert schemas[0] == schemas[1]


def test_a_class_whose_name_has_a_line_feed_does_not_break_merged_csv() -> None:
    contract = contract_of(FIELDS, task="multiclass")
    answer = contract.answer.model_copy(update={"classes": ("a\nb", "c")})
    served = serve(changed(contract, answer=answer))
    part = predict(as_csv({"age": "30"}), served, output=Format.CSV).results
    found = as_rows(b"".join(merge([part, part], Format.CSV)), Format.CSV)
    assert [row["row"] for row in found] == ["1", "1"]
    assert "probabilities.a\nb" in found[0]


DEFAULTS: list[dict[str, Any]] = [
    {"name": "age", "type": "integer", "ge": 18, "le": 99, "required": False, "default": -1},
    {"name": "size", "type": "category", "choices": ["S", "M"], "required": False, "default": "M"},
    {"name": "smoker", "type": "boolean", "required": False, "default": True},
    {"name": "rate", "type": "number", "ge": 0, "le": 9, "required": False},
]


@pytest.mark.parametrize(
    ("content", "format"),
    [
        (b"rate\n1\n", Format.CSV),
        (b"rate,age,size,smoker\n1,,, \n", Format.CSV),
        (b'{"rate": 1}', Format.JSONL),
        (as_parquet(rate=[1]), Format.PARQUET),
        (
            as_parquet(
                rate=[1],
                age=pa.nulls(1, pa.int64()),
                size=pa.nulls(1, pa.string()),
                smoker=pa.nulls(1, pa.bool_()),
            ),
            Format.PARQUET,
        ),
    ],
)
def test_a_field_that_is_not_sent_has_its_default(content: bytes, format: Format) -> None:
    served = serve(contract_of(DEFAULTS))
    (found,) = results(predict(content, served, format))
    sent = {"rate": 1, "age": None, "size": "M", "smoker": True}
    assert found["price"] == answer_to({"rate": 1}, served)["price"]
    assert found["price"] != answer_to(sent, served)["price"]


def test_a_null_in_json_is_no_default() -> None:
    served = serve(contract_of(DEFAULTS))
    sent = {"rate": 1, "age": None, "size": None, "smoker": None}
    (found,) = results(predict(json.dumps(sent).encode(), served, Format.JSONL))
    assert found["price"] == answer_to(sent, served)["price"]
    assert found["price"] != answer_to({"rate": 1}, served)["price"]


@pytest.mark.parametrize("sent", [b"[]", b"7", b"null", b'"age"'])
def test_a_line_that_is_no_object_is_an_error_where_no_field_is_required(sent: bytes) -> None:
    found = predict(b"{}\n" + sent, serve(contract_of(DEFAULTS)), Format.JSONL)
    assert errors(found) == [(2, "row", "model_attributes_type")]
    assert [row["row"] for row in results(found)] == [1]


def test_integers_that_no_float_tells_apart_are_checked_exactly() -> None:
    bounds = {"ge": 2**53 + 1, "le": 2**60}
    served = serve(contract_of([{"name": "n", "type": "integer", **bounds}], dtype="float64"))
    for content, format in (
        (as_csv({"n": str(2**53)}, {"n": str(2**53 + 1)}), Format.CSV),
        (b'{"n": %d}\n{"n": %d}' % (2**53, 2**53 + 1), Format.JSONL),
        (as_parquet(n=[2**53, 2**53 + 1]), Format.PARQUET),
    ):
        found = predict(content, served, format)
        assert errors(found) == [(1, "n", "greater_than_equal")]
        assert found.done == 1


@pytest.mark.parametrize("format", PLAIN)
def test_a_file_without_any_column_of_the_model_is_refused(format: Format) -> None:
    content = {
        Format.CSV: b"other\n1\n",
        Format.JSONL: b'{"other": 1}',
        Format.PARQUET: as_parquet(other=[1]),
    }
    served = serve(contract_of(DEFAULTS))
    leave_out = {"other": None}
    if format is Format.JSONL:  # as an object without members is a request
        assert predict(content[format], served, format, rename=leave_out).done == 1
        return
    with pytest.raises(InputRefused, match="no column is left. Keep at least one field"):
        predict(content[format], served, format, rename=leave_out)


@pytest.mark.parametrize("format", PLAIN)
def test_a_column_that_is_renamed_to_no_field_of_the_model_fails_the_job(format: Format) -> None:
    content = {
        Format.CSV: as_csv({"age": "30"}),
        Format.JSONL: b'{"age": 30}',
        Format.PARQUET: as_parquet(age=[30]),
    }
    with pytest.raises(InputRefused, match="rename: the model has no field 'tenure'"):
        predict(content[format], serve(contract_of(FIELDS)), format, rename={"x": "tenure"})


class Sums:
    """An input without columns: of each text its length, and of each list its sum."""

    fields: tuple[RequestField, ...] = ()

    def __init__(self) -> None:
        self.calls: list[int] = []

    def tensors(self, requests: Sequence[Any]) -> Tensors:
        self.calls.append(len(requests))
        sums = [len(each.text) + sum(getattr(each, "history", None) or ()) for each in requests]
        return {"sums": np.array(sums, np.float64).reshape(len(requests), 1)}


class Echo:
    """A predictor that returns its input."""

    def predict(self, tensors: Tensors) -> Any:
        return tensors["sums"]


TEXT = {"name": "text", "type": "text", "min_length": 1, "max_length": 9}
HISTORY = {
    **{"name": "history", "type": "list of numbers", "required": False},
    **{"ge": 0, "le": 9, "max_length": 3},
}


def without_columns(*fields: Mapping[str, Any]) -> tuple[ServedModel, Sums]:
    """Return a model as later formats of inputs will have it."""
    contract = contract_of(FIELDS, subject="text")
    added = tuple(RequestField.model_validate(field) for field in fields)
    id, *_ = contract.fields
    contract = changed(contract, fields=(id, *added))
    encoder = Sums()
    vars(contract)["encoder"] = encoder
    predictor: Any = Echo()
    return replace(serve(contract_of(FIELDS)), contract=contract, predictor=predictor), encoder


@pytest.mark.parametrize("format", PLAIN)
def test_rows_of_an_input_without_columns_are_encoded_in_one_call(format: Format) -> None:
    served, encoder = without_columns(TEXT)
    content = {
        Format.CSV: b"id,text\na,seven\nb,\nc,eleven\n",
        Format.JSONL: b'{"id": "a", "text": "seven"}\n{"id": "b"}\n{"id": "c", "text": "eleven"}',
        Format.PARQUET: as_parquet(id=["a", "b", "c"], text=["seven", None, "eleven"]),
    }
    found = predict(content[format], served, format)
    assert encoder.calls == [2]
    assert [(row["id"], row["price"]) for row in results(found)] == [("a", 5), ("c", 6)]
    assert errors(found) == [(2, "text", "missing")]


def test_lists_of_numbers_come_in_json_lines() -> None:
    served, encoder = without_columns(TEXT, HISTORY)
    content = b'{"id": "a", "text": "x", "history": [1, 2.5]}\n{"id": "b", "text": "x"}'
    found = predict(content, served, Format.JSONL)
    assert [row["price"] for row in results(found)] == [4.5, 1]
    assert encoder.calls == [2]


def test_lists_of_numbers_are_refused_in_csv() -> None:
    served, _ = without_columns(TEXT, HISTORY)
    with pytest.raises(InputRefused, match=r"\(history\), which csv cannot hold"):
        predict(b"id,text\na,x\n", served, Format.CSV)


@pytest.mark.parametrize(
    "kind",
    [
        pa.list_(pa.float64()),
        pa.large_list(pa.float32()),
        pa.list_(pa.int16()),
        pa.list_(pa.decimal128(5, 2)),
    ],
    ids=str,
)
def test_lists_of_numbers_come_in_parquet(kind: pa.DataType) -> None:
    served, encoder = without_columns(TEXT, HISTORY)
    history = pa.array([[1, 2], None, [3]], kind)
    found = predict(
        as_parquet(id=["a", "b", "c"], text=["x", "x", "x"], history=history),
        served,
        Format.PARQUET,
    )
    assert [row["price"] for row in results(found)] == [4, 1, 4]
    assert encoder.calls == [3]


@pytest.mark.parametrize("kind", [pa.list_(pa.string()), pa.list_(pa.list_(pa.int8())), pa.int8()])
def test_other_columns_are_no_lists_of_numbers(kind: pa.DataType) -> None:
    served, _ = without_columns(TEXT, HISTORY)
    content = as_parquet(id=["a"], text=["x"], history=pa.nulls(1, kind))
    with pytest.raises(InputRefused, match=r"history is .*, not a list of numbers"):
        predict(content, served, Format.PARQUET)
