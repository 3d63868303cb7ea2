"""What should agree and does not: how bad that is, and which command mends it. Pure over facts."""

from mlops.release.doctor import store, template, traffic
from mlops.release.doctor.facts import Facts
from mlops.release.doctor.remedies import Finding, Remedies, Severity

_CHECKS = (template.check, traffic.check, store.check)


def diagnose(facts: Facts) -> tuple[Finding, ...]:
    """The worst first; nothing where all is well."""
    remedies = Remedies(facts)
    found = [finding for check in _CHECKS for finding in check(facts, remedies)]
    return tuple(sorted(found, key=lambda finding: [*Severity].index(finding.severity)))
