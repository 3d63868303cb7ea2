"""However wrong an input is, what is kept of its errors is limited, and nothing else is lost."""

import json
from collections.abc import Sequence

import pytest

from mlops.batch import predicting, row_errors, worker
from mlops.batch.job import ROWS_PER_CHUNK, Format, Keys
from mlops.batch.progress import JobState
from mlops.batch.row_errors import ERRORS_PER_CHUNK, ErrorCounts
from mlops.batch.tables import first_records, merge
from tests.unit.batch.bench import OWNER, Bench, csv_of
from tests.unit.batch.files import as_format, as_rows, rows

FORMATS = pytest.mark.parametrize("format", Format)
KEYS = Keys("job-1")
GOOD = b'{"customer_id": "C1", "tenure": 1, "monthly_charges": 2.5}\n'


def done(content: bytes, format: Format, output: Format | None = None) -> Bench:
    bench = Bench()
    bench.submit(content, format, output)
    bench.drain()
    return bench


def summary(bench: Bench) -> dict[str, object]:
    document: dict[str, object] = json.loads(bench.objects.get(KEYS.summary).content)
    return document


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep 20 errors of a chunk and 45 of a job."""
    monkeypatch.setattr(row_errors, "ERRORS_PER_CHUNK", 20)
    monkeypatch.setattr(predicting, "ERRORS_PER_CHUNK", 20)
    monkeypatch.setattr(worker, "ERRORS_PER_JOB", 45)


@FORMATS
@pytest.mark.usefixtures("small_limits")
def test_the_first_errors_are_kept_and_all_are_counted(format: Format) -> None:
    bad = [*range(5, 40), *range(10_001, 10_013), *range(20_001, 20_101), *range(30_001, 30_101)]
    bench = done(csv_of(40_000, bad=bad), Format.CSV, format)
    kept = [int(error["row"]) for error in as_rows(bench.errors(format), format)]
    assert kept == [*range(5, 25), *range(10_001, 10_013), *range(20_001, 20_014)]
    assert summary(bench) | {"at": None} == {
        "at": None,
        "rows": {"total": 40_000, "done": 40_000 - len(bad), "failed": len(bad)},
        "errors_found": len(bad),
        "errors_kept": 45,
        "errors_by_field": [{"field": "tenure", "type": "missing", "count": len(bad)}],
        "pin": summary(bench)["pin"],
    }
    assert len(as_rows(bench.results(format), format)) == 40_000 - len(bad)


@FORMATS
def test_one_bad_row_of_ten_thousand_is_one_error(format: Format) -> None:
    bench = done(csv_of(10_000, bad=[77]), Format.CSV, format)
    assert bench.status().rows_done == 9_999
    assert [int(error["row"]) for error in as_rows(bench.errors(format), format)] == [77]
    assert summary(bench)["errors_kept"] == summary(bench)["errors_found"] == 1


@pytest.mark.parametrize("output", Format)
def test_a_chunk_of_rows_with_fifty_errors_each_keeps_no_more_than_the_limit(
    output: Format,
) -> None:
    row = json.dumps({f"field {number}": number for number in range(60)}).encode() + b"\n"
    bench = done(row * 5_000, Format.JSONL, output)
    assert bench.status().rows_failed == 5_000
    assert len(as_rows(bench.errors(output), output)) == ERRORS_PER_CHUNK
    assert summary(bench)["errors_found"] == 5_000 * 50


def test_names_that_the_model_does_not_know_are_counted_together() -> None:
    """They may be as many as there are rows."""
    wrong = [json.dumps({"customer_id": "a", f"x{n}": 1}).encode() + b"\n" for n in range(500)]
    bench = done(b"".join([*wrong, GOOD]), Format.JSONL)
    assert summary(bench)["errors_by_field"] == [
        {"field": "*", "type": "extra_forbidden", "count": 500},
        {"field": "monthly_charges", "type": "missing", "count": 500},
        {"field": "tenure", "type": "missing", "count": 500},
    ]


SHARED = "rows 1 to 10,000 are all refused for the same reason: Tenure: Extra inputs"
NO_OBJECT = "none of its first 10,000 rows is a JSON object"
WRONG: dict[str, tuple[bytes, str]] = {
    "no JSON": (b"{'customer_id': 1}\n", NO_OBJECT),
    "no objects": (b"3\n", NO_OBJECT),
    "neither": (b"oops\n[]\n", NO_OBJECT),
    "another name": (GOOD.replace(b"tenure", b"Tenure"), SHARED),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_file_of_another_form_fails_before_it_is_split(kind: str) -> None:
    line, reason = WRONG[kind]
    bench = done(line * (3 * ROWS_PER_CHUNK), Format.JSONL)
    status = bench.status()
    assert status.state is JobState.FAILED
    assert status.reason is not None
    assert reason in status.reason
    assert not list(bench.objects.keys(KEYS.chunks))
    assert bench.written() == {}


def test_a_later_chunk_of_another_form_stops_the_job_and_says_where() -> None:
    bench = Bench()
    good, wrong = GOOD * ROWS_PER_CHUNK, b"oops\n" * ROWS_PER_CHUNK
    bench.submit(good + wrong + good * 3, Format.JSONL)
    bench.step()
    bench.step()
    bench.step()
    status = bench.status()
    assert status.state is JobState.FAILED
    assert (status.reason or "").startswith("Line 10001: rows 10,001 to 20,000 are all refused")
    assert status.rows_done == ROWS_PER_CHUNK
    bench.drain()
    assert bench.status().rows_done == ROWS_PER_CHUNK, "the other chunks are not worked on"
    bench.jobs.retry("job-1", OWNER)
    bench.drain()
    assert bench.status().state is JobState.FAILED


NOT_OF_ANOTHER_FORM: dict[str, bytes] = {
    "one good row": b"oops\n" * (ROWS_PER_CHUNK - 1) + GOOD,
    "two kinds of faults": b"oops\n" * 5_000 + b"[]\n" * 4_999 + GOOD,
    "a wrong value in a sorted file": GOOD.replace(b'": 1,', b'": -1,') * ROWS_PER_CHUNK,
    "a missing value in a sorted file": GOOD.replace(b'": 1,', b'": null,') * ROWS_PER_CHUNK,
    "one good row among few": b"oops\n" * 9 + GOOD,
}


@pytest.mark.parametrize("kind", NOT_OF_ANOTHER_FORM)
@pytest.mark.parametrize("more", [b"", GOOD * ROWS_PER_CHUNK], ids=["alone", "others are good"])
def test_good_rows_are_predicted_whatever_the_others_hold(kind: str, more: bytes) -> None:
    content = NOT_OF_ANOTHER_FORM[kind] + more
    bench = done(content, Format.JSONL)
    status = bench.status()
    assert status.state is JobState.SUCCEEDED
    assert status.rows_done == content.count(b'": 1,')


def test_a_wrong_last_chunk_that_is_not_full_does_not_fail_the_others() -> None:
    """A file may end with an end-of-file mark, or a line that was cut off."""
    bench = done(GOOD * ROWS_PER_CHUNK + b"\x1a\n", Format.JSONL)
    assert (bench.status().state, bench.status().rows_done) == (JobState.SUCCEEDED, ROWS_PER_CHUNK)


def test_a_chunk_that_an_earlier_release_predicted_is_merged() -> None:
    """Its marker counts no errors; the errors themselves are there."""
    bench = Bench()
    bench.submit(csv_of(20_000, bad=[5]))
    bench.step()
    bench.step()
    (marker,) = bench.objects.keys(KEYS.done)
    bench.objects.remove(marker)
    bench.objects.create(marker, b"")
    bench.drain()
    assert [error["row"] for error in as_rows(bench.errors(), Format.CSV)] == ["5"]
    assert summary(bench)["errors_kept"] == 1


def test_counts_of_errors_add_up_and_survive_being_written() -> None:
    counts = ErrorCounts({("tenure", "missing"): 2, ("*", "extra_forbidden"): 3})
    total = ErrorCounts.sum([counts, counts, ErrorCounts()])
    assert ErrorCounts.from_bytes(total.to_bytes()) == total
    assert total.total == 10


@FORMATS
@pytest.mark.parametrize("limit", [0, 1, 3, 4, 5])
def test_the_first_records_of_a_file(format: Format, limit: int) -> None:
    found = rows(4)
    found[1]["customer_id"] = 'a "quoted"\nid'
    content = as_format(found, format.plain)
    first, kept = first_records(content, limit, format)
    assert kept == min(limit, 4)
    assert [row["customer_id"] for row in as_rows(first, format.plain)] == [
        row["customer_id"] for row in found[:limit]
    ]


@FORMATS
@pytest.mark.parametrize("sizes", [[3], [3, 0, 2], [0, 0]])
def test_parts_are_merged_one_after_the_other(format: Format, sizes: Sequence[int]) -> None:
    parts = [as_format(rows(4), format.plain) for _ in sizes]
    parts = [first_records(p, n, format)[0] for p, n in zip(parts, sizes, strict=True)]
    taken = 0

    def one_by_one() -> object:
        nonlocal taken
        for part in parts:
            taken += 1
            yield part

    blocks = merge(one_by_one(), format)  # type: ignore[arg-type]
    next(blocks)
    assert taken == 1, "the others are not held yet"
    merged = b"".join(merge(parts, format))
    assert merged == b"".join(merge(parts, format))
    expected = [row for n in sizes for row in as_rows(as_format(rows(4), format), format)[:n]]
    assert as_rows(merged, format) == expected
