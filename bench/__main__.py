"""What this project is compared with, side by side in one run: `make bench`, or parts of it.

All parts together write bench/results.json and the tables of docs/performance.md. A target that is
not met makes the command fail.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from subprocess import SubprocessError
from typing import Any
from urllib.parse import urlsplit

from bench import batch, container, cost, files, handlers, memory, models, report, requests, targets
from bench.ending import end_on_signals
from bench.errors import NotMeasured, Unequal
from bench.ground import ROOT, Ground, Report, ground
from bench.revision import revision
from mlops.files import write_file

RESULTS = ROOT / "bench/results.json"
DOCUMENT = ROOT / "docs/performance.md"
ROUNDS, QUICK_ROUNDS = 7, 1
BATCHES = 5
"""Of 10,000 rows in a round. They take a moment, in which the second processor may be busy."""


def _batch(made: Ground, rounds: int, say: Report) -> dict[str, Any]:
    batches = BATCHES * rounds
    found = batch.compare(10_000, batches, made.store, lambda text: say(f"batch: {text}"))
    found["growth"] = batch.growth(rounds, made.store, say)
    try:
        found["many"] = batch.compare_many(rounds, made.store, made.folder, say)
    except (NotMeasured, Unequal, SubprocessError) as error:  # which is no reason to lose the above
        found["many"] = {"not_measured": str(error)}
    return found


def _models(made: Ground, rounds: int, say: Report) -> dict[str, Any]:
    return {
        "start": models.several_models(made, rounds, say),
        "imported": models.imported_batch(made, rounds, say),
    }


PARTS: Mapping[str, Callable[[Ground, int, Report], dict[str, Any]]] = {
    "warm": handlers.warm,
    "http": requests.http,
    "cold": handlers.cold,
    "memory": memory.memory,
    "container": container.container,
    "image": container.image,
    "files": files.files,
    "batch": _batch,
    "models": _models,
}
COST = "cost"
OF_COST = ("warm", "cold", "batch")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join([*PARTS, COST]))
    parser.add_argument("--rounds", type=_positive, help=f"of each part ({ROUNDS})")
    parser.add_argument(
        "--quick", action="store_true", help="one round; writes no file, judges not"
    )
    parser.add_argument("--json", action="store_true", help="answer with JSON")
    parser.add_argument(
        "--store", default=".mlops", help="folder of the registry that has the model (.mlops)"
    )
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - {*PARTS, COST}:
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    if urlsplit(options.store).scheme:
        parser.error(f"--store is a folder, not {options.store}")
    end_on_signals()
    rounds = options.rounds or (QUICK_ROUNDS if options.quick else ROUNDS)
    results = measure(options.parts or [*PARTS, COST], rounds, options.store)
    if not options.parts and not options.quick:
        write_file(RESULTS, json.dumps(results, indent=1) + "\n")
        write_file(DOCUMENT, report.written(DOCUMENT.read_text(), results))
    print(json.dumps(results, indent=1) if options.json else report.markdown(results))
    missed = [line["figure"] for line in results["targets"] if not line["met"]]
    if not missed or options.quick:
        return 0
    _say(f"Not met: {'; '.join(missed)}")
    return 1


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


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
