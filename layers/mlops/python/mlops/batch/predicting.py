"""One chunk: from its bytes to the bytes of its results and errors.

Rows are checked in columns, which decide for the plain ones alone. A row that the columns do not
accept is asked of the contract itself, as the API does with a request: so both agree on every row,
and say the same words about it.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as compute
from numpy.typing import NDArray

from mlops.batch.csv_rows import read_csv
from mlops.batch.job import NO_RENAMES, ROWS_PER_CHUNK, Format, Renames
from mlops.batch.json_rows import read_json
from mlops.batch.parquet_rows import read_parquet
from mlops.batch.reading import Rows, refuse_unreadable
from mlops.batch.row_errors import ERRORS_PER_CHUNK, ErrorCounts, RowErrors, intersect
from mlops.batch.splitting import Chunk, slices
from mlops.batch.tables import merge, to_bytes
from mlops.errors import InputRefused, JobDamaged, ModelUnusable
from mlops.inference.loading import ServedModel
from mlops.inference.predictor import NO_PROBABILITY, are_probabilities
from mlops.models.columns import Columns
from mlops.models.contract import Contract
from mlops.models.rules import NumberRule, Rules, rules_of
from mlops.models.validation import Fault, validate

_READERS: Mapping[Format, Callable[[Chunk, Rules, Renames], Rows]] = {
    Format.CSV: read_csv,
    Format.JSONL: read_json,
    Format.PARQUET: read_parquet,
}
_ROW_DIGITS = 12
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
    """valid: bool of shape (n,); the rows that keep the contract."""

    columns: Columns
    valid: NDArray[np.bool_]
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
    rules = rules_of(served.contract)

    def predict(part: Chunk) -> _Slice:
        with refuse_unreadable(input):
            rows = _READERS[input.plain](part, rules, rename)
            _require_rows(len(rows), part, job_id)
            checked = _check(rows, rules, served.contract)
        return _predict(part, rows, checked, output, job_id, served, rules, escape_formulas)

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


def _check(rows: Rows, rules: Rules, contract: Contract) -> _Checked:
    sure = accepted(rows, rules, contract)
    columns = _columns(rows, rules)
    errors = RowErrors()
    for position in np.flatnonzero(~sure).tolist():
        found = _asked(rows, position, contract)
        if isinstance(found, Columns):
            columns.values[position] = found.values[0]
            sure[position] = True
        else:
            errors.add(position, found)
    return _Checked(columns, sure, errors)


def _predict(
    chunk: Chunk,
    rows: Rows,
    checked: _Checked,
    output: Format,
    job_id: str,
    served: ServedModel,
    rules: Rules,
    escape_formulas: bool,
) -> _Slice:
    kept, columns, errors = np.flatnonzero(checked.valid), checked.columns, checked.errors
    predictions = served.predictor.predict(
        columns if len(kept) == len(rows) else columns.take(kept)
    )
    if not are_probabilities(predictions):
        raise ModelUnusable(served.version, NO_PROBABILITY)
    results = {
        rules.subject.name: rows.subjects.take(pa.array(kept)),
        **served.contract.answer_columns(predictions),
        "model_version": pa.repeat(served.version, len(kept)),
        "prediction_id": _prediction_ids(job_id, chunk.first_row + kept),
    }
    return _Slice(
        results=to_bytes(pa.table(results), output, rules.subject.name, escape_formulas),
        errors=_errors(rows, chunk.first_row, errors.kept),
        done=len(kept),
        failed=len(rows) - len(kept),
        found=errors,
    )


def accepted(rows: Rows, rules: Rules, contract: Contract) -> NDArray[np.bool_]:
    """The rows that keep the contract for sure; bool of shape (n,). It doubts what it must."""
    lengths = compute.fill_null(compute.utf8_length(rows.subjects), -1)
    subjects = lengths.to_numpy(zero_copy_only=False)
    sure: NDArray[np.bool_] = rows.well_formed & (subjects >= rules.subject.shortest)
    sure &= subjects <= rules.subject.longest
    for rule in rules.numbers:
        found = rows.numbers[rule.name]
        sure &= np.where(found.given, _allowed(found.values, rule), not rule.required)
    for category in rules.categories:
        codes = rows.categories[category.name]
        sure &= (codes.codes >= 0) | (codes.absent & (not category.required))
    if contract.consistent is not None:
        sure &= contract.consistent(rows.categories)
    return sure


def _allowed(values: NDArray[np.float64], rule: NumberRule) -> NDArray[np.bool_]:
    # A comparison with NaN is False: what was no number is doubted here.
    allowed: NDArray[np.bool_] = (values >= rule.low) & (values <= rule.high) & np.isfinite(values)
    if rule.whole:
        allowed &= values == np.floor(values)
    if rule.allowed is not None:
        allowed &= np.isin(values, rule.allowed)
    return allowed


def _columns(rows: Rows, rules: Rules) -> Columns:
    values = np.empty((len(rows), len(rules.ruled)), np.float32)
    with np.errstate(over="ignore"):  # of rows that are refused for it
        for place, number in enumerate(rules.numbers):
            values[:, place] = rows.numbers[number.name].values
    for place, category in enumerate(rules.categories, start=len(rules.numbers)):
        values[:, place] = rows.categories[category.name].numbers()
    return Columns(values)


def _asked(rows: Rows, position: int, contract: Contract) -> Columns | tuple[Fault, ...]:
    fault = rows.faults.get(position)
    if fault is not None:
        return (fault,)
    answer = validate(contract, rows.value(position))
    return answer if isinstance(answer, tuple) else contract.columns([answer])


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
            "row": pa.array([first_row + place for place in places], pa.int64()),
            "line": pa.array([None] * len(places) if lines is None else lines, pa.int64()),
            "field": pa.array([fault.field for _, fault in failed], pa.string()),
            "type": pa.array([fault.type for _, fault in failed], pa.string()),
            "detail": pa.array([fault.detail for _, fault in failed], pa.string()),
        }
    )
