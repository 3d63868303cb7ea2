"""The rows that an estimator was fitted on, made of requests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas

from mlops.models.contract import Contract
from mlops.models.tabular import days_since_1970


@dataclass(frozen=True)
class Origin:
    """columns: in the order in which the estimator gets them.

    named: whether it gets a frame; otherwise an array.
    fillers: a value for columns that it does not read.
    """

    columns: tuple[str, ...]
    named: bool
    fillers: Mapping[str, Any]

    def rows(self, contract: Contract, requests: Sequence[Mapping[str, Any]]) -> Any:
        """Return validated requests as the estimator's rows."""
        fields = {field.column: field for field in contract.features}
        frame = {}
        for column in self.columns:
            field = fields.get(column)
            if field is None:
                values = [self.fillers.get(column)] * len(requests)
            else:
                values = [request.get(field.name) for request in requests]
                if field.type == "date":
                    values = [
                        None if day is None else days_since_1970(date.fromisoformat(str(day)))
                        for day in values
                    ]
            frame[column] = _series(values, None if field is None else field.type)
        return self.shape(pandas.DataFrame(frame))

    def shape(self, frame: pandas.DataFrame) -> Any:
        """Return a frame, or an array where the estimator was fitted on one."""
        ordered = frame[list(self.columns)]
        if self.named:
            return ordered
        if all(map(pandas.api.types.is_numeric_dtype, ordered.dtypes)):
            return ordered.to_numpy(dtype=np.float64, na_value=np.nan)
        return ordered.to_numpy(dtype=object, na_value=np.nan)


def _series(values: Sequence[Any], kind: str | None) -> pandas.Series:
    found = pandas.Series([np.nan if value is None else value for value in values], dtype=object)
    if kind in ("number", "date"):
        return found.astype(np.float64)
    return found.infer_objects()
