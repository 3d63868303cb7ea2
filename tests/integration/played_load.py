"""`python -m load` in Locust's environment, for a second on a played API.

python -m tests.integration.played_load PORT FOLDER [TIMEOUT]
"""

# As in load's own.
from load import traffic  # isort: skip
from locust import FastHttpUser  # isort: skip

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from load import page
from load.answers import plain
from load.command import main
from load.profiles import PROFILES, Profile, Stage
from load.targets import TARGETS, Target

PLANNED = 40


@contextmanager
def played() -> Iterator[Target]:
    url = f"http://127.0.0.1:{sys.argv[1]}"
    yield Target(url, "/", lambda asked: json.dumps(asked).encode(), plain, lambda: 1, 0.5)


if __name__ == "__main__":
    traffic.LATE_SECONDS = 5
    if timeout := sys.argv[3:]:
        FastHttpUser.network_timeout = float(timeout[0])
    TARGETS["server"] = played
    PROFILES["server"]["steady"] = Profile((Stage(1, PLANNED),), p95_ms=20_000)
    folder = Path(sys.argv[2])
    page.RESULTS, page.PICTURES, page.PAGE = folder, folder, folder / "load.md"
    page.PAGE.write_text(page.BEGIN + page.END)
    sys.exit(main(["--target=server", "--profile=steady"], traffic.drive))
