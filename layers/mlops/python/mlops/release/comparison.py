"""Candidate and champion on the candidate's holdout.

The candidate was not trained on these rows. The champion may have been, where its own split was
another one; that can only favour the champion. Equal data and code split alike, and then the two
versions have the very same holdout, which neither has seen.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlops.errors import ModelUnusable
from mlops.inference.holdout import holdout_from_bytes
from mlops.inference.loading import ArtifactSource, ServedModel, read_listed
from mlops.inference.manifest import HOLDOUT
from mlops.models.contract import Request
from mlops.models.validation import validate
from mlops.release.findings import Findings
from mlops.release.noninferiority import Figure, Margins, compare


def compare_on_holdout(
    source: ArtifactSource, candidate: ServedModel, champion: ServedModel | None, margins: Margins
) -> Findings:
    """champion: None where it cannot be used; then the holdout is only read.

    Raises ArtifactError where the candidate or its holdout cannot be used, StoreError.
    """
    if HOLDOUT not in candidate.manifest.files:
        return Findings(uncompared=(f"it has no {HOLDOUT}",))
    holdout = holdout_from_bytes(
        candidate.version, read_listed(source, candidate.manifest, HOLDOUT)
    )
    views = _views(candidate, holdout.requests)
    if champion is None:
        return Findings()
    details: dict[str, Any] = {
        "rows": len(holdout.labels),
        "unseen_by_the_champion_too": _digest(candidate) == _digest(champion),
    }
    reasons: list[str] = []
    for view, requests in views.items():
        ours = candidate.predictor.predict(candidate.contract.columns(requests))
        if not np.isfinite(ours).all():
            return Findings(reasons=(f"holdout, {view}: not all of its predictions are numbers",))
        try:
            theirs = champion.predictor.predict(champion.contract.columns(requests))
        except ModelUnusable as error:
            return Findings(uncompared=(f"the champion cannot be used: {error}",))
        if not np.isfinite(theirs).all():
            return Findings(uncompared=("not all predictions of the champion are numbers",))
        figures = compare(ours, theirs, holdout.labels, margins)
        details[view] = {figure.name: _shown(figure) for figure in figures}
        reasons += [f"holdout, {view}: {_worse(figure)}" for figure in figures if not figure.passes]
    return Findings(tuple(reasons), details={"holdout": details})


def _views(candidate: ServedModel, rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Request]]:
    """The rows as clients send them that know every field, and those that know the required ones.

    Raises ModelUnusable.
    """
    fields = candidate.contract.request.model_fields
    required = {name for name, field in fields.items() if field.is_required()}
    return {
        "full": _requests(candidate, rows),
        "required_only": _requests(
            candidate, [{name: row[name] for name in row.keys() & required} for row in rows]
        ),
    }


def _requests(candidate: ServedModel, rows: Sequence[Mapping[str, Any]]) -> list[Request]:
    requests = []
    for number, row in enumerate(rows, start=1):
        request = validate(candidate.contract, row)
        if not isinstance(request, Request):
            reason = f"the contract refuses row {number} of its holdout"
            raise ModelUnusable(candidate.version, reason)
        requests.append(request)
    return requests


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
        f"{figure.name} {figure.candidate:.4f}, the champion's {figure.champion:.4f}; it may be"
        f" worse by {figure.loss_at_most:.4f}, where {figure.margin} is too much"
    )
