"""A handler in a process of its own, told by lines of JSON what to do, answering likewise.

    python -m bench.inside MODULE

It runs in the environments of peers, so it imports Python's own library alone. What handlers log
is written and thrown away; stdout is for the answers.
"""

import json
import os
import subprocess
import sys
import time
from importlib import import_module
from types import SimpleNamespace
from typing import Any


def main(module: str) -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    handle = import_module(module).lambda_handler
    os.dup2(nowhere, 2)  # only now: why it cannot be imported is worth a look
    for line in sys.stdin:
        print(json.dumps(_do(handle, json.loads(line))), file=answers)


def _do(handle: Any, task: dict[str, Any]) -> Any:
    context = SimpleNamespace(aws_request_id="bench", function_name="bench")
    if task["do"] == "answer":
        return handle(task["event"], context)
    if task["do"] == "resident":
        listed = subprocess.run(
            ["ps", "-o", "rss=", "-p", str(os.getpid())],
            capture_output=True,
            check=True,
        )
        return int(listed.stdout) * 1024
    event, seconds = json.dumps(task["event"]), []
    for _ in range(task["times"]):
        fresh = json.loads(event)
        started = time.perf_counter()
        handle(fresh, context)
        seconds.append(time.perf_counter() - started)
    return seconds


if __name__ == "__main__":
    main(sys.argv[1])
