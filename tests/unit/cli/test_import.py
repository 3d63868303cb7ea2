"""`mlops import`: what it writes and says, and that a refusal leaves nothing behind."""

from pathlib import Path

import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from mlops.inference.holdout import holdout_from_bytes
from mlops.inference.manifest import CONTRACT, HOLDOUT
from mlops.models.contract import Contract
from mlops.training.folder import read
from tests.unit.cli.conftest import Mlops
from tests.unit.importing.loans import LABEL, ROWS, loans, order

OPTIONS = ("--model", "loans", "--label", LABEL, "--positive", "bad", "--id", "loan")


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    wanted = order(tmp_path)
    return Path(wanted.pipeline), Path(wanted.sample)


def test_a_pipeline_becomes_a_candidate_and_a_contract_to_review(
    mlops: Mlops, files: tuple[Path, Path], tmp_path: Path
) -> None:
    ran = mlops("import", *files, *OPTIONS)
    assert ran.code == 0
    assert "review it, and import again after a change" in ran.out
    assert "Next: mlops register loans" in ran.out
    candidate = read(Path(".mlops/candidates/loans"))
    contract = Contract.from_json(candidate.files[CONTRACT], CONTRACT)
    assert contract == Contract.from_toml((tmp_path / "contract.toml").read_text(), "contract.toml")
    holdout = holdout_from_bytes("loans", candidate.files[HOLDOUT])
    assert len(holdout.labels) == ROWS
    assert holdout.requests[0]["loan"] == "row 0"
    assert candidate.files["model.joblib"] == files[0].read_bytes()


def test_an_edited_contract_is_read_again(
    mlops: Mlops, files: tuple[Path, Path], tmp_path: Path
) -> None:
    assert mlops("import", *files, *OPTIONS).code == 0
    document = tmp_path / "contract.toml"
    edited = document.read_text().replace("le = 1000\n", "le = 120\n")
    document.write_text(edited)
    ran = mlops("import", *files, *OPTIONS, "--json")
    assert ran.document["changes"] == ["age.le: 120 instead of 1000"]
    assert document.read_text() == edited
    assert mlops("import", *files, *OPTIONS, "--infer").code == 0
    assert "le = 1000\n" in document.read_text()


def test_a_refused_pipeline_leaves_nothing_behind(mlops: Mlops, tmp_path: Path) -> None:
    frame = loans()
    model = make_pipeline(FunctionTransformer(abs), LogisticRegression())
    wanted = order(tmp_path, model.fit(frame[["age"]], frame[LABEL]))
    ran = mlops("import", wanted.pipeline, wanted.sample, *OPTIONS)
    assert (ran.code, ran.out) == (3, "")
    assert "mlops: loans is not imported: FunctionTransformer has no graph" in ran.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pipeline.joblib", "sample.csv"]


def test_a_file_that_is_no_estimator_is_an_error(
    mlops: Mlops, files: tuple[Path, Path], tmp_path: Path
) -> None:
    ran = mlops("import", files[1], files[1], *OPTIONS)
    assert "it cannot be loaded" in ran.refusal
    assert not (tmp_path / "contract.toml").exists()


def test_a_foreign_folder_is_not_replaced(
    mlops: Mlops, files: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "notes.txt").write_text("mine")
    ran = mlops("import", *files, *OPTIONS, "--output", tmp_path / "own")
    assert "it exists and holds no candidate" in ran.refusal


@pytest.mark.parametrize("missing", ["contract.toml", ".mlops/candidates"])
def test_contract_and_candidate_are_written_both_or_none(
    mlops: Mlops, files: tuple[Path, Path], tmp_path: Path, missing: str
) -> None:
    """Where one of them is to be, there is something else."""
    if missing == "contract.toml":
        (tmp_path / "other").mkdir()
        blocked: tuple[object, ...] = ("--contract", tmp_path / "other", "--infer")
    else:
        (tmp_path / ".mlops").mkdir()
        (tmp_path / missing).write_text("a file")
        blocked = ()
    ran = mlops("import", *files, *OPTIONS, *blocked)
    assert (ran.code, ran.out) == (1, "")
    assert not (tmp_path / "contract.toml").exists()
    assert not (tmp_path / ".mlops/candidates/loans").exists()


@pytest.mark.parametrize("name", ["Loans", "batch", "my_loans", "loans-", "a" * 65])
def test_a_name_that_no_model_can_have_is_refused_first(mlops: Mlops, name: str) -> None:
    ran = mlops("import", "none.joblib", "none.csv", "--model", name, "--label", LABEL)
    assert ran.code == 2
    assert "--model: " in ran.err
