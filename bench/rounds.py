"""Rounds in which all take turns, and what is kept of them."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

T = TypeVar("T")
RANGE = "_range"
"""What the name of a figure ends with that has the least and greatest of another."""


MORE = 6
"""Times the rounds for what is one start, or a few hundred calls of a container.

The quotient of two medians of 21 starts, of 0.24, was off by 0.01 from one run to the next; of 40
starts by 0.005.
"""


def turns(names: Iterable[T], number: int) -> Sequence[T]:
    """Who is measured after whom: in every second round the other way round."""
    return list(names)[:: -1 if number % 2 else 1]


def summary(figures: Mapping[str, Sequence[float]], digits: int = 3) -> dict[str, Any]:
    """Of each figure the median of its rounds, and the least and greatest of them."""
    found: dict[str, Any] = {}
    for figure, values in figures.items():
        found[figure] = round(statistics.median(values), digits)
        found[figure + RANGE] = [round(min(values), digits), round(max(values), digits)]
    return found
