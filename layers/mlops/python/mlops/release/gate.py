"""What a candidate has to pass before it gets any traffic. Asked of the new version itself.

1. It answers the golden rows of its models as they were answered when they were trained.
2. It takes what the champion takes, and answers what the champion answers (`contracts`).
3. On the holdout it is not worse than the champion by a margin (`noninferiority`).

The verdict is about the candidate. Where the store or AWS cannot be asked, there is none.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from mlops.errors import ArtifactError, InvocationFailed, ModelNotFound, VersionNotFound
from mlops.inference.loading import ServedModel
from mlops.inference.version import Pin
from mlops.registry.objects import ObjectStore
from mlops.registry.versions import StoredVersions
from mlops.release.comparison import compare_on_holdout
from mlops.release.contracts import request_breaches, response_breaches
from mlops.release.evidence import Evidence, reading
from mlops.release.findings import Findings
from mlops.release.golden import check_golden_rows
from mlops.release.noninferiority import Margins
from mlops.release.ports import Function, FunctionVersion, GateReport
from mlops.release.version_client import ApiVersion


@dataclass(frozen=True)
class GatePolicy:
    """What the gate asks for.

    allow_breaking: let a candidate pass that breaks the contract; it is reported all the same.
    allow_uncompared: let one pass that cannot be compared with the champion: it has no holdout, or
    this code cannot use the champion's model any more.
    """

    margins: Margins = Margins()
    allow_breaking: bool = False
    allow_uncompared: bool = False


class Gate:
    """load: gives verified models by their pins. objects: the store, with versions."""

    def __init__(
        self, api: Function, load: Callable[[Pin], ServedModel], objects: ObjectStore
    ) -> None:
        self._api = api
        self._load = load
        self._versions = StoredVersions(objects)

    def __call__(
        self, candidate: FunctionVersion, champion: FunctionVersion, policy: GatePolicy
    ) -> GateReport:
        """Raises StoreThrottled, StoreUnavailable, CloudUnavailable, FunctionGone."""
        new, old = _by_model(candidate.pins), _by_model(champion.pins)
        versions = ApiVersion(self._api, candidate.number), ApiVersion(self._api, champion.number)
        found = {model: self._model(new[model], old.get(model), *versions, policy) for model in new}
        for model in sorted(old.keys() - new.keys()):
            found[model] = Findings(breaches=("the model is removed",))
        reasons = [
            f"{model}: {reason}"
            for model, findings in found.items()
            for reason in _counting(findings, policy)
        ]
        if not new:
            reasons.append("no model is pinned")
        return GateReport(
            passed=not reasons,
            reasons=tuple(reasons),
            details={
                "policy": asdict(policy),
                "models": {model: _shown(findings) for model, findings in found.items()},
            },
        )

    def check(
        self,
        evidence: Evidence,
        id: str,
        versions: tuple[FunctionVersion, FunctionVersion],
        policy: GatePolicy,
    ) -> GateReport:
        """Check a release once, and keep the report. versions: candidate and champion."""
        kept = evidence.read(id, "gate")
        if kept is None:
            kept = evidence.keep(id, "gate", vars(self(*versions, policy)))
        with reading("gate"):
            return GateReport(kept["passed"], tuple(kept["reasons"]), kept["details"])

    def _model(
        self,
        pin: Pin,
        others_pin: Pin | None,
        candidate: ApiVersion,
        champion: ApiVersion,
        policy: GatePolicy,
    ) -> Findings:
        found = Findings(
            details={"candidate": str(pin), "champion": str(others_pin) if others_pin else None}
        )
        try:
            for part in self._checks(pin, others_pin, candidate, champion, policy):
                found += part
        except (ArtifactError, InvocationFailed, ModelNotFound, VersionNotFound) as error:
            found += Findings(reasons=(str(error),))
        return found

    def _checks(
        self,
        pin: Pin,
        others_pin: Pin | None,
        candidate: ApiVersion,
        champion: ApiVersion,
        policy: GatePolicy,
    ) -> Iterator[Findings]:
        """Raises what speaks against the candidate; nothing after it can be found."""
        served = self._load(pin)
        yield check_golden_rows(candidate, served)
        if others_pin is None:
            yield Findings(details={"holdout": "the champion has no such model"})
            return
        model = served.contract.model
        yield _contract(candidate, champion, model)
        if others_pin == pin:
            yield Findings(details={"holdout": "the champion has this very version of the model"})
            return
        others: ServedModel | None = None
        try:
            others = self._load(others_pin)
        except (ArtifactError, ModelNotFound, VersionNotFound) as error:
            yield Findings(uncompared=(f"the champion cannot be used: {error}",))
        yield compare_on_holdout(self._versions, served, others, policy.margins)


def _contract(candidate: ApiVersion, champion: ApiVersion, model: str) -> Findings:
    """Raises InvocationFailed where the candidate does not say what it takes."""
    request, response = candidate.schemas(model)
    try:
        others_request, others_response = champion.schemas(model)
    except InvocationFailed as error:
        return Findings(breaches=(f"the champion does not say what it takes: {error}",))
    breaches = [f"request, {breach}" for breach in request_breaches(others_request, request)]
    # Versions from before there were schemas of answers promised nothing.
    if others_response is not None:
        found = response_breaches(others_response, response or {})
        breaches += [f"answer, {breach}" for breach in found]
    return Findings(breaches=tuple(breaches))


def _by_model(pins: Iterable[Pin]) -> dict[str, Pin]:
    return {pin.version.model: pin for pin in pins}


def _counting(findings: Findings, policy: GatePolicy) -> tuple[str, ...]:
    """Those findings that keep a candidate from its traffic."""
    breaches = () if policy.allow_breaking else findings.breaches
    uncompared = () if policy.allow_uncompared else findings.uncompared
    return findings.reasons + breaches + uncompared


def _shown(findings: Findings) -> dict[str, Any]:
    return {
        **findings.details,
        "contract_breaches": list(findings.breaches),
        "uncompared": list(findings.uncompared),
    }
