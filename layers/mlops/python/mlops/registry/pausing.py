"""How long a writer waits before it tries again."""

import random
import time
from collections.abc import Callable, Iterator


def jittered_pause(
    number: int,
    *,
    sleep: Callable[[float], None] = time.sleep,
    draw: Callable[[], float] = random.random,
) -> None:
    """Wait up to 50 ms, doubled with each try up to 1.6 s ("full jitter")."""
    sleep(draw() * 0.05 * 2 ** min(number, 5))


def tries(count: int, pause: Callable[[int], None]) -> Iterator[None]:
    """Yield at each try; between two of them `pause` is called with the number of the first."""
    for number in range(count):
        if number:
            pause(number - 1)
        yield
