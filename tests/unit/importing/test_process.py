"""The process that loads an estimator is held to its limits, and says nothing but JSON."""

import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from mlops.errors import DataInvalid, EstimatorUnusable
from mlops.importing.process import Limits, run_import
from tests.unit.importing.loans import order, pipeline


class Sleeping:
    def __reduce__(self) -> Any:
        return time.sleep, (600,)


class Ending:
    def __reduce__(self) -> Any:
        return os._exit, (7,)


class Greedy:
    def __reduce__(self) -> Any:
        return bytearray, (3 * 2**30,)


class Printing:
    def __reduce__(self) -> Any:
        return print, ("hello",)


def test_an_estimator_is_imported_with_its_steps(tmp_path: Path) -> None:
    steps: list[str] = []
    found, graph = run_import(order(tmp_path), steps.append)
    assert found.estimator == "LogisticRegression"
    assert graph
    assert steps[1:] == [
        "Reading the sample",
        "Loading the estimator",
        "Inferring the contract",
        "Converting",
        "Comparing with the estimator",
    ]


def test_errors_come_back_as_they_were_raised(tmp_path: Path) -> None:
    with pytest.raises(DataInvalid) as refused:
        run_import(order(tmp_path, label="nothing"))
    assert (refused.value.field, refused.value.line) == ("nothing", None)


def test_code_that_waits_is_stopped(tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(EstimatorUnusable, match=r"takes more than 12 s; .* --time-limit"):
        run_import(order(tmp_path, Sleeping()), limits=Limits(seconds=12))
    assert time.monotonic() - began < 60


def test_code_that_ends_the_process_is_a_refusal(tmp_path: Path) -> None:
    with pytest.raises(EstimatorUnusable, match=r"ended \(exit code 7\)"):
        run_import(order(tmp_path, Ending()))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a process to its memory")
def test_code_that_takes_memory_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(EstimatorUnusable, match="more memory than allowed"):
        run_import(order(tmp_path, Greedy()), limits=Limits(bytes=2**30))


def test_nothing_that_an_estimator_prints_is_shown(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(EstimatorUnusable, match="a NoneType, which does not predict"):
        run_import(order(tmp_path, Printing()))
    assert capfd.readouterr() == ("", "")


def test_the_estimator_is_never_loaded_here(tmp_path: Path) -> None:
    marker = tmp_path / "loaded"
    wanted = order(tmp_path, _Marking(str(marker)))
    with pytest.raises(EstimatorUnusable):
        run_import(wanted)
    assert int(marker.read_text()) != os.getpid()
    assert pipeline()


class _Marking:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return _mark, (self.path,)


def _mark(path: str) -> None:
    Path(path).write_text(str(os.getpid()))
