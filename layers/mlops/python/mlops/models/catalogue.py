"""The models this API can serve. A new model is one folder and one entry here."""

from collections.abc import Mapping

from mlops.models.churn.contract import CHURN
from mlops.models.contract import Contract

CONTRACTS: Mapping[str, Contract] = {contract.model: contract for contract in (CHURN,)}
