"""Golden rows, sent to a version of the API: does it answer as the model did when it was trained?

This goes through all that a client's request goes through; what `/readyz` repeats does not.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from mlops.errors import InvocationFailed
from mlops.inference import golden
from mlops.inference.golden import GoldenRow
from mlops.inference.loading import ServedModel
from mlops.models.schemas import Request
from mlops.models.validation import validate
from mlops.release.findings import Findings
from mlops.release.version_client import ApiVersion

TOLERANCE = 1.5
"""Units of the last decimal. Another processor may round the other way, which is one; and half of
one, since no difference of two decimals is exact."""
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
    unit = 10.0**-served.contract.outcome.output.decimals
    found = answer.document if isinstance(answer.document, dict) else {}
    for field, value in expected.items():
        if field not in found:
            yield f"{field} is missing"
        elif value != _ANY_ID and not close(found[field], value, unit):
            yield f"{field} differs"


def _expected(served: ServedModel, row: GoldenRow) -> dict[str, Any] | None:
    """The answer's fields; None where there can be none."""
    contract = served.contract
    request = validate(contract, row.request)
    if not isinstance(request, Request):
        return None
    try:
        answer = contract.answer_to(
            request, row.numbers, model_version=served.version, prediction_id=_ANY_ID
        )
    except ValueError:  # pydantic's ValidationError is one: the numbers are none of the task
        return None
    return answer.model_dump(mode="json")


def close(found: object, expected: object, unit: float) -> bool:
    """Compare two values of JSON; unit: the last decimal of numbers."""
    if isinstance(expected, Mapping):
        return isinstance(found, Mapping) and (
            found.keys() == expected.keys()
            and all(close(found[name], value, unit) for name, value in expected.items())
        )
    if isinstance(expected, list):
        return (
            isinstance(found, list)
            and len(found) == len(expected)
            and all(close(one, other, unit) for one, other in zip(found, expected, strict=True))
        )
    if not isinstance(expected, float):
        return found == expected
    if isinstance(found, bool) or not isinstance(found, int | float):
        return False
    # float32 does not know a large number by so many decimals.
    share = golden.TOLERANCE * abs(expected) if abs(expected) > 1 else 0
    return abs(found - expected) <= max(TOLERANCE * unit, share)
