"""The models this API can serve. A new model is one folder and one entry here."""

from collections.abc import Iterable, Mapping

from mlops.models.churn.contract import CHURN
from mlops.models.contract import Contract

CONTRACTS: Mapping[str, Contract] = {contract.model: contract for contract in (CHURN,)}


def find_unknown_field(model: str, fields: Iterable[str | None]) -> str | None:
    """Return the first of these fields that a model does not have, or None if it has all.

    None, too, where no such model is known.
    """
    contract = CONTRACTS.get(model)
    if contract is None:
        return None
    known = contract.request.model_fields
    return next((name for name in fields if name is not None and name not in known), None)
