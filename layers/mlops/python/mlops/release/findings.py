"""What the gate's checks found about one model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Findings:
    """reasons: against the candidate, whatever is allowed.

    breaches: of the contract that callers have. uncompared: why it cannot be held against the
    champion. details: figures, as JSON takes them.
    """

    reasons: tuple[str, ...] = ()
    breaches: tuple[str, ...] = ()
    uncompared: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)

    def __add__(self, other: "Findings") -> "Findings":
        return Findings(
            self.reasons + other.reasons,
            self.breaches + other.breaches,
            self.uncompared + other.uncompared,
            {**self.details, **other.details},
        )
