"""How long a writer waits before it tries again."""

import random
import time
from collections.abc import Callable


def jittered_pause(
    number: int,
    *,
    sleep: Callable[[float], None] = time.sleep,
    draw: Callable[[], float] = random.random,
) -> None:
    """Wait up to 50 ms, doubled with each try up to 1.6 s ("full jitter")."""
    sleep(draw() * 0.05 * 2 ** min(number, 5))
