"""Candidate and champion on the candidate's holdout.

The candidate was not trained on these rows. The champion may have been, where its own split was
another one; that can only favour the champion. Equal data and code split alike, and then the two
versions have the very same holdout, which neither has seen.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from mlops.errors import ModelUnusable
from mlops.inference.holdout import holdout_from_bytes
from mlops.inference.loading import ArtifactSource, ServedModel, read_listed
from mlops.inference.manifest import HOLDOUT
from mlops.models.contract import Contract
from mlops.models.schemas import Request
from mlops.models.tasks import Numbers
from mlops.models.validation import validate
from mlops.models.views import as_sent
from mlops.release.findings import Findings
from mlops.release.noninferiority import Figure, compare

_Row = Mapping[str, Any]


def compare_on_holdout(
    source: ArtifactSource, candidate: ServedModel, champion: ServedModel | None, *, doubt: float
) -> Findings:
    """Compare two versions by the losses and margins of their task.

    champion: None where it cannot be used; then the holdout is only read. doubt: see `compare`.
    Raises ArtifactError where the candidate or its holdout cannot be used, StoreError.
    """
    if HOLDOUT not in candidate.manifest.files:
        return Findings(uncompared=(f"it has no {HOLDOUT}",))
    holdout = holdout_from_bytes(
        candidate.version, read_listed(source, candidate.manifest, HOLDOUT)
    )
    task = candidate.contract.outcome
    labels = holdout.numbers(candidate.version, task)
    views = dict(_views(candidate.contract, holdout.requests))
    predicted = {view: _predict(candidate, rows) for view, rows in views.items()}
    if champion is None:
        return Findings()
    if _meaning(candidate.contract) != _meaning(champion.contract):
        return Findings(uncompared=("the champion predicts something else",))
    details: dict[str, Any] = {
        "rows": len(holdout.labels),
        "unseen_by_the_champion_too": _digest(candidate) == _digest(champion),
    }
    reasons: list[str] = []
    for view, rows in views.items():
        try:
            theirs = _predict(champion, [_known(champion.contract, row) for row in rows])
        except ModelUnusable as error:
            return Findings(uncompared=(f"the champion cannot be used: {error}",))
        figures = compare(task, predicted[view], theirs, labels, doubt=doubt)
        details[view] = {figure.name: _shown(figure) for figure in figures}
        reasons += [f"holdout, {view}: {_worse(figure)}" for figure in figures if not figure.passes]
    return Findings(tuple(reasons), details={"holdout": details})


def _views(contract: Contract, rows: Sequence[_Row]) -> Iterator[tuple[str, Sequence[_Row]]]:
    """Yield the rows as clients send them that know every field, and those of each view."""
    yield "full", rows
    for view in contract.views:
        if not view.is_whole:
            yield view.name, [as_sent(contract, view, row) for row in rows]


def _known(contract: Contract, row: _Row) -> _Row:
    """Return the fields of a row that the contract has."""
    return {name: row[name] for name in row.keys() & contract.by_name.keys()}


def _predict(served: ServedModel, rows: Sequence[_Row]) -> Numbers:
    """Raises ModelUnusable, which names the row."""
    requests = []
    for number, row in enumerate(rows, start=1):
        request = validate(served.contract, row)
        if not isinstance(request, Request):
            reason = f"the contract refuses row {number} of the holdout"
            raise ModelUnusable(served.version, reason)
        requests.append(request)
    numbers = served.predictor.predict(served.contract.encoder.tensors(requests))
    if not np.isfinite(numbers).all():
        raise ModelUnusable(served.version, "not all of its predictions are numbers")
    return numbers


def _meaning(contract: Contract) -> tuple[object, ...]:
    """Return what decides whether the losses of two versions can be compared."""
    answer = contract.answer
    return contract.task, answer.classes, answer.intervals, contract.outcome.output.width


def _digest(served: ServedModel) -> str | None:
    entry = served.manifest.files.get(HOLDOUT)
    return entry.digest if entry else None


def _shown(figure: Figure) -> dict[str, float | None]:
    """As JSON takes it, which has no NaN."""
    return {
        name: round(value, 5) if math.isfinite(value) else None
        for name, value in vars(figure).items()
        if name != "name"
    }


def _worse(figure: Figure) -> str:
    return (
        f"{figure.name} {figure.candidate:.4g}, the champion's {figure.champion:.4g}; it may be"
        f" worse by {figure.loss_at_most:.4g}, where {figure.margin:.4g} is too much"
    )
