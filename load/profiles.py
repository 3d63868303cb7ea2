"""What is asked of a target how often, for how long, and what it must keep to meanwhile."""

from collections.abc import Iterator
from dataclasses import dataclass

MADE_AT_LEAST = 0.99
"""Of the requests that were planned. Who answers late is asked less, and would look better."""
GROWTH_AT_MOST = 0.05
"""Of resident memory in a soak, from its first half minute to its last."""
SOAK_SECONDS = 600


@dataclass(frozen=True)
class Stage:
    seconds: int
    rate: int  # requests a second, of all connections together


@dataclass(frozen=True)
class Profile:
    stages: tuple[Stage, ...]
    p95_ms: float
    slot: int = 1  # seconds that are one point of the picture

    @property
    def seconds(self) -> int:
        return sum(stage.seconds for stage in self.stages)

    @property
    def planned(self) -> int:
        return sum(stage.seconds * stage.rate for stage in self.stages)

    @property
    def is_soak(self) -> bool:
        return self.seconds >= SOAK_SECONDS

    def due(self) -> Iterator[float]:
        """When each request is to be made, in seconds after the start."""
        start = 0
        for stage in self.stages:
            for number in range(stage.seconds * stage.rate):
                yield start + number / stage.rate
            start += stage.seconds


# The server could answer many more in a second. What is planned leaves enough of the machine to the
# one who asks, so that what is slow is the server.
SERVER = {
    "steady": Profile((Stage(60, 200),), p95_ms=10),
    "spike": Profile((Stage(20, 50), Stage(20, 600), Stage(20, 50)), p95_ms=20),
    "soak": Profile((Stage(600, 200),), p95_ms=10, slot=5),
}
# The runtime emulator hands over one event at a time, as Lambda does to one environment.
CONTAINER = {
    "steady": Profile((Stage(60, 20),), p95_ms=25),
    "spike": Profile((Stage(20, 5), Stage(20, 60), Stage(20, 5)), p95_ms=25),
    "soak": Profile((Stage(600, 20),), p95_ms=25, slot=5),
}
PROFILES = {"server": SERVER, "container": CONTAINER}
CONNECTIONS = {"server": 16, "container": 1}
