"""The reader of training data that fits a contract."""

from pathlib import Path

from mlops.models.contract import Contract
from mlops.training import csv_data
from mlops.training.data import Dataset
from mlops.training.series_data import load_series


def load(path: Path, contract: Contract) -> Dataset:
    """Read a file of labelled rows, or of a series where the contract's task is a forecast.

    Raises:
        DataInvalid: The file cannot be used; the error names file, line and column.
        ContractInvalid: The contract does not say what the labels are.
    """
    reader = load_series if contract.task == "forecast" else csv_data.load
    return reader(path, contract)
