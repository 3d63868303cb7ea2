"""The handler alone: warm, and in a new process. They take turns, round for round."""

import json
import statistics
import subprocess
import time
from typing import Any

from bench.errors import NotMeasured
from bench.ground import (
    COMPARED,
    HANDLERS,
    Ground,
    Inside,
    Report,
    check_answer,
    check_handler,
    event,
    way,
)
from bench.rounds import MORE, summary, turns

REQUESTS = 1_000


def warm(ground: Ground, rounds: int, report: Report) -> dict[str, Any]:
    """Milliseconds from event to answer: median over the rounds of each round's p50 and p95."""
    processes = {name: Inside(ground, name) for name in HANDLERS}
    try:
        asked = event(ground.customers[0])
        found: dict[str, dict[str, list[float]]] = {}
        for name, process in processes.items():
            check_handler(ground, name, process)
            process.ask(do="time", event=asked, times=_times(name) // 2)
            found[name] = {"p50_ms": [], "p95_ms": []}
        for number in range(rounds):
            report(f"warm: round {number + 1} of {rounds}")
            for name in turns(processes, number):
                seconds = sorted(processes[name].ask(do="time", event=asked, times=_times(name)))
                found[name]["p50_ms"].append(statistics.median(seconds) * 1000)
                found[name]["p95_ms"].append(seconds[int(len(seconds) * 0.95)] * 1000)
        return {name: summary(figures) for name, figures in found.items()}
    finally:
        _close(processes)


def cold(ground: Ground, rounds: int, report: Report) -> dict[str, Any]:
    """Seconds from the start of a process to its first answer, the process's own start included."""
    for name in COMPARED:
        start(ground, name)  # files are in memory then, for all
    found: dict[str, list[float]] = {name: [] for name in COMPARED}
    rounds *= MORE
    for number in range(rounds):
        report(f"cold: round {number + 1} of {rounds}")
        for name in turns(COMPARED, number):
            found[name].append(start(ground, name))
    return {name: summary({"seconds": seconds}) for name, seconds in found.items()}


_FIRST_ANSWER = """
import json, os, sys, types
answers = os.fdopen(os.dup(1), "w")
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
import importlib
handle = importlib.import_module(sys.argv[1]).lambda_handler
answer = handle(json.load(sys.stdin), types.SimpleNamespace(aws_request_id="bench"))
print(json.dumps(answer), file=answers, flush=True)
os._exit(0)
"""


def start(ground: Ground, name: str) -> float:
    """Seconds that a new process takes until it has answered once, as the model does.

    Raises NotMeasured, Unequal.
    """
    python, module, environment = way(ground, name)
    customer = ground.customers[0]
    sent = json.dumps(event(customer))
    started = time.perf_counter()
    ran = subprocess.run(
        [python, "-c", _FIRST_ANSWER, module],
        input=sent,
        cwd=ground.code,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    seconds = time.perf_counter() - started
    if ran.returncode or not ran.stdout:
        raise NotMeasured(f"{name} does not start: {ran.stderr}")
    check_answer(name, customer, json.loads(ran.stdout))
    return seconds


def _times(name: str) -> int:
    return 150 if name == "classic" else 2 * REQUESTS


def _close(processes: dict[str, Inside]) -> None:
    for process in processes.values():
        process.close()
