"""Samples are read from CSV and Parquet; what is wrong with one is said."""

import gzip
from pathlib import Path

import pandas
import pytest

from mlops.errors import DataInvalid
from mlops.importing.sample import (
    keep_known,
    looks_like_dates,
    looks_like_numbers,
    read_sample,
)
from tests.unit.importing.loans import LABEL, loans


def test_csv_gzip_and_parquet_give_the_same_rows(tmp_path: Path) -> None:
    frame = loans()
    frame.to_csv(tmp_path / "a.csv", index=False)
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress((tmp_path / "a.csv").read_bytes()))
    frame.to_parquet(tmp_path / "c.parquet")
    plain, packed, columns = (
        read_sample(tmp_path / name, LABEL) for name in ("a.csv", "b.csv.gz", "c.parquet")
    )
    assert plain.digest == packed.digest != columns.digest
    pandas.testing.assert_frame_equal(plain.rows, packed.rows)
    pandas.testing.assert_frame_equal(plain.rows, columns.rows)
    assert LABEL not in plain.rows
    assert plain.labels.tolist() == frame[LABEL].tolist()


def test_labels_may_be_in_another_file(tmp_path: Path) -> None:
    frame = loans()
    frame.drop(columns=LABEL).to_csv(tmp_path / "rows.csv", index=False)
    frame[[LABEL]].to_csv(tmp_path / "labels.csv", index=False)
    found = read_sample(tmp_path / "rows.csv", LABEL, tmp_path / "labels.csv")
    assert found.labels.tolist() == frame[LABEL].tolist()
    frame[[LABEL]].head(7).to_csv(tmp_path / "labels.csv", index=False)
    with pytest.raises(DataInvalid, match="it has 7 rows, but"):
        read_sample(tmp_path / "rows.csv", LABEL, tmp_path / "labels.csv")


def test_labels_of_other_rows_are_refused(tmp_path: Path) -> None:
    frame = loans()
    frame.drop(columns=LABEL).to_csv(tmp_path / "rows.csv", index=False)
    labels = frame[["loan", LABEL]]
    labels.iloc[[0, 1, 3, 2, *range(4, len(frame))]].to_csv(tmp_path / "labels.csv", index=False)
    with pytest.raises(DataInvalid, match="line 4, loan: this row has another id than the same"):
        read_sample(tmp_path / "rows.csv", LABEL, tmp_path / "labels.csv", "loan")
    labels.to_csv(tmp_path / "labels.csv", index=False)
    found = read_sample(tmp_path / "rows.csv", LABEL, tmp_path / "labels.csv", "loan")
    assert found.labels.tolist() == frame[LABEL].tolist()


@pytest.mark.parametrize(
    ("known", "kept"),
    [
        (("01", "1"), ["01", "1", "x", None]),
        (("NA", "01", "1"), ["01", "1", "x", "NA"]),
        (("x",), ["01", "1", "x", None]),
        ((1, 2), ["01", "1", "x", None]),
    ],
    ids=["number", "missing value", "word", "no texts"],
)
def test_texts_that_are_known_are_kept_as_they_are_written(
    known: tuple[object, ...], kept: list[object]
) -> None:
    texts = pandas.Series(["01", "1", "x", "NA"])
    values = pandas.Series(["01", "1", "x", None])
    found = keep_known(values, texts, known)
    assert [None if pandas.isna(value) else value for value in found] == kept


def test_numbers_stay_numbers_where_the_estimator_knows_no_such_text() -> None:
    values, texts = pandas.Series([1.0, 2.0, None]), pandas.Series(["01", "2", ""])
    assert keep_known(values, texts, ("a", "b")) is values
    assert keep_known(values, None, ("01",)) is values
    assert keep_known(values, texts, ("01",)).tolist()[:2] == ["01", "2"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a,b\n1,2\n", r"default: there is no such column"),
        ("a,Default\n1,2\n", r"did you mean Default\?"),
        ("a,a,default\n1,2,x\n", "columns that appear twice: a; rename or remove"),
        ("a;default\n1;x\n", "separated by `;`"),
        ("", "it is empty"),
    ],
    ids=["no label", "similar", "twice", "semicolons", "empty"],
)
def test_a_sample_that_cannot_be_used_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "sample.csv"
    path.write_text(text)
    with pytest.raises(DataInvalid, match=reason):
        read_sample(path, LABEL)


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sample.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataInvalid, match="neither Parquet nor CSV"):
        read_sample(path, LABEL)
    with pytest.raises(DataInvalid, match="No such file"):
        read_sample(tmp_path / "none.csv", LABEL)


def test_numbers_and_dates_are_recognized_in_texts() -> None:
    assert looks_like_numbers([*map(str, range(30)), " "])
    assert not looks_like_numbers(["a", "1", "2"])
    assert not looks_like_numbers([])
    assert looks_like_dates(["2026-01-31", "2025-12-01 10:00"])
    assert not looks_like_dates(["2026", "x"])
