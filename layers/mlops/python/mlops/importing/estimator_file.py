"""A trained estimator in a file. Loading it runs the code that is in it.

So this is imported by the child process alone; see `process`.
"""

import io
import re
import warnings
from pathlib import Path
from typing import Any

import joblib
import sklearn
from sklearn.base import is_regressor
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError
from sklearn.utils.validation import check_is_fitted

from mlops.errors import EstimatorUnusable
from mlops.files import describe_os_error

_VERSION = re.compile(rb"_sklearn_version.{1,12}?([0-9]+\.[0-9]+(?:\.[0-9a-z]+)*)", re.DOTALL)

_MISSING = re.compile(
    r"Can't get attribute '(?P<name>[^']+)' on <module '(?P<module>[^']+)'"
    r"|module '(?P<second>[^']+)' has no attribute '(?P<other>[^']+)'"
)


def load_estimator(path: Path) -> Any:
    """Return the fitted estimator of a file of joblib or pickle. Raise EstimatorUnusable."""
    source = str(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise EstimatorUnusable(source, describe_os_error(error)) from error
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            estimator = joblib.load(io.BytesIO(content))
        except Exception as error:  # a pickle may raise anything
            _require_same_version(source, _fitted_with(content, caught))
            raise EstimatorUnusable(source, _why(error)) from error
    _require_same_version(source, _fitted_with(content, caught))
    _require_usable(source, estimator)
    return estimator


def _fitted_with(content: bytes, caught: list[warnings.WarningMessage]) -> str | None:
    """Return the version of scikit-learn that the file was made with, if it is another one."""
    for warning in caught:
        if isinstance(warning.message, InconsistentVersionWarning):
            return str(warning.message.original_sklearn_version)
    found = _VERSION.search(content)
    version = found.group(1).decode() if found else None
    return version if version != sklearn.__version__ else None


def _require_same_version(source: str, version: str | None) -> None:
    if version is not None:
        raise EstimatorUnusable(
            source,
            f"it was fitted with scikit-learn {version}, but {sklearn.__version__} is installed"
            " here, which may predict other numbers with it. Run this command in an environment"
            f" with scikit-learn=={version}, or fit the estimator again with {sklearn.__version__}",
        )


def _why(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError):
        return (
            f"it needs the module {error.name!r}, which is not installed here. Install it in this"
            " environment, or add its folder to PYTHONPATH"
        )
    missing = _MISSING.search(str(error))
    if missing:
        name, module = missing["name"] or missing["other"], missing["module"] or missing["second"]
        where = " of a notebook or script" if module.endswith("main__") else ""
        return (
            f"it needs {name!r} of the module {module!r}{where}, which cannot be imported here."
            " Move it to a module file, fit and save the estimator again, and add the folder of"
            " the module to PYTHONPATH"
        )
    if isinstance(error, EOFError):
        return "it ends too early: it was not written or copied to its end. Save or copy it again"
    if isinstance(error, MemoryError):
        return "loading it takes more memory than allowed"
    return (
        f"it cannot be loaded ({type(error).__name__}: {error}). Save the fitted estimator with"
        " joblib.dump(estimator, FILE)"
    )


def _require_usable(source: str, estimator: Any) -> None:
    if isinstance(estimator, type) or not hasattr(estimator, "predict"):
        raise EstimatorUnusable(
            source,
            f"it holds {_noun(estimator)}, which does not predict. Save the fitted pipeline or"
            " estimator itself",
        )
    try:
        check_is_fitted(estimator)
    except (NotFittedError, TypeError) as error:
        raise EstimatorUnusable(source, "it is not fitted. Call fit before you save it") from error
    if not hasattr(estimator, "classes_") and not is_regressor(estimator):
        raise EstimatorUnusable(
            source, f"{_noun(estimator)} is neither a classifier nor a regressor"
        )


def _noun(value: Any) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else f"a {type(value).__name__}"
