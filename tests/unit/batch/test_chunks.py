"""One chunk alone: what its slices come to, and what it may not be."""

from dataclasses import replace

import pytest

from mlops.batch.job import Format, Limits
from mlops.batch.predicting import predict_chunk
from mlops.batch.splitting import slices, split
from mlops.batch.tables import merge
from mlops.errors import JobDamaged
from tests.unit.batch.bench import VERSION, load
from tests.unit.batch.files import as_format, as_rows, rows


@pytest.mark.parametrize("format", [Format.CSV, Format.JSONL])
def test_threads_change_nothing(format: Format) -> None:
    """Slices of a chunk come together as if there had been none."""
    content = as_format(rows(9_000), format).replace(b'"tenure": 7,', b'"tenure": -7,')
    content = content.replace(b",20.5\r\n", b",20.5\r\n\r\n", 1).replace(b",20.5", b",x", 3_000)
    (chunk,) = split(content, format, Limits())
    served = load(VERSION.pin)
    ran = [
        predict_chunk(part, format, Format.CSV, "job-1", served, threads=threads)
        for part, threads in ((chunk, 1), (chunk, 4))
    ]
    assert ran[0] == ran[1]
    singles = [
        predict_chunk(part, format, Format.CSV, "job-1", served)
        for part in slices(chunk, format, 1_000)
    ]
    for name in ("results", "errors"):
        parts = [getattr(part, name) for part in singles]
        assert b"".join(merge(parts, Format.CSV)) == getattr(ran[0], name)
    assert ran[0].failed > 50
    lines = content.split(b"\n")
    wrong = b",x" if format is Format.CSV else b"-7"
    for error in as_rows(ran[0].errors, Format.CSV):
        assert wrong in lines[int(error["line"]) - 1]


@pytest.mark.parametrize("format", [Format.CSV, Format.JSONL, Format.PARQUET])
@pytest.mark.parametrize("said", [2, 4])
def test_a_chunk_of_other_rows_than_were_cut_is_damaged(format: Format, said: int) -> None:
    (chunk,) = split(as_format(rows(3), format), format, Limits())
    wrong = replace(chunk, rows=said)
    with pytest.raises(JobDamaged, match="does not have its rows, from row 1 on"):
        predict_chunk(wrong, format, Format.CSV, "job-1", load(VERSION.pin))
