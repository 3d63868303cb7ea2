"""How a batch's time grows, batches of a chunk and more tell."""

import pytest

from bench import batch
from bench.cost import CHUNK_ROWS


def test_what_takes_twice_as_long_for_twice_the_rows_grows_linearly() -> None:
    assert batch.exponent({rows: rows * 2e-6 for rows in batch.SIZES}) == pytest.approx(1)
    assert batch.exponent({rows: rows**1.2 for rows in batch.SIZES}) == pytest.approx(1.2)


def test_no_size_is_less_than_a_chunk() -> None:
    """Less takes mostly what every batch takes: its time would seem to grow slowly."""
    assert min(batch.SIZES) >= CHUNK_ROWS


def test_the_median_of_its_rounds_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    took = iter([2.0, 20.0, 10.0, 1.0, 9.0, 100.0])  # the sizes take turns
    monkeypatch.setattr(batch, "SIZES", (1, 10))
    monkeypatch.setattr(batch, "opened", lambda store: (None, None))
    monkeypatch.setattr(batch, "telco_csv", lambda rows: b"")
    monkeypatch.setattr(batch, "in_columns", lambda content, served: b"")
    monkeypatch.setattr(batch, "_seconds", lambda content, served: next(took))
    told: list[str] = []
    found = batch.growth(5, "store", told.append)
    assert len(told) == 2 * batch.FEW_ROUNDS
    assert found == {"seconds": {"1": 2.0, "10": 20.0}, "exponent": 1.0}
