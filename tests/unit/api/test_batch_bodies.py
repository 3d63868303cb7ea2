"""What is sent to the batch routes is checked as strictly as a request for one prediction."""

import json
from typing import Any

import pytest

from functions.api.body import MAX_BODY_BYTES
from mlops.batch.job import Keys
from tests.unit.api.batch_service import (
    ALICE,
    BATCH,
    BOB,
    ROOT,
    BatchService,
    assert_problem,
    both_doors,
    signed_by,
)
from tests.unit.api.costly_bodies import Make, costly_bodies
from tests.unit.api.service import Answer

MARKER = "mArKeR-41c7"
COSTLY = costly_bodies(5_900_000)
PIN = f"churn-model-v1.0.0@sha256:{'a' * 64}"
UPLOADS = f"{BATCH}/uploads"


def refusals(answer: Answer) -> list[tuple[str, str]]:
    problem = assert_problem(answer, 422, "invalid-request")
    assert MARKER not in json.dumps(problem)
    return [(error["field"], error["type"]) for error in problem["errors"]]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"model": None}, ("model", "missing")),
        ({"model": ""}, ("model", "string_too_short")),
        ({"model": 7}, ("model", "string_type")),
        ({"rows": None}, ("input", "missing")),
        ({"input": ROOT}, ("input", "contradiction")),
        ({"rows": []}, ("rows", "too_short")),
        ({"rows": {}}, ("rows", "list_type")),
        ({"rows": [{}, 7]}, ("rows.1", "dict_type")),
        ({"rows": [[MARKER]]}, ("rows.0", "dict_type")),
        ({"rows": None, "input": 7}, ("input", "string_type")),
        ({"rows": None, "input": "s3://" + "a" * 2048}, ("input", "string_too_long")),
        ({"rows": None, "input": f"{ROOT}{MARKER}"}, ("format", "missing")),
        ({"rows": None, "input": f"{ROOT}rows.csv.zip"}, ("format", "missing")),
        ({"format": "csv"}, ("format", "contradiction")),
        ({"format": MARKER}, ("format", "enum")),
        ({"format": 7}, ("format", "enum")),
        ({"rename": ["a"]}, ("rename", "dict_type")),
        ({"rename": {"a": ""}}, ("rename.a", "string_too_short")),
        ({"rename": {str(n): "a" for n in range(1_001)}}, ("rename", "too_long")),
        ({"rename": {str(n): n for n in range(1_001)}}, ("rename", "too_long")),
        ({"rename": {"a": None, "b": "tenur"}}, ("rename", "unknown_field")),
        ({"escape_formulas": "no"}, ("escape_formulas", "bool_type")),
        ({"output_format": "xlsx"}, ("output_format", "enum")),
        ({"pin": MARKER}, ("pin", "pin")),
        ({"pin": f"{PIN}\n"}, ("pin", "pin")),
        ({"pin": PIN.replace("churn", "price")}, ("pin", "contradiction")),
        ({"job_id": "mine"}, ("job_id", "extra_forbidden")),
        ({"submitted_by": BOB}, ("submitted_by", "extra_forbidden")),
    ],
    ids=str,
)
def test_a_wrong_field_is_named(
    batch: BatchService, changed: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert refusals(batch.submit(**changed)) == [expected]
    assert batch.calls == []


def test_an_object_is_asked_for_in_words_of_json(batch: BatchService) -> None:
    (error,) = batch.submit(rows=[7]).json()["errors"]
    assert error["detail"] == "Input should be an object"


@pytest.mark.parametrize("number", [1, 10_000])
def test_so_many_rows_are_taken(batch: BatchService, number: int) -> None:
    job_id = batch.submitted(rows=[{}] * number)
    assert len(batch.store.get(Keys(job_id).inline_rows).content.splitlines()) == number


@pytest.mark.parametrize("row", [{}, 7])
def test_10001_rows_are_refused(batch: BatchService, row: object) -> None:
    assert refusals(batch.submit(rows=[row] * 10_001)) == [("rows", "too_long")]


def test_many_wrong_rows_are_counted(batch: BatchService) -> None:
    problem = batch.submit(rows=[7] * 10_000).json()
    assert problem["detail"] == "More than 50 fields are invalid; these are the first of them."
    assert len(problem["errors"]) == 50


@pytest.mark.parametrize(("make", "status"), COSTLY.values(), ids=list(COSTLY))
def test_a_costly_body_is_answered_in_a_few_words(
    batch: BatchService, make: Make, status: int
) -> None:
    answer = batch.api.through_lambda("POST", BATCH, make(), authorizer=signed_by(ALICE))
    assert answer.status == status
    assert len(answer.body) < 20_000


@pytest.mark.parametrize(("objects", "status"), [(199_998, 422), (199_999, 413)])
def test_a_large_body_has_a_limit_of_objects_and_lists(
    batch: BatchService, objects: int, status: int
) -> None:
    rows = b",".join([b"{}"] * objects)
    body = b'{"rows": [' + rows + b"]}" + b" " * MAX_BODY_BYTES
    answer = batch.api.through_lambda("POST", BATCH, body, authorizer=signed_by(ALICE))
    assert answer.status == status


@pytest.mark.parametrize(("path", "limit"), [(BATCH, 6_000_000), (UPLOADS, 1_000_000)])
def test_each_route_has_its_limit(batch: BatchService, path: str, limit: int) -> None:
    for answer in both_doors(batch.api, path, b"{}" + b" " * (limit - 2)):
        assert_problem(answer, 422, "invalid-request")
    for answer in both_doors(batch.api, path, b"{}" + b" " * (limit - 1)):
        problem = assert_problem(answer, 413, "body-too-large")
        assert f"{limit:,}" in problem["detail"]


@pytest.mark.parametrize("path", [BATCH, UPLOADS])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b'{"model": NaN}',
        b'{"rows": [{"a": 1, "a": 2}]}',
        b'{"rows": [{"a": "\\ud800"}]}',
        b'{"rows": [{"a": ' + b"9" * 10_000 + b"}]}",
    ],
    ids=lambda body: repr(body[:20]),
)
def test_what_is_not_json_is_refused(batch: BatchService, path: str, body: bytes) -> None:
    for answer in both_doors(batch.api, path, body):
        assert_problem(answer, 400, "malformed-json")


@pytest.mark.parametrize("path", [BATCH, UPLOADS])
def test_what_says_it_is_not_json_is_refused(batch: BatchService, path: str) -> None:
    for answer in both_doors(batch.api, path, b"{}", "text/csv"):
        assert_problem(answer, 415, "unsupported-media-type")


@pytest.mark.parametrize("body", [b"[]", b"null", b'"rows"', b"7"])
@pytest.mark.parametrize("path", [BATCH, UPLOADS])
def test_what_is_no_object_is_refused(batch: BatchService, path: str, body: bytes) -> None:
    for answer in both_doors(batch.api, path, body):
        ((field, _),) = refusals(answer)
        assert field == "body"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"bytes": 1}, ("format", "missing")),
        ({"bytes": 1, "format": "../csv"}, ("format", "enum")),
        ({"format": "csv"}, ("bytes", "missing")),
        ({"format": "csv", "bytes": 0}, ("bytes", "greater_than_equal")),
        ({"format": "csv", "bytes": 536_870_913}, ("bytes", "less_than_equal")),
        ({"format": "csv", "bytes": "9"}, ("bytes", "int_type")),
        ({"format": "csv", "bytes": True}, ("bytes", "int_type")),
    ],
)
def test_an_upload_needs_a_known_format_and_a_size_within_the_limit(
    batch: BatchService, body: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert refusals(batch.ask("POST", UPLOADS, body)) == [expected]


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("", "string_too_short"),
        ("k" * 256, "string_too_long"),
        ("two words", "string_pattern_mismatch"),
        ("clé", "string_pattern_mismatch"),
        ("tab\t", "string_pattern_mismatch"),
    ],
)
def test_a_key_that_is_none(batch: BatchService, key: str, kind: str) -> None:
    assert refusals(batch.submit(key=key)) == [("Idempotency-Key", kind)]
    assert batch.calls == []


def test_the_longest_key(batch: BatchService) -> None:
    assert batch.submit(key="~" * 255).status == 202
