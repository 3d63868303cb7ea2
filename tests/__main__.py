"""Run every check of the project (`make test`), or a part of them: see `RUNS`.

A check that fails does not keep the others from running; the summary at the end names them all.
"""

import json
import os
import shlex
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten

ROOT = Path(__file__).resolve().parent.parent
COVERAGE = ROOT / ".coverage.json"
STATEMENTS_AT_LEAST, BRANCHES_AT_LEAST = 95, 92
"""Percent. What only runs in processes of its own, such as the local server, is not measured."""

STYLE = {
    "style": ["ruff", "check"],
    "format": ["ruff", "format", "--check"],
    "types": ["mypy"],
    "layers": ["lint-imports"],
}
REPORTS = ["--cov-report=term-missing:skip-covered", f"--cov-report=json:{COVERAGE.name}"]
MOST_WORKERS = 8
"""Each takes memory; a machine of many processors does not need more to be quick."""
WORKERS = min((os.cpu_count() or 1) + 1, MOST_WORKERS)
"""One more than there are processors: much of the tests' time is spent waiting."""
PARALLEL = ["-n", str(WORKERS), "--dist", "loadgroup", "--no-loadscope-reorder"]
SLOWEST = "--durations=10"
RUNS = {
    "": STYLE | {"tests": ["pytest", *PARALLEL, SLOWEST, "--cov", *REPORTS]},
    "check": STYLE | {"files": ["pytest", "tests/project"]},
    "unit": {"unit tests": ["pytest", *PARALLEL, "tests/unit", SLOWEST]},
    "without-engine": {"tests": ["pytest", *PARALLEL, "-m", "not container", SLOWEST]},
}
"""The checks of each argument, by their names in the summary. They run side by side."""


@dataclass(frozen=True)
class Outcome:
    name: str
    passed: bool
    seconds: float
    last_line: str
    skipped: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()


def main(arguments: list[str]) -> int:
    checks = RUNS.get(" ".join(arguments))
    if checks is None:
        print(f"usage: python -m tests [{'|'.join(filter(None, RUNS))}]", file=sys.stderr)
        return 2
    COVERAGE.unlink(missing_ok=True)
    with ThreadPoolExecutor(len(checks)) as threads:
        outcomes = list(threads.map(run, checks, checks.values()))
    if checks is RUNS[""]:
        outcomes.append(coverage())
    return report(outcomes)


def run(name: str, command: list[str]) -> Outcome:
    print(f"=== {name}: {shlex.join(command)}", flush=True)
    tools = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    started = time.monotonic()
    lines = [""]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        for line in process.stdout or ():
            print(f"{name:<7} | {line}", end="", flush=True)
            if line.strip():
                lines.append(line.strip())
    return Outcome(
        name,
        passed=process.returncode == 0,
        seconds=time.monotonic() - started,
        last_line=lines[-1].strip("= "),
        skipped=tuple(line for line in lines if line.startswith("SKIPPED")),
        failed=tuple(line for line in lines if line.startswith(("FAILED ", "ERROR "))),
    )


def coverage() -> Outcome:
    """Require enough statements and enough branches; pytest-cov's own limit mixes both."""
    if not COVERAGE.exists():
        return Outcome("coverage", passed=False, seconds=0, last_line="the tests measured none")
    totals = json.loads(COVERAGE.read_text())["totals"]
    statements = totals.get("percent_statements_covered", 0.0)
    branches = totals.get("percent_branches_covered", 0.0)
    return Outcome(
        "coverage",
        passed=statements >= STATEMENTS_AT_LEAST and branches >= BRANCHES_AT_LEAST,
        seconds=0,
        last_line=f"{statements:.1f} % of statements ({STATEMENTS_AT_LEAST} needed),"
        f" {branches:.1f} % of branches ({BRANCHES_AT_LEAST} needed)",
    )


def report(outcomes: list[Outcome]) -> int:
    print("\n=== summary")
    for outcome in outcomes:
        verdict = "passed" if outcome.passed else "FAILED"
        print(f"{verdict}  {outcome.name:<13}{outcome.seconds:6.1f} s  {outcome.last_line}")
    for skipped in (line for outcome in outcomes for line in outcome.skipped):
        print(f"not run: {skipped.removeprefix('SKIPPED ')}")
    for test in (line for outcome in outcomes for line in outcome.failed):
        print(shorten(test, 200, placeholder=" ..."))
    failed = [outcome.name for outcome in outcomes if not outcome.passed]
    if failed:
        print(f"{len(failed)} of {len(outcomes)} checks failed: {', '.join(failed)}")
        return 1
    print(f"All {len(outcomes)} checks passed.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
