"""One chunk: from its bytes to the bytes of its results and errors.

Rows are checked in columns, which decide for the plain ones alone. A row that the columns do not
accept is asked of the contract itself, as the API does with a request: so both agree on every row,
and say the same words about it. Of a contract whose input has no columns, all rows are.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute
from numpy.typing import NDArray

from mlops.batch.checks import Mask, accepted
from mlops.batch.csv_rows import read_csv
from mlops.batch.job import NO_RENAMES, ROWS_PER_CHUNK, Format, Renames
from mlops.batch.json_rows import read_json
from mlops.batch.parquet_rows import read_parquet
from mlops.batch.reading import Rows, refuse_unreadable, require_fields, require_flat
from mlops.batch.row_errors import ERRORS_PER_CHUNK, ErrorCounts, RowErrors, intersect
from mlops.batch.splitting import Chunk, slices
from mlops.batch.tables import merge, to_bytes
from mlops.errors import InputRefused, JobDamaged
from mlops.inference.loading import ServedModel
from mlops.models.contract import Contract
from mlops.models.schemas import Request
from mlops.models.tabular import INPUT, TabularInputs
from mlops.models.tasks import Lists, Numbers
from mlops.models.validation import Fault, validate

_READERS: Mapping[Format, Callable[[Chunk, Contract, Renames], Rows]] = {
    Format.CSV: read_csv,
    Format.JSONL: read_json,
    Format.PARQUET: read_parquet,
}
ROW = "row"
"""The column that results without a subject begin with, and errors: a row's number, from 1."""

_ROW_DIGITS = 12
_REQUESTS_AT_ONCE = 100
"""Of a model whose input has no columns: a long text alone can take 200 kB as tensors."""
_ROWS_PER_SLICE = 5_000
"""What a thread takes at a time: a chunk for two of them, since each slice has its own costs."""


@dataclass(frozen=True)
class Predicted:
    """results, errors: files of the job's output format, uncompressed.

    errors: the first ones; counts: of all.
    """

    results: bytes
    errors: bytes
    done: int
    failed: int
    counts: ErrorCounts


@dataclass(frozen=True)
class _Checked:
    """kept: the rows that keep the contract. asked: those that had to be asked of it, by row."""

    kept: Mask
    asked: Mapping[int, Request]
    errors: RowErrors


@dataclass(frozen=True)
class _Slice:
    """What a thread made of its part of a chunk."""

    results: bytes
    errors: pa.Table
    done: int
    failed: int
    found: RowErrors


def predict_chunk(
    chunk: Chunk,
    input: Format,
    output: Format,
    job_id: str,
    served: ServedModel,
    *,
    rename: Renames = NO_RENAMES,
    escape_formulas: bool = True,
    threads: int = 1,
) -> Predicted:
    """Predict a chunk. Equal arguments give equal bytes, with any number of threads.

    Raises InputRefused, JobDamaged, ModelUnusable.
    """

    def predict(part: Chunk) -> _Slice:
        with refuse_unreadable(input):
            rows = read(part, input, served.contract, rename)
            _require_rows(len(rows), part, job_id)
            checked = _check(rows, served.contract)
        return _predict(part, rows, checked, output, job_id, served, escape_formulas)

    _require_flat_answer(served.contract, output)
    cut = slices(chunk, input.plain, _ROWS_PER_SLICE)
    _require_rows(sum(part.rows for part in cut), chunk, job_id)
    with ThreadPoolExecutor(threads) as pool:
        parts = list(pool.map(predict, cut))
    _require_form(parts, chunk)
    errors = pa.concat_tables([part.errors for part in parts]).slice(0, ERRORS_PER_CHUNK)
    return Predicted(
        results=b"".join(merge([part.results for part in parts], output.plain)),
        errors=to_bytes(errors, output, "field", escape_formulas),
        done=sum(part.done for part in parts),
        failed=sum(part.failed for part in parts),
        counts=ErrorCounts.sum(part.found.counts for part in parts),
    )


def _require_flat_answer(contract: Contract, output: Format) -> None:
    """Raise InputRefused where answers have no place in the cells of a table."""
    if contract.task == "forecast" and output.plain is Format.CSV:
        raise InputRefused(
            "The model answers with a list for each row (forecast), which csv cannot hold. Ask for"
            " the output format jsonl or parquet"
        )


def _require_form(parts: Sequence[_Slice], chunk: Chunk) -> None:
    """Raises InputRefused for a full chunk whose rows all have the same fault of form.

    Such a file is not what it was said to be, and a million more errors would say no more. A wrong
    value in every row is no such fault: a sorted file may have 10,000 of them in a row. Nor does
    this hold for fewer rows, whose errors are few, too.
    """
    if chunk.rows < ROWS_PER_CHUNK or any(part.done for part in parts):
        return
    shared = reduce(intersect, [part.found.shared for part in parts])
    if shared:
        fault = shared[min(shared)]
        last = chunk.first_row + chunk.rows - 1
        where = "" if fault.field == "row" else f"{fault.field}: "
        raise InputRefused(
            f"rows {chunk.first_row:,} to {last:,} are all refused for the same reason: "
            f"{where}{fault.detail} ({fault.type}). Fix the input and submit it again",
            chunk.first_line,
        )


def _require_rows(found: int, chunk: Chunk, job_id: str) -> None:
    if found != chunk.rows:
        at = f"from row {chunk.first_row:,} on"
        raise JobDamaged(job_id, f"a chunk does not have its rows, {at}")


def _predict(
    chunk: Chunk,
    rows: Rows,
    checked: _Checked,
    output: Format,
    job_id: str,
    served: ServedModel,
    escape_formulas: bool,
) -> _Slice:
    contract, errors = served.contract, checked.errors
    asked, kept = checked.asked, checked.kept
    numbers = _numbers(rows, checked, served)
    places = chunk.first_row + np.flatnonzero(kept)
    results = {
        **_subjects(rows, asked, kept, contract),
        **contract.outcome.answer_columns(numbers),
        "model_version": pa.repeat(served.version, len(places)),
        "prediction_id": _prediction_ids(job_id, places),
    }
    if contract.subject is None:
        results = {ROW: places, **results}
    return _Slice(
        results=to_bytes(_as_table(results), output, _text_of(contract), escape_formulas),
        errors=_errors(rows, chunk.first_row, errors.kept),
        done=len(places),
        failed=len(rows) - len(places),
        found=errors,
    )


def _check(rows: Rows, contract: Contract) -> _Checked:
    kept = accepted(rows, contract)
    asked: dict[int, Request] = {}
    errors = RowErrors()
    for position in np.flatnonzero(~kept).tolist():
        found = _ask(rows, position, contract)
        if isinstance(found, Request):
            asked[position] = found
        else:
            errors.add(position, found)
    kept[[*asked]] = True
    return _Checked(kept, asked, errors)


def read(chunk: Chunk, format: Format, contract: Contract, rename: Renames = NO_RENAMES) -> Rows:
    """Raises InputRefused, and whatever a reader makes of a caller's bytes."""
    require_fields(rename, contract)
    if format.plain is Format.CSV:
        require_flat(contract)
    return _READERS[format.plain](chunk, contract, rename)


def _ask(rows: Rows, position: int, contract: Contract) -> Request | tuple[Fault, ...]:
    fault = rows.faults.get(position)
    return (fault,) if fault is not None else validate(contract, rows.value(position))


def _numbers(rows: Rows, checked: _Checked, served: ServedModel) -> Numbers:
    """Return the predictions of the rows that are kept, in their order."""
    encoder, kept = served.contract.encoder, checked.kept
    predict = served.predictor.predict
    if not isinstance(encoder, TabularInputs):
        requests = [*checked.asked.values()]
        starts = range(0, max(len(requests), 1), _REQUESTS_AT_ONCE)
        return np.concatenate(
            [predict(encoder.tensors(requests[at : at + _REQUESTS_AT_ONCE])) for at in starts]
        )
    matrix = np.empty((len(rows), len(encoder.fields)), encoder.dtype)
    with np.errstate(over="ignore"):  # of rows that are refused for it
        for place, field in enumerate(encoder.fields):
            matrix[:, place] = rows.cells[field.name].values
    return predict({INPUT: matrix if kept.all() else matrix[kept]})


def _subjects(
    rows: Rows, asked: Mapping[int, Request], kept: Mask, contract: Contract
) -> dict[str, pa.Array]:
    """Return the column of whom the rows are about, if the contract has one."""
    name = contract.subject
    if name is None or rows.subjects is None:
        return {}
    found = rows.subjects
    if asked:
        is_asked = np.zeros(len(rows), dtype=np.bool_)
        is_asked[[*asked]] = True
        exact = pa.array([getattr(request, name) for request in asked.values()], found.type)
        found = compute.replace_with_mask(found, is_asked, exact)
    return {name: found if kept.all() else found.filter(pa.array(kept))}


def _text_of(contract: Contract) -> str | None:
    """Return the column of results that holds texts of strangers, if there is one."""
    name = contract.subject
    return name if name is not None and contract.by_name[name].type == "text" else None


def _as_table(columns: Mapping[str, Any]) -> pa.Table:
    return pa.table({name: _as_array(column) for name, column in columns.items()})


def _as_array(column: Any) -> pa.Array:
    if isinstance(column, Lists):
        offsets = np.concatenate([[0], np.cumsum(column.lengths)]).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(offsets), _as_array(column.columns))
    if not isinstance(column, Mapping):
        return column if isinstance(column, pa.Array) else pa.array(column)
    return pa.StructArray.from_arrays([_as_array(part) for part in column.values()], [*column])


def _prediction_ids(job_id: str, rows: NDArray[np.intp]) -> pa.Array:
    """`pred_` and 32 hexadecimal digits: of the job's digest, then the row's number in decimal.

    So no two rows of a job share one, two jobs do not in practice (80 bits), and a repeated run
    gives the same ones.
    """
    job = hashlib.sha256(job_id.encode()).hexdigest()[: 32 - _ROW_DIGITS]
    numbers = compute.utf8_lpad(compute.cast(pa.array(rows), pa.string()), _ROW_DIGITS, "0")
    return compute.binary_join_element_wise(f"pred_{job}", numbers, "")


def _errors(rows: Rows, first_row: int, failed: list[tuple[int, Fault]]) -> pa.Table:
    places = [position for position, _ in failed]
    lines = rows.lines()[places] if places and rows.lines else None
    return pa.table(
        {
            ROW: pa.array([first_row + place for place in places], pa.int64()),
            "line": pa.array([None] * len(places) if lines is None else lines, pa.int64()),
            "field": pa.array([fault.field for _, fault in failed], pa.string()),
            "type": pa.array([fault.type for _, fault in failed], pa.string()),
            "detail": pa.array([fault.detail for _, fault in failed], pa.string()),
        }
    )
