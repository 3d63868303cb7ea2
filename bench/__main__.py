"""What this project is compared with, side by side in one run: `make bench`, or parts of it.

All parts together write bench/results.json and the tables of docs/performance.md.
"""

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from subprocess import SubprocessError
from typing import Any

from bench import batch, container, cost, files, handlers, memory, report, requests, targets
from bench.errors import NotMeasured, Unequal
from bench.ground import ROOT, Ground, Report, ground
from bench.revision import revision

RESULTS = ROOT / "bench/results.json"
DOCUMENT = ROOT / "docs/performance.md"
ROUNDS, QUICK_ROUNDS = 7, 1
BATCHES = 5
"""Of 10,000 rows in a round. They take a moment, in which the second processor may be busy."""


def _batch(ground: Ground, rounds: int, say: Report) -> dict[str, Any]:
    batches = BATCHES * rounds
    found = batch.compare(10_000, batches, ground.store, lambda text: say(f"batch: {text}"))
    found["growth"] = batch.growth(ground.store, say)
    many = {}
    for way, options in (("columns", ()), ("plain", ("--plain",))):
        say(f"batch: {batch.MANY:,} rows, {way}")
        many[way] = batch.many_alone(ground.store, *options)
    ratio = many["plain"]["seconds"] / many["columns"]["seconds"]
    return found | {"many": many | {"ratio": round(ratio, 1)}}


PARTS: Mapping[str, Callable[[Ground, int, Report], dict[str, Any]]] = {
    "warm": handlers.warm,
    "http": requests.http,
    "cold": handlers.cold,
    "memory": memory.memory,
    "container": container.container,
    "image": container.image,
    "files": files.files,
    "batch": _batch,
}
COST = "cost"
OF_COST = ("warm", "cold", "batch")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join([*PARTS, COST]))
    parser.add_argument("--rounds", type=int, help=f"of each part ({ROUNDS})")
    parser.add_argument("--quick", action="store_true", help="one round; writes no file")
    parser.add_argument("--json", action="store_true", help="answer with JSON")
    parser.add_argument("--store", default=os.environ.get("MLOPS_STORE") or ".mlops")
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - {*PARTS, COST}:
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    # Who is ended by a signal ends its servers first, as with Ctrl-C.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    results = measure(options.parts or [*PARTS, COST], rounds, options.store)
    if not options.parts and not options.quick:
        RESULTS.write_text(json.dumps(results, indent=1) + "\n")
        DOCUMENT.write_text(report.written(DOCUMENT.read_text(), results))
    print(json.dumps(results, indent=1) if options.json else report.markdown(results))
    return 0


def measure(wanted: Sequence[str], rounds: int, store: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    # As it starts: meanwhile the work tree may move on.
    commit = revision(ROOT)
    with ground(store) as made:
        for name in PARTS:
            if name in wanted or (COST in wanted and name in OF_COST):
                try:
                    found[name] = PARTS[name](made, rounds, _say)
                except (NotMeasured, Unequal, SubprocessError, OSError) as error:
                    found[name] = {"not_measured": str(error)}
    if COST in wanted:
        try:
            found[COST] = cost.cost(found)
        except KeyError as error:
            found[COST] = {"not_measured": f"without {error}"}
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": commit,
        "machine": report.machine(),
        "rounds": rounds,
        "targets": targets.judged(found),
        "parts": found,
    }


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
