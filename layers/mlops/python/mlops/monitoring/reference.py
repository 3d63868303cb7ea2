"""The reference profile of a version: bins and base rates that drift is later measured against."""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops.models.columns import Columns
from mlops.models.contract import Contract

BINS = 10


def reference_profile(
    contract: Contract, columns: Columns, predictions: NDArray[np.float64]
) -> bytes:
    """A JSON document: for each feature and for the prediction, the share of rows in each bin.

    Numbers are cut at their deciles, of which equal ones are merged; `edges` are the inner
    ones, so the outer bins are open. `shares` has one entry a bin, then one for missing values;
    they sum to 1.
    """
    values = dict(zip((*contract.numeric, *contract.categorical), columns.values.T, strict=True))
    document = {
        "rows": len(columns),
        "numeric": {name: _numeric(values[name].astype(np.float64)) for name in contract.numeric},
        "categorical": {
            name: _categorical(values[name], contract.categories[name])
            for name in contract.categorical
        },
        "prediction": _numeric(predictions),
    }
    return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()


def _numeric(values: NDArray[np.float64]) -> dict[str, Any]:
    present = values[~np.isnan(values)]
    inner = np.linspace(0, 1, BINS + 1)[1:-1]
    # Deciles that are values of the data: interpolated ones are off by a bit, and a value that
    # many rows share would then lie beside its bin.
    deciles = np.quantile(present, inner, method="inverted_cdf") if len(present) else present
    edges = np.unique(deciles)
    counts = np.bincount(np.searchsorted(edges, present, side="right"), minlength=len(edges) + 1)
    shares = [*counts.tolist(), len(values) - len(present)]
    return {"edges": edges.tolist(), "shares": _shares(shares, len(values))}


def _categorical(values: NDArray[np.float32], categories: tuple[str, ...]) -> dict[str, Any]:
    counts = [int(np.count_nonzero(values == place)) for place in range(len(categories))]
    counts.append(int(np.count_nonzero(np.isnan(values))))
    return {"categories": list(categories), "shares": _shares(counts, len(values))}


def _shares(counts: list[int], total: int) -> list[float]:
    return [round(count / total, 6) for count in counts]
