"""What a candidate has to pass before it gets any traffic. Asked of the new version itself.

1. It answers the golden rows of its models as they were answered when they were trained.
2. Its contracts take what the champion's take, and answer what these answer (`contracts`).
3. On the holdout of each model whose pin changed it is not worse than the champion by a margin
   (`noninferiority`).
4. The champion has the profiles by which a canary's predictions are compared (`reference`).

The verdict is about the candidate. Where the store or AWS cannot be asked, there is none.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from mlops.errors import ArtifactError, InvocationFailed, ModelNotFound, VersionNotFound
from mlops.inference.loading import ArtifactSource, ServedModel
from mlops.inference.version import Pin
from mlops.release.comparison import compare_on_holdout
from mlops.release.contracts import find_breaches
from mlops.release.evidence import Evidence, reading
from mlops.release.findings import Findings
from mlops.release.golden import check_golden_rows
from mlops.release.ports import Function, FunctionVersion, GateReport
from mlops.release.reference import REFERENCE, read_edges
from mlops.release.version_client import ApiVersion


@dataclass(frozen=True)
class GatePolicy:
    """What the gate asks for.

    doubt: probability to pass a model that is worse than the champion's by all of a margin.
    allow_breaking: let a candidate pass that breaks the contract; it is reported all the same.
    allow_uncompared: let one pass that cannot be compared with the champion: it has no holdout, or
    this code cannot use the champion's model any more.
    """

    doubt: float = 0.05
    allow_breaking: bool = False
    allow_uncompared: bool = False


class Gate:
    """load: gives verified models by their pins. versions: those in the store."""

    def __init__(
        self, api: Function, load: Callable[[Pin], ServedModel], versions: ArtifactSource
    ) -> None:
        self._api = api
        self._load = load
        self._versions = versions

    def __call__(
        self, candidate: FunctionVersion, champion: FunctionVersion, policy: GatePolicy
    ) -> GateReport:
        """Raises StoreThrottled, StoreUnavailable, CloudUnavailable, FunctionGone."""
        new, old = _by_model(candidate.pins), _by_model(champion.pins)
        api = ApiVersion(self._api, candidate.number)
        found = {model: self._model(new[model], old.get(model), api, policy) for model in new}
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
        self, pin: Pin, others_pin: Pin | None, api: ApiVersion, policy: GatePolicy
    ) -> Findings:
        found = Findings(
            details={"candidate": str(pin), "champion": str(others_pin) if others_pin else None}
        )
        try:
            for part in self._checks(pin, others_pin, api, policy):
                found += part
        except (ArtifactError, InvocationFailed, ModelNotFound, VersionNotFound) as error:
            found += Findings(reasons=(str(error),))
        return found

    def _checks(
        self, pin: Pin, others_pin: Pin | None, api: ApiVersion, policy: GatePolicy
    ) -> Iterator[Findings]:
        """Raises what speaks against the candidate; nothing after it can be found."""
        served = self._load(pin)
        yield check_golden_rows(api, served)
        if others_pin is None:
            yield Findings(details={"holdout": "the champion has no such model"})
            return
        yield self._profile(others_pin)
        if others_pin == pin:
            yield Findings(details={"holdout": "the champion has this very version of the model"})
            return
        others: ServedModel | None = None
        try:
            others = self._load(others_pin)
        except (ArtifactError, ModelNotFound, VersionNotFound) as error:
            yield Findings(uncompared=(f"the champion cannot be used: {error}",))
        if others is not None:
            yield Findings(breaches=find_breaches(others.contract, served.contract))
        yield compare_on_holdout(self._versions, served, others, doubt=policy.doubt)

    def _profile(self, champion: Pin) -> Findings:
        """Find out before there is a canary whether its predictions can be compared."""
        try:
            edges = read_edges(self._versions, champion)
        except (ArtifactError, VersionNotFound) as error:
            return Findings(uncompared=(f"the champion's profile cannot be used: {error}",))
        return Findings(uncompared=() if edges else (f"the champion has no {REFERENCE}",))


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
