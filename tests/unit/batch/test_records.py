"""Where records end, against Python's own reader of CSV; and files cut at awkward places."""

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops.batch import splitting
from mlops.batch.job import Format, Limits
from mlops.batch.records import csv_records, json_records
from mlops.batch.splitting import split
from mlops.errors import InputRefused

CELLS = st.text(st.sampled_from('ab ,"\n\r\té😀'), max_size=6).map(
    lambda text: text.replace("\r\n", "\n").replace("\r", "\r\n")
)
TABLES = st.integers(1, 4).flatmap(
    lambda width: st.lists(
        st.lists(CELLS, min_size=width, max_size=width).filter(any), min_size=1, max_size=8
    )
)


def as_csv(table: list[list[str]], end: str) -> str:
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator=end).writerows(table)
    return file.getvalue()


@settings(derandomize=True, database=None, max_examples=400, deadline=None)
@given(table=TABLES, end=st.sampled_from(["\n", "\r\n", "\n\n", "\n\r\n"]))
def test_records_are_those_of_the_csv_module(table: list[list[str]], end: str) -> None:
    text = as_csv(table, end)
    content = text.encode()
    records = csv_records(content)
    found = [
        next(csv.reader([content[start:stop].decode()], strict=True))
        if b"\n" not in content[start:stop]
        else next(csv.reader(io.StringIO(content[start:stop].decode(), newline="")))
        for start, stop in zip(records.starts, records.ends, strict=True)
    ]
    assert found == table
    assert records.used == len(content)
    assert records.lines.tolist() == [content[:start].count(b"\n") for start in records.starts]


@pytest.mark.parametrize("block", [3, 4, 7, 4096])  # from one that holds the mark on
def test_blocks_may_end_anywhere(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splitting, "_BLOCK", block)
    monkeypatch.setattr(splitting, "ROWS_PER_CHUNK", 2)
    text = 'h,i\n\n1,"x\n\ny"\n\r\n2,é\n3,"a""b"\n\n4,"😀"\n5,6'
    chunks = list(split(b"\xef\xbb\xbf" + text.encode(), Format.CSV, Limits()))
    tables = [list(csv.reader(io.StringIO(chunk.content.decode(), newline=""))) for chunk in chunks]
    assert [[row for row in table if row] for table in tables] == [
        [["h", "i"], ["1", "x\n\ny"], ["2", "é"]],
        [["h", "i"], ["3", 'a"b'], ["4", "😀"]],
        [["h", "i"], ["5", "6"]],
    ]
    assert [(chunk.rows, chunk.first_row, chunk.first_line) for chunk in chunks] == [
        (2, 1, 3),
        (2, 3, 8),
        (1, 5, 11),
    ]


def test_lines_of_json() -> None:
    records = json_records(b'\n{"a": 1}\r\n\r\n{}\n{"b"')
    assert list(zip(records.starts, records.ends, records.lines, strict=True)) == [
        (1, 10, 1),
        (13, 15, 3),
    ]
    assert (records.used, records.used_lines) == (16, 4)


@pytest.mark.parametrize(
    "text", ['a,b"c\n', 'a,"b"c\n', 'a, "b"\n', 'a,b\n"c"d"\n', '"a""b"c\n', '"a"b"\n']
)
def test_nobody_could_tell_where_these_rows_end(text: str) -> None:
    with pytest.raises(InputRefused, match="a quote that neither opens nor closes a cell"):
        csv_records(text.encode())


@pytest.mark.parametrize("text", ['"a""b","",""""\n', '""\n', '"a\r\nb",c\r\n', '"\n"\n'])
def test_these_quotes_are_right(text: str) -> None:
    assert len(csv_records(text.encode())) == 1


@pytest.mark.parametrize("format", [Format.CSV, Format.JSONL])
@pytest.mark.parametrize("start", [b"", b'h\n"'])
def test_a_row_without_an_end_is_refused_before_it_fills_the_memory(
    format: Format, start: bytes
) -> None:
    with pytest.raises(InputRefused, match="a row of more than 65,536 bytes"):
        list(split(start + b"x" * 6_000_000, format, Limits()))
