"""The holdout's file, written and read again; and files that are none."""

import gzip
import json

import numpy as np
import pytest

from mlops.errors import ModelUnusable
from mlops.inference.holdout import MAX_BYTES, Holdout, holdout_from_bytes, holdout_to_bytes
from mlops.models.churn.contract import CHURN

HOLDOUT = Holdout(({"customer_id": "Ä \u2028 \r", "tenure": 1.5}, {"gender": None}), (1, 0))
ROW = {"request": {}, "label": 1}


def test_what_is_written_is_read() -> None:
    found = holdout_from_bytes("churn", holdout_to_bytes(HOLDOUT))
    assert found.requests == HOLDOUT.requests
    assert found.labels == (1, 0)
    numbers = found.numbers("churn", CHURN.outcome)
    assert numbers.tolist() == [1, 0]
    assert numbers.dtype == np.float64


def test_the_bytes_do_not_depend_on_the_clock() -> None:
    content = holdout_to_bytes(HOLDOUT)
    assert content[4:8] == bytes(4), "RFC 1952: the time of writing"


def zipped(*lines: object) -> bytes:
    return gzip.compress("".join(f"{json.dumps(line)}\n" for line in lines).encode())


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "its holdout has no rows"),
        (b"no gzip", "its holdout cannot be read: Not a gzipped file"),
        (holdout_to_bytes(HOLDOUT)[:-9], "its holdout cannot be read: "),
        (holdout_to_bytes(HOLDOUT)[:20] + bytes(40), "its holdout cannot be read: "),
        (gzip.compress(b""), "its holdout has no rows"),
        (gzip.compress(b"{"), "its holdout, line 1: "),
        (zipped(ROW, []), "its holdout, line 2: no request with a label"),
        (zipped({"request": {}}), "line 1: no request with a label"),
        (zipped({"label": 1}), "line 1: no request with a label"),
        (zipped({"request": [], "label": 1}), "line 1: no request with a label"),
        (zipped(ROW | {"label": float("nan")}), "line 1: "),
        (zipped(ROW | {"weight": 1}), "line 1: no request with a label"),
    ],
)
def test_what_is_no_holdout(content: bytes, reason: str) -> None:
    with pytest.raises(ModelUnusable) as caught:
        holdout_from_bytes("churn", content)
    assert reason in caught.value.reason


@pytest.mark.parametrize("label", [2, True, 1.0, "1", None, [1]])
def test_a_label_that_the_task_does_not_have_is_refused_by_its_line(label: object) -> None:
    holdout = Holdout(({}, {}), (1, label))
    with pytest.raises(ModelUnusable, match="its holdout, line 2: the label is none"):
        holdout.numbers("churn", CHURN.outcome)


def test_a_holdout_that_unpacks_to_gigabytes_is_refused_before_it_is_unpacked() -> None:
    content = gzip.compress(b"\n" * (MAX_BYTES + 1))
    assert len(content) < 100_000
    with pytest.raises(ModelUnusable, match="more than 67,108,864 bytes, unpacked"):
        holdout_from_bytes("churn", content)
