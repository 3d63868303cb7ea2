"""A file that holds no usable estimator is refused with what to do about it."""

import pickle
from pathlib import Path
from typing import Any

import joblib
import pytest
import sklearn
from sklearn.cluster import DBSCAN
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlops.errors import EstimatorUnusable
from mlops.importing.estimator_file import load_estimator
from tests.unit.importing.loans import pipeline


def written(folder: Path, value: Any) -> Path:
    joblib.dump(value, folder / "pipeline.joblib")
    return folder / "pipeline.joblib"


def test_a_fitted_pipeline_is_loaded(tmp_path: Path) -> None:
    assert hasattr(load_estimator(written(tmp_path, pipeline())), "predict_proba")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (LogisticRegression(), "it is not fitted"),
        (make_pipeline(StandardScaler(), LogisticRegression()), "it is not fitted"),
        (LogisticRegression, "the class LogisticRegression, which does not predict"),
        ({"model": 1}, "a dict, which does not predict"),
        (PCA(), "a PCA, which does not predict"),
        (DBSCAN(), "a DBSCAN, which does not predict"),
    ],
    ids=["not fitted", "pipeline not fitted", "class", "dict", "transformer", "clusters"],
)
def test_what_does_not_predict_is_refused(tmp_path: Path, value: Any, reason: str) -> None:
    with pytest.raises(EstimatorUnusable, match=reason):
        load_estimator(written(tmp_path, value))


@pytest.mark.parametrize("left", [0, 100])
def test_a_file_that_was_cut_is_refused(tmp_path: Path, left: int) -> None:
    path = written(tmp_path, pipeline())
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(EstimatorUnusable, match=r"ends too early.* again|cannot be loaded .* Save"):
        load_estimator(path)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pipeline.joblib"
    path.write_text("age,income\n1,2\n")
    with pytest.raises(EstimatorUnusable, match=r"cannot be loaded .*joblib\.dump"):
        load_estimator(path)
    with pytest.raises(EstimatorUnusable, match="No such file"):
        load_estimator(tmp_path / "none.joblib")


def test_another_version_of_scikit_learn_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, pipeline())
    current = sklearn.__version__.encode()
    other = b"0" + current[1:]
    path.write_bytes(path.read_bytes().replace(current, other))
    with pytest.raises(EstimatorUnusable) as refused:
        load_estimator(path)
    assert f"fitted with scikit-learn {other.decode()}" in refused.value.reason
    assert f"scikit-learn=={other.decode()}" in refused.value.reason


@pytest.mark.parametrize(
    ("module", "name", "reason"),
    [
        ("nowhere_at_all", "Step", "needs the module 'nowhere_at_all'"),
        ("__main__", "MyStep", "needs 'MyStep' of the module '__main__' of a notebook or script"),
        ("mlops.files", "MyStep", "needs 'MyStep' of the module 'mlops.files'"),
    ],
)
def test_a_class_that_cannot_be_imported_is_named(
    tmp_path: Path, module: str, name: str, reason: str
) -> None:
    path = tmp_path / "pipeline.joblib"
    path.write_bytes(b"c" + module.encode() + b"\n" + name.encode() + b"\n.")
    with pytest.raises(EstimatorUnusable, match=reason):
        load_estimator(path)


def test_an_error_of_the_estimators_own_code_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "pipeline.joblib"
    path.write_bytes(pickle.dumps(_Failing()))
    with pytest.raises(EstimatorUnusable, match="ZeroDivisionError"):
        load_estimator(path)


class _Failing:
    def __reduce__(self) -> Any:
        return divmod, (1, 0)
