"""The reference profile of a version: bins of its training data, and how many rows are in each.

Canary analysis counts predictions in the bins of `prediction`, and drift is measured against all
of them. Counts add up, so a reader can join those of several reports.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops.models.contract import Contract, RequestField
from mlops.models.inputs import Tensors
from mlops.models.tabular import INPUT
from mlops.models.tasks import Numbers

BINS = 10


def reference_profile(
    contract: Contract, tensors: Tensors, numbers: Numbers, by_view: Mapping[str, Numbers]
) -> bytes:
    """Return the profile as JSON.

    `features` has a profile for each field that is a column of the model's input, `prediction` is
    that of the watched number. A profile has either `categories`, which are its bins, or `edges`:
    bins of numbers are cut at the deciles, of which equal ones are merged. Only the inner edges are
    listed, since the outer bins are open; each edge belongs to the bin above it. `counts` has the
    rows of each bin, and as its last entry those without a value. `minimum` and `maximum` are of
    the numbers; dates are numbers, too, in days since 1970. `views` has the `counts` of the watched
    number by view, in the bins of `prediction`.

    Args:
        tensors, numbers: All rows with all their fields, and their predictions.
        by_view: Predictions of all rows where clients send the fields of a view alone.
    """
    fields = contract.encoder.fields
    columns = tensors[INPUT].T.astype(np.float64) if fields else ()
    classes = contract.answer.classes
    watched = contract.outcome.watched(numbers)
    prediction = _category_profile(watched, classes) if classes else _number_profile(watched)
    document = {
        "rows": len(numbers),
        "features": {
            field.name: _feature_profile(field, values)
            for field, values in zip(fields, columns, strict=True)
        },
        "prediction": prediction,
        "views": {
            name: {"counts": _count(prediction, contract.outcome.watched(found))}
            for name, found in by_view.items()
        },
    }
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


def _feature_profile(field: RequestField, values: NDArray[np.float64]) -> dict[str, Any]:
    if field.type == "boolean":
        return _category_profile(values, (False, True))
    if field.is_numeric:
        return _number_profile(values)
    return _category_profile(values, field.choices)


def _number_profile(values: NDArray[np.float64]) -> dict[str, Any]:
    present = values[~np.isnan(values)]
    inner = np.linspace(0, 1, BINS + 1)[1:-1]
    # Deciles that are values of the data: interpolated ones are off by a bit, and a value that
    # many rows share would then lie beside its bin.
    deciles = np.quantile(present, inner, method="inverted_cdf") if len(present) else present
    profile: dict[str, Any] = {"edges": np.unique(deciles).tolist()}
    profile["counts"] = _count(profile, values)
    if len(present):
        profile |= {"minimum": float(present.min()), "maximum": float(present.max())}
    return profile


def _category_profile(
    positions: NDArray[np.float64], categories: Sequence[str | int | bool]
) -> dict[str, Any]:
    profile = {"categories": list(categories)}
    return profile | {"counts": _count(profile, positions)}


def _count(profile: Mapping[str, Any], values: NDArray[np.float64]) -> list[int]:
    """Return the number of values in each bin of a profile, then that of missing ones."""
    present = values[~np.isnan(values)]
    if "edges" in profile:
        bins = np.searchsorted(profile["edges"], present, side="right")
        count = len(profile["edges"]) + 1
    else:
        bins, count = present.astype(np.intp), len(profile["categories"])
    return [*np.bincount(bins, minlength=count).tolist(), len(values) - len(present)]
