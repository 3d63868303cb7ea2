"""Whatever a reader raises about a caller's bytes is a refusal; errors of the machine are not."""

import csv
import struct
import zlib
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from mlops.batch import predicting, splitting
from mlops.batch.job import Format
from mlops.batch.progress import JobState
from mlops.errors import MlopsError, StoreUnavailable
from mlops.inference.predictor import Predictor
from tests.unit.batch.bench import Bench
from tests.unit.batch.files import as_format, rows

ABOUT_BYTES = [
    IndexError,
    KeyError,
    TypeError,
    ValueError,
    AttributeError,
    AssertionError,
    OverflowError,
    ZeroDivisionError,
    RecursionError,
    NotImplementedError,  # a reader raises it for what it does not support
    BufferError,
    EOFError,
    csv.Error,
    struct.error,
    zlib.error,
    pa.ArrowInvalid,
    pa.ArrowNotImplementedError,  # Arrow raises it for a type that it cannot convert
    pa.ArrowKeyError,
    pa.ArrowException,
]
ABOUT_THE_MACHINE = [
    MemoryError("malloc failed"),
    pa.ArrowMemoryError("malloc failed"),
    OSError("too many open files"),
    ChildProcessError("cannot be started"),
    StoreUnavailable("key", "refused"),
]
PLAIN = [Format.CSV, Format.JSONL, Format.PARQUET]


def raising(error: Exception | type[Exception]) -> Callable[..., Any]:
    def read(*_: object) -> Any:
        raise error

    return read


@pytest.mark.parametrize("error", [*ABOUT_BYTES, StopIteration], ids=lambda error: error.__name__)
@pytest.mark.parametrize("format", PLAIN)
def test_whatever_a_reader_raises_fails_the_job_at_once(
    monkeypatch: pytest.MonkeyPatch, format: Format, error: type[Exception]
) -> None:
    monkeypatch.setitem(predicting._READERS, format, raising(error))
    bench = Bench()
    bench.submit(as_format(rows(3), format), format)
    bench.drain()
    assert (bench.status().state, bench.status().reason) == (
        JobState.FAILED,
        f"The input cannot be read as {format} ({error.__name__})",
    )


@pytest.mark.parametrize("error", ABOUT_BYTES, ids=lambda error: error.__name__)
@pytest.mark.parametrize("format", [Format.CSV, Format.JSONL, Format.CSV_GZIP])
def test_whatever_splitting_raises_fails_the_job_at_once(
    monkeypatch: pytest.MonkeyPatch, format: Format, error: type[Exception]
) -> None:
    monkeypatch.setattr(splitting, "_records_of", raising(error))
    bench = Bench()
    bench.submit(as_format(rows(3), format), format)
    bench.drain()
    reason = f"The input cannot be read as {format.plain} ({error.__name__})"
    assert bench.status().reason == reason


@pytest.mark.parametrize("error", ABOUT_BYTES, ids=lambda error: error.__name__)
def test_whatever_a_single_row_raises_fails_the_job_at_once(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    monkeypatch.setattr(predicting, "validate", raising(error))
    bench = Bench()
    bench.submit(b"customer_id,tenure,monthly_charges\nC1,x,1\n")
    bench.drain()
    assert bench.status().reason == f"The input cannot be read as csv ({error.__name__})"


@pytest.mark.parametrize("error", ABOUT_THE_MACHINE, ids=repr)
@pytest.mark.parametrize("format", PLAIN)
def test_an_error_of_the_machine_is_raised_and_the_task_tried_again(
    monkeypatch: pytest.MonkeyPatch, format: Format, error: Exception
) -> None:
    bench = Bench()
    bench.submit(as_format(rows(3), format), format)
    with monkeypatch.context() as patch:
        patch.setitem(predicting._READERS, format, raising(error))
        with pytest.raises(type(error)):
            bench.step()
    bench.drain()
    assert bench.status().state is JobState.SUCCEEDED


def test_an_error_of_the_model_is_no_refusal_of_the_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Predictor, "predict", raising(IndexError))
    bench = Bench()
    bench.submit(as_format(rows(3), Format.CSV))
    with pytest.raises(IndexError):
        bench.step(last=True)
    assert "An unexpected error (IndexError)" in (bench.status().reason or "")


def test_every_error_of_ours_says_what_is_wrong_already(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splitting, "_records_of", raising(MlopsError("our own words")))
    bench = Bench()
    bench.submit(as_format(rows(3), Format.CSV))
    with pytest.raises(MlopsError, match="our own words"):
        bench.step()
