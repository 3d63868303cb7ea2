"""What must be reached, as ratios within one run; times alone would tell of the machine."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NO_PEERS = ("ours", "echo")
IMAGE_MB = 487
"""Of the classic stack's image, whose half ours may have at most."""
LINEAR = 1.1
"""The power of the number of rows that a batch's time may grow with: 1, and what measuring adds."""


@dataclass(frozen=True)
class Target:
    part: str
    figure: str
    ratio: Callable[[Any], float]
    limit: float
    least: bool = False
    """Whether the limit is the least that is wanted; else it is the most."""

    @property
    def wanted(self) -> str:
        return f"{'≥' if self.least else '≤'} {self.limit:.3g}"

    def met(self, found: float) -> bool:
        return found >= self.limit if self.least else found <= self.limit


def _between(figure: str, ours: str, theirs: str) -> Callable[[Any], float]:
    return lambda part: float(part[ours][figure] / part[theirs][figure])


def _to_best_peer(part: Mapping[str, Any]) -> float:
    """Raises KeyError where a peer was not measured: it might have been the best."""
    peers = [found["per_second"] for name, found in part.items() if name not in NO_PEERS]
    return float(part["ours"]["per_second"] / max(peers))


TARGETS = (
    Target(
        "http", "requests a second, to classic", _between("per_second", "ours", "classic"), 20, True
    ),
    Target("http", "requests a second, to the best peer", _to_best_peer, 3, True),
    Target(
        "http",
        "requests a second, to FastAPI echo",
        _between("per_second", "ours", "echo"),
        0.6,
        True,
    ),
    Target("warm", "warm handler p50, to echo", _between("p50_ms", "ours", "echo"), 2),
    Target("warm", "warm handler p95, to echo", _between("p95_ms", "ours", "echo"), 2),
    Target(
        "warm",
        "warm handler p50, to classic",
        _between("p50_ms", "ours", "classic"),
        1 / 15,
    ),
    Target(
        "warm",
        "warm handler p95, to classic",
        _between("p95_ms", "ours", "classic"),
        1 / 15,
    ),
    Target("container", "container warm p95, to a no-op", _between("p95_ms", "ours", "noop"), 1.5),
    Target("cold", "cold start, to classic", _between("seconds", "ours", "classic"), 0.25),
    Target("cold", "cold start, to echo", _between("seconds", "ours", "echo"), 1.3),
    Target(
        "memory", "resident memory, to classic", _between("resident_mb", "ours", "classic"), 0.45
    ),
    Target(
        "image", f"image, to {IMAGE_MB} MB", lambda part: float(part["size_mb"] / IMAGE_MB), 0.5
    ),
    Target(
        "batch",
        "batch of 10,000 rows, to the plain way",
        lambda part: float(part["ratio"]),
        8,
        True,
    ),
    Target(
        "batch",
        "batch of 1,000,000 rows, to the plain way",
        lambda part: float(part["many"]["ratio"]),
        8,
        True,
    ),
    Target(
        "batch",
        "batch's time, power of the rows",
        lambda part: float(part["growth"]["exponent"]),
        LINEAR,
    ),
    Target(
        "models",
        "cold start with ten models, to one",
        lambda part: _between("seconds", "ten", "one")(part["start"]),
        1.1,
    ),
    Target(
        "models",
        "batch of an imported model, to the plain way",
        lambda part: float(part["imported"]["ratio"]),
        4,
        True,
    ),
)


def judged(parts: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
    """Each target of the parts that were measured; one whose figures lack is not met."""
    found: list[dict[str, Any]] = []
    for target in TARGETS:
        if target.part not in parts:
            continue
        line: dict[str, Any] = {"figure": target.figure, "wanted": target.wanted}
        try:
            ratio = target.ratio(parts[target.part])
        except (KeyError, TypeError, ValueError):
            found.append(line | {"found": None, "met": False})
        else:
            found.append(line | {"found": round(ratio, 3), "met": target.met(ratio)})
    return found
