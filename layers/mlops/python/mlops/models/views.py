"""What is left of a request where a client sends the fields of one view alone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from mlops.models.formats import SeriesFormat

if TYPE_CHECKING:
    from mlops.models.contract import Contract, View


def as_sent(contract: Contract, view: View, request: Mapping[str, Any]) -> dict[str, Any]:
    """Return a request as clients of a view send it.

    Required fields are always part of it. A history is cut to its last days, unless fewer than the
    contract needs are known in these.
    """
    if view.fields == "all":
        found = dict(request)
    else:
        kept = contract.required.union(() if view.fields == "required" else view.fields)
        found = {name: request[name] for name in request if name in kept}
    format = contract.inputs
    if view.history_days is None or not isinstance(format, SeriesFormat):
        return found
    history = found[format.history]
    cut = max(0, len(history) - view.history_days)
    known = sum(number is not None for number in history[cut:])
    if known < format.least_known:
        return found
    start = date.fromisoformat(found[format.start]) + timedelta(cut)
    return found | {format.start: str(start), format.history: history[cut:]}
