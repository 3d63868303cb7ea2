"""Files of each format with bytes changed at random: predicted in part, or refused."""

import gzip
import random

import pytest

from mlops.batch.job import Format, Limits
from mlops.batch.predicting import predict_chunk
from mlops.batch.splitting import split
from mlops.errors import InputRefused
from tests.unit.batch.bench import VERSION, load
from tests.unit.batch.files import as_format, rows

TRIES = {
    Format.CSV: 300,
    Format.CSV_GZIP: 200,
    Format.JSONL: 300,
    Format.JSONL_GZIP: 200,
    Format.PARQUET: 40,
}


def damage(content: bytes, generator: random.Random) -> bytes:
    """Change, remove or insert a few bytes, half of the time near the end, where Parquet's are."""
    data = bytearray(content)
    for _ in range(generator.choice([1, 1, 2, 5, 20])):
        low = generator.choice([0, max(0, len(data) - 1_500)])
        place = generator.randrange(low, len(data))
        kind = generator.randrange(5)
        if kind == 0:
            data[place] = generator.randrange(256)
        elif kind == 1:
            data[place] ^= 1 << generator.randrange(8)
        elif kind == 2:
            data[place : place + 4] = b"\xff" * 4
        elif kind == 3:
            data[place:place] = generator.randbytes(generator.randrange(1, 9))
        else:
            del data[place : place + generator.randrange(1, 20)]
        data = data or bytearray(b"x")
    return bytes(data)


@pytest.mark.parametrize("format", Format)
def test_a_damaged_file_is_predicted_or_refused_and_raises_nothing_else(format: Format) -> None:
    generator = random.Random(format)  # noqa: S311 -- the same at each run
    plain = as_format(rows(200), format.plain)
    served = load(VERSION.pin)
    refused = 0
    for number in range(TRIES[format]):
        if format.compressed:
            content = (
                gzip.compress(damage(plain, generator), 1)
                if number % 2
                else damage(gzip.compress(plain, 1), generator)
            )
        else:
            content = damage(plain, generator)
        try:
            for chunk in split(content, format, Limits()):
                predict_chunk(chunk, format, Format.JSONL, "job-1", served)
        except InputRefused:
            refused += 1
    # JSON lines are refused line by line.
    assert refused > 0 or format is Format.JSONL
