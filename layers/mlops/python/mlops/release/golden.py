"""Golden rows, sent to a version of the API: does it answer as the model did when it was trained?

This goes through all that a client's request goes through; what `/readyz` repeats does not.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from mlops.errors import InvocationFailed
from mlops.inference.golden import GoldenRow
from mlops.inference.loading import ServedModel
from mlops.inference.predictor import DECIMALS
from mlops.models.contract import Request
from mlops.models.validation import validate
from mlops.release.findings import Findings
from mlops.release.version_client import Answer, ApiVersion

TOLERANCE = 1.5 * 10.0**-DECIMALS
"""One unit of the last decimal: another processor may round the other way. And half of one, since
no difference of two decimals is exact."""
_DIGEST = "model-digest"
_ANY_ID = "any prediction id"
_SHOWN = 3


def check_golden_rows(api: ApiVersion, served: ServedModel) -> Findings:
    """How many rows were answered otherwise, and the first of them as reasons.

    A reason names row (from 1) and field, never what the row says of whom.
    """
    wrong: list[str] = []
    for number, row in enumerate(served.golden, start=1):
        try:
            found = list(_differences(api, served, row))
        except InvocationFailed as error:
            wrong.append(f"golden row {number}: {error}")
            break  # each further one would be waited for as long
        if found:
            wrong.append(f"golden row {number}: {', '.join(found)}")
    rows = len(served.golden)
    reasons = wrong[:_SHOWN]
    if len(wrong) > _SHOWN:
        reasons.append(f"{len(wrong)} of {rows} golden rows in all")
    if not rows:
        reasons.append("it has no golden rows")
    return Findings(tuple(reasons), details={"golden": {"rows": rows, "wrong": len(wrong)}})


def _differences(api: ApiVersion, served: ServedModel, row: GoldenRow) -> Iterator[str]:
    expected = _expected(served, row)
    if expected is None:
        yield "the contract refuses it"
        return
    answer = api.predict(served.contract.model, row.request)
    if answer.status != 200:
        yield f"status {answer.status}"
        return
    if answer.headers.get(_DIGEST) != served.pin.digest:
        yield f"the header {_DIGEST} is not the pin's"
    yield from _fields(answer, expected)


def _fields(answer: Answer, expected: Mapping[str, Any]) -> Iterator[str]:
    found = answer.document if isinstance(answer.document, dict) else {}
    for field, value in expected.items():
        if field not in found:
            yield f"{field} is missing"
        elif isinstance(value, float):
            if not _close(found[field], value):
                yield f"{field} differs"
        elif value not in (_ANY_ID, found[field]):
            yield f"{field} differs"


def _expected(served: ServedModel, row: GoldenRow) -> dict[str, Any] | None:
    """The answer's fields; None where there can be none."""
    contract = served.contract
    request = validate(contract, row.request)
    if not isinstance(request, Request):
        return None
    try:
        answer = contract.answer(
            request, row.prediction, model_version=served.version, prediction_id=_ANY_ID
        )
    except ValueError:  # pydantic's ValidationError is one: the prediction is no probability
        return None
    return answer.model_dump(mode="json")


def _close(found: object, expected: float) -> bool:
    if isinstance(found, bool) or not isinstance(found, int | float):
        return False
    return abs(found - expected) <= TOLERANCE
