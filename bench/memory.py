"""What a handler holds in memory."""

import sys
from typing import Any

from bench.files import forget, opened_by
from bench.ground import MODULES, Ground, Inside, Report, check_handler, event
from bench.handlers import REQUESTS, start


def memory(ground: Ground, rounds: int, report: Report) -> dict[str, Any]:
    """Megabytes resident after 1,000 requests.

    The pages of a file that a process touches bring their neighbours with them, as many as the
    kernel has read in one piece: 13 MB more of ours where its libraries were just written. So all
    begin with none of them in memory, as in a new environment.
    """
    del rounds  # once is enough: begun alike, it varies by 0.1 MB
    found = {}
    for name in MODULES:
        report(f"memory: {name}")
        start(ground, name)  # bytecode is compiled now, for all
        Inside(ground, name).close()
        if sys.platform == "linux":
            for path in opened_by(ground, name):
                forget(path)
        process = Inside(ground, name)
        try:
            process.ask(do="time", event=event(ground.customers[0]), times=REQUESTS)
            check_handler(ground, name, process)
            found[name] = {"resident_mb": round(process.ask(do="resident") / 1e6, 1)}
        finally:
            process.close()
    return found
