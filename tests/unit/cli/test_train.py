"""`mlops train`: what the gate refuses leaves nothing behind; what it prints where."""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from mlops.cli.training import code_sha, training_date
from mlops.errors import ConfigInvalid
from mlops.models.churn.training import CHURN_PLAN
from mlops.models.plan import Bounds
from tests.unit.cli.conftest import Mlops
from tests.unit.models.telco import telco_rows, write_csv

ROWS = telco_rows()[:500]
GENDER = {"Yes": "Male", "No": "Female"}


def test_a_leak_is_refused_and_progress_shown_apart_from_the_answer(tmp_path: Path) -> None:
    """In a process of its own: whether it talks to a terminal is settled when it starts."""
    leaking = [{**row, "gender": GENDER[row["Churn"]]} for row in ROWS]
    data = write_csv(tmp_path / "[bold]data.csv", leaking)
    ran = subprocess.run(
        [Path(sys.executable).parent / "mlops", "train", "churn", "--data", data.name, "--json"],
        cwd=tmp_path,
        env=os.environ | {"TTY_COMPATIBLE": "1", "TERM": "xterm", "COLUMNS": "300"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout) == (3, "")
    assert "Training churn on [bold]data.csv" in ran.stderr
    assert "25/25" in ran.stderr
    last = ran.stderr.splitlines()[-1]
    assert "mlops: The gate refuses this churn candidate: full: ROC-AUC 1.0000 is above" in last
    assert "does a column give the label away?" in last
    assert list(tmp_path.iterdir()) == [data]


def test_noise_is_refused_for_every_reason(mlops: Mlops, tmp_path: Path) -> None:
    labels = np.random.default_rng(3).permutation([row["Churn"] for row in ROWS])
    shuffled = [{**row, "Churn": str(label)} for row, label in zip(ROWS, labels, strict=True)]
    data = write_csv(tmp_path / "data.csv", shuffled)
    ran = mlops("train", "churn", "--data", data)
    assert (ran.code, ran.out) == (3, "")
    (line,) = ran.err.splitlines()
    for view in ("full", "three_fields"):
        assert f"{view}: ROC-AUC 0." in line
        assert f"{view}: Brier score 0." in line
    assert list(tmp_path.iterdir()) == [data]


def test_a_few_rows_are_refused(mlops: Mlops, tmp_path: Path) -> None:
    ran = mlops("train", "churn", "--data", write_csv(tmp_path / "data.csv", ROWS[:20]))
    assert ran.code == 3
    assert "too few rows to judge by" in ran.err


def test_bad_data_is_named(mlops: Mlops, tmp_path: Path) -> None:
    data = write_csv(tmp_path / "data.csv", [ROWS[0], {**ROWS[1], "tenure": "many"}])
    refusal = mlops("train", "churn", "--data", data).refusal
    assert refusal == f"{data}, line 3, tenure: Input should be a valid integer"


def test_outside_the_project_its_data_is_missed_by_name(mlops: Mlops) -> None:
    refusal = mlops("train", "churn").refusal
    assert "data/telco_churn.csv.gz" in refusal
    assert "No such file" in refusal


def test_a_model_without_a_plan_is_sent_to_the_import(mlops: Mlops) -> None:
    refusal = mlops("train", "loans").refusal
    assert refusal == (
        "loans: it has no training plan; those that have one: churn, ridership. To serve a model"
        " that was trained elsewhere: mlops import PIPELINE.joblib SAMPLE.csv --model loans"
    )


def test_bounds_are_proposed_as_a_plan_has_them(mlops: Mlops, tmp_path: Path) -> None:
    data = write_csv(tmp_path / "data.csv", telco_rows()[:300])
    ran = mlops("train", "churn", "--propose-bounds", "--data", data)
    assert ran.code == 0
    first, *lines, last, note = ran.out.splitlines()
    assert (first, last) == ("bounds={", "},")
    assert note.startswith("Nothing was written.")
    bounds = eval(f"{{{' '.join(lines)}}}", {"Bounds": Bounds})  # noqa: S307 -- what was printed
    assert bounds.keys() == CHURN_PLAN.bounds.keys()
    assert bounds["full"].minimum.keys() == {"roc_auc"}
    assert bounds["full"].maximum.keys() == {"roc_auc", "brier", "ece"}
    assert list(tmp_path.iterdir()) == [data]

    again = json.loads(mlops("train", "churn", "--propose-bounds", "--data", data, "--json").out)
    assert again == {
        "model": "churn",
        "bounds": {view: asdict(found) for view, found in bounds.items()},
    }


def test_a_folder_with_other_things_is_refused_before_training(
    mlops: Mlops, tmp_path: Path
) -> None:
    (tmp_path / "thesis.tex").touch()
    refusal = mlops("train", "churn", "--output", tmp_path, "--data", "nowhere").refusal
    assert refusal.startswith(f"{tmp_path}: it exists and holds no candidate")


def test_training_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1767225600")
    assert training_date() == datetime(2026, 1, 1, tzinfo=UTC)
    monkeypatch.delenv("SOURCE_DATE_EPOCH")
    now = training_date()
    assert now.microsecond == 0
    assert abs((datetime.now(UTC) - now).total_seconds()) < 60


@pytest.mark.parametrize("epoch", ["yesterday", "1e9", "9" * 30])
def test_a_training_date_that_is_none(monkeypatch: pytest.MonkeyPatch, epoch: str) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    with pytest.raises(ConfigInvalid, match="SOURCE_DATE_EPOCH: .* is not a number of seconds"):
        training_date()


def test_a_training_date_that_is_none_is_one_line(tmp_path: Path) -> None:
    """In a process of its own: libraries read the variable too, when they are first imported."""
    ran = subprocess.run(
        [Path(sys.executable).parent / "mlops", "train", "churn"],
        cwd=tmp_path,
        env=os.environ | {"SOURCE_DATE_EPOCH": "abc"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == "mlops: SOURCE_DATE_EPOCH: 'abc' is not a number of seconds\n"


def test_the_commit_does_not_depend_on_where_one_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    here = code_sha()
    monkeypatch.chdir(tmp_path)
    assert code_sha() == here


def test_without_git_there_is_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert code_sha() is None
