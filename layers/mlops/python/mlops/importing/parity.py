"""Proof that the served graph predicts what the estimator does, on more rows than the sample.

Rows are requests. They go the whole way that they go in production: through the request class, the
encoder and the `Predictor`. The estimator gets the same rows as it was fitted on.
"""

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from mlops.importing.columns import states_of
from mlops.importing.conversion import Converted
from mlops.inference.predictor import Predictor
from mlops.models.contract import Contract, RequestField
from mlops.models.tabular import INPUT, days_since_1970
from mlops.models.validation import validate

TOLERANCE = 1e-5
"""Largest difference of a number, as a share of it where it is large; see `differences`."""

_BASE_ROWS = 200
_ROWS_OF_A_VALUE = 3
_MISSING_ROWS = 20
_NUMBER_ROWS = 6_000
"""For all fields together."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Group:
    """Rows of one kind. about: completes "rows ..."; field: the one that they vary, if any."""

    about: str
    rows: tuple[Row, ...]
    field: str | None = None


@dataclass(frozen=True)
class Difference:
    """Where graph and estimator disagree.

    count: of rows of the group. largest: as a share of numbers above 1; NaN where one has none.
    row: the worst. flips: rows decided for another class.
    """

    group: Group
    count: int
    largest: float
    flips: int
    row: Row


def generate_rows(
    contract: Contract, sample: Sequence[Row], converted: Converted, seed: int = 0
) -> list[Group]:
    """Return rows beyond the sample: all that could tell a graph from its estimator.

    sample: requests, of which some are varied.
    """
    generator = np.random.default_rng(seed)
    places = generator.permutation(len(sample))[:_BASE_ROWS]
    base = [dict(sample[place]) for place in sorted(places.tolist())]

    def vary(field: RequestField, values: Sequence[Any], copies: int) -> tuple[Row, ...]:
        chosen = generator.integers(len(base), size=(len(values), copies))
        return tuple(
            base[place] | {field.name: value}
            for value, places in zip(values, chosen.tolist(), strict=True)
            for place in places
        )

    groups = []
    numeric = [field for field in contract.features if _bounds_of(field) is not None]
    cuts = _cuts(contract, base, converted, numeric)
    each = max(60, _NUMBER_ROWS // max(1, len(numeric)))
    for field in contract.features:
        states = states_of(field)
        if states is not None:
            few = _ROWS_OF_A_VALUE if len(states) <= 100 else 1
            groups.append(
                Group(f"with each value of {field.name!r}", vary(field, states, few), field.name)
            )
            continue
        bounds = _bounds_of(field)
        assert bounds is not None  # noqa: S101 -- a field without states has bounds
        seen = [row[field.name] for row in base if field.name in row]
        beside, between, far = _numbers(field, cuts.get(field.name, ()), seen, bounds)
        for about, values in (
            (f"with {field.name!r} on thresholds of the estimator and next to them", beside),
            (f"with other values of {field.name!r}", between),
            (f"with {field.name!r} at its bounds", far),
        ):
            if len(values) > each:
                kept = generator.permutation(len(values))[:each]
                values = [values[place] for place in sorted(kept.tolist())]
            if values:
                groups.append(Group(about, vary(field, values, 1), field.name))
    groups += _without_fields(contract, base, generator)
    allowed = (
        Group(
            group.about, tuple(row for row in group.rows if _is_allowed(contract, row)), group.field
        )
        for group in groups
    )
    return [group for group in allowed if group.rows]


def _is_allowed(contract: Contract, row: Row) -> bool:
    """Tell whether clients may send a row: rules between fields can forbid it."""
    return not isinstance(validate(contract, row), tuple)


def _without_fields(
    contract: Contract, base: Sequence[Row], generator: np.random.Generator
) -> list[Group]:
    optional = [field.name for field in contract.features if not field.required]
    if not optional:
        return []
    few = base[:_MISSING_ROWS]
    groups = [
        Group(f"without {name!r}", tuple(_drop(row, {name}) for row in few), name)
        for name in optional
    ]
    groups.append(
        Group("without any optional field", tuple(_drop(row, {*optional}) for row in few))
    )
    some = []
    for row in base:
        rate = generator.random()
        some.append(_drop(row, {name for name in optional if generator.random() < rate}))
    return [*groups, Group("without some optional fields", tuple(some))]


def _drop(row: Row, names: set[str]) -> Row:
    return {name: value for name, value in row.items() if name not in names}


def _bounds_of(field: RequestField) -> tuple[float, float] | None:
    """Return the least and the greatest number that a client may send."""
    if states_of(field) is not None:
        return None
    bounds = dict(field.bounds)
    if field.type == "date":
        if not bounds.keys() & {"ge", "gt"}:
            bounds["ge"] = days_since_1970(datetime.date(1970, 1, 1))
        if not bounds.keys() & {"le", "lt"}:
            bounds["le"] = days_since_1970(datetime.date(2100, 1, 1))
    step = 0.0 if field.type == "number" else 1.0
    low = bounds["ge"] if "ge" in bounds else np.nextafter(float(bounds["gt"]) + step, np.inf)
    high = bounds["le"] if "le" in bounds else np.nextafter(float(bounds["lt"]) - step, -np.inf)
    return float(low), float(high)


def _numbers(
    field: RequestField,
    cuts: Sequence[float],
    seen: Sequence[Any],
    bounds: tuple[float, float],
) -> tuple[list[Any], list[Any], list[Any]]:
    """Return values beside thresholds, between those of the sample, and at the bounds."""
    plain = [_as_number(field, value) for value in seen]
    known = np.unique(np.array(plain, dtype=np.float64))
    middles = (known[:-1] + known[1:]) / 2
    thresholds = np.array(cuts, dtype=np.float64)
    narrow = thresholds.astype(np.float32)
    with np.errstate(over="ignore"):
        beside = np.concatenate(
            [
                thresholds,
                np.nextafter(thresholds, -np.inf),
                np.nextafter(thresholds, np.inf),
                narrow.astype(np.float64),
                np.nextafter(narrow, np.float32(-np.inf)).astype(np.float64),
                np.nextafter(narrow, np.float32(np.inf)).astype(np.float64),
                np.floor(thresholds),
                np.ceil(thresholds),
            ]
        )
    between = np.concatenate([middles, np.floor(middles), np.ceil(middles), [0.0, 1.0]])
    return tuple(_within(field, values, bounds) for values in (beside, between, np.array(bounds)))  # type: ignore[return-value]


def _within(
    field: RequestField, values: NDArray[np.float64], bounds: tuple[float, float]
) -> list[Any]:
    low, high = bounds
    found = np.unique(values[(values >= low) & (values <= high)])
    if field.type in ("integer", "date"):
        found = np.unique(np.floor(found))
        found = found[(found >= low) & (found <= high)]
    if field.type == "date":
        start = datetime.date(1970, 1, 1)
        return [(start + datetime.timedelta(days=int(day))).isoformat() for day in found]
    return [int(value) if field.type == "integer" else float(value) for value in found]


def _as_number(field: RequestField, value: Any) -> float:
    if field.type == "date":
        return days_since_1970(datetime.date.fromisoformat(value))
    return float(value)


def _cuts(
    contract: Contract,
    base: Sequence[Row],
    converted: Converted,
    numeric: Sequence[RequestField],
) -> dict[str, list[float]]:
    """Return for each field the values at which a step behind decides.

    Between a field and a threshold there are scalers and the like. How they move the field is seen
    from three rows, if they do it in a straight line.
    """
    if not converted.cuts or not numeric:
        return {}
    complete = max(base, key=len)
    rows: list[Row] = []
    tried = []
    for field in numeric:
        seen = sorted(_as_number(field, row[field.name]) for row in base if field.name in row)
        if not seen:
            continue
        low, high = seen[0], seen[-1]
        if low == high:
            high = low + 1.0
        values = np.array([low, low + (high - low) / 4, high])
        tried.append((field, values))
        rows += [complete] * 3
    tensors = contract.encoder.tensors([contract.request.model_validate(row) for row in rows])
    matrix = tensors[INPUT].copy()
    fields = contract.encoder.fields
    for number, (field, values) in enumerate(tried):
        matrix[3 * number : 3 * number + 3, fields.index(field)] = values
    names = [f"cut{number}" for number in range(len(converted.cuts))]
    session = onnxruntime.InferenceSession(converted.probe, providers=["CPUExecutionProvider"])
    outputs = np.concatenate(session.run(names, {INPUT: matrix}), axis=1).astype(np.float64)
    found: dict[str, list[float]] = {}
    for number, (field, values) in enumerate(tried):
        first, middle, last = outputs[3 * number : 3 * number + 3]
        slope = (last - first) / (values[2] - values[0])
        expected = first + slope * (values[1] - values[0])
        straight = (np.abs(middle - expected) <= 1e-4 * np.abs(last - first)) & (slope != 0)
        for place in np.flatnonzero(straight).tolist():
            cuts = converted.cuts[place]
            at = values[0] + (cuts - first[place]) / slope[place]
            found.setdefault(field.name, []).extend(_exact(at, slope[place], first[place]))
    return found


def _exact(at: NDArray[np.float64], slope: float, start: float) -> list[float]:
    """Return thresholds, and where they are nearly whole or half numbers these as well."""
    near = np.round(at * 2) / 2
    return [*at.tolist(), *near[np.abs(near - at) < 1e-3].tolist()]


def compare(
    contract: Contract,
    predictor: Predictor,
    groups: Sequence[Group],
    expect: Callable[[Sequence[Row]], NDArray[np.float64]],
    target: Any,
) -> tuple[float, list[Difference]]:
    """Return the largest difference, and where it is too large.

    expect: what the estimator predicts, shape (n, k). Differences of rounding do not count.
    """
    rows = [row for group in groups for row in group.rows]
    expected = expect(rows)  # first: where the estimator fails, the graph may do so, too
    requests = [contract.request.model_validate(row) for row in rows]
    found = predictor.predict(contract.encoder.tensors(requests))
    decimals = contract.outcome.output.decimals
    unit = 1.0
    if target.kind == "value":
        unit = min(1.0, float(np.std(expected[: len(groups[0].rows)]))) or 1.0
    off = differences(found, expected, decimals, unit)
    flips = decided_differently(target, found, expected, decimals)
    bad = ~(off <= TOLERANCE) | flips  # NaN is neither above nor below
    differing = []
    start = 0
    for group in groups:
        here = slice(start, start + len(group.rows))
        start += len(group.rows)
        if bad[here].any():
            worst = int(np.argmax(np.where(np.isnan(off[here]), np.inf, off[here])))
            differing.append(
                Difference(
                    group,
                    int(bad[here].sum()),
                    float(np.max(off[here])),
                    int(flips[here].sum()),
                    group.rows[worst],
                )
            )
    return float(np.max(off)), differing


def differences(
    found: NDArray[np.float64], expected: NDArray[np.float64], decimals: int, unit: float = 1.0
) -> NDArray[np.float64]:
    """Return the largest difference of each row, besides that of rounding; shape (n,).

    unit: numbers below count as this large; a small spread asks for a smaller one.
    """
    rounding = 0.5 * 10.0**-decimals
    off = np.maximum(np.abs(found - expected) - rounding, 0) / np.maximum(unit, np.abs(expected))
    return np.asarray(off.max(axis=1))


def decided_differently(
    target: Any, found: NDArray[np.float64], expected: NDArray[np.float64], decimals: int
) -> NDArray[np.bool_]:
    """Tell which rows are decided for another class, unless rounding makes it a tie."""
    if target.kind == "value":
        return np.zeros(len(found), dtype=bool)
    decided = target.leads(expected) > 2 * 10.0**-decimals
    return np.asarray(decided & (target.decisions(found) != target.decisions(expected)))
