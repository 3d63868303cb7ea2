"""Run every check of the project (`make test`), or the quick ones only (`make check`).

A check that fails does not keep the others from running; the summary at the end names them all.
"""

import json
import os
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COVERAGE = ROOT / ".coverage.json"
COVERED_AT_LEAST = 90  # percent, of the statements and of the branches

QUICK = {
    "style": ["ruff", "check"],
    "format": ["ruff", "format", "--check"],
    "types": ["mypy"],
    "room borders": ["lint-imports"],
}
FILES = {"files": ["pytest", "tests/project"]}
REPORTS = ["--cov-report=term-missing:skip-covered", f"--cov-report=json:{COVERAGE.name}"]
WORKERS = 3
"""One more than a small machine has processors: much of the tests' time is spent waiting."""
PARALLEL = ["-n", str(WORKERS), "--dist", "loadgroup", "--no-loadscope-reorder"]
# Canaries are judged by what clients are answered in seconds, so nothing else may run meanwhile.
RELEASES = ["tests/rehearsal/test_release.py", "tests/rehearsal/test_release_disturbed.py"]
TESTS = {
    "tests": [
        *("pytest", *PARALLEL, *(f"--ignore={path}" for path in RELEASES)),
        *("--durations=10", "--cov", "--cov-report="),
    ],
    "releases": ["pytest", *RELEASES, "--durations=10", "--cov", "--cov-append", *REPORTS],
}


@dataclass(frozen=True)
class Outcome:
    name: str
    passed: bool
    seconds: float
    last_line: str
    skipped: tuple[str, ...] = ()


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["check"]):
        print("usage: python -m tests [check]", file=sys.stderr)
        return 2
    checks = QUICK | (FILES if arguments else TESTS)
    COVERAGE.unlink(missing_ok=True)
    outcomes = [run(name, command) for name, command in checks.items()]
    if not arguments:
        outcomes.append(coverage())
    return report(outcomes)


def run(name: str, command: list[str]) -> Outcome:
    print(f"\n=== {name}: {shlex.join(command)}", flush=True)
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
            print(line, end="", flush=True)
            if line.strip():
                lines.append(line.strip())
    return Outcome(
        name,
        passed=process.returncode == 0,
        seconds=time.monotonic() - started,
        last_line=lines[-1].strip("= "),
        skipped=tuple(line for line in lines if line.startswith("SKIPPED")),
    )


def coverage() -> Outcome:
    """pytest-cov's own limit is on statements and branches mixed; here each has to reach it."""
    if not COVERAGE.exists():
        return Outcome("coverage", passed=False, seconds=0, last_line="the tests measured none")
    totals = json.loads(COVERAGE.read_text())["totals"]
    statements = totals.get("percent_statements_covered", 0.0)
    branches = totals.get("percent_branches_covered", 0.0)
    return Outcome(
        "coverage",
        passed=min(statements, branches) >= COVERED_AT_LEAST,
        seconds=0,
        last_line=f"{statements:.1f} % of statements, {branches:.1f} % of branches"
        f" ({COVERED_AT_LEAST} % needed)",
    )


def report(outcomes: list[Outcome]) -> int:
    print("\n=== summary")
    for outcome in outcomes:
        verdict = "passed" if outcome.passed else "FAILED"
        print(f"{verdict}  {outcome.name:<13}{outcome.seconds:6.1f} s  {outcome.last_line}")
    for skipped in (line for outcome in outcomes for line in outcome.skipped):
        print(f"not run: {skipped.removeprefix('SKIPPED ')}")
    failed = [outcome.name for outcome in outcomes if not outcome.passed]
    if failed:
        print(f"{len(failed)} of {len(outcomes)} checks failed: {', '.join(failed)}")
        return 1
    print(f"All {len(outcomes)} checks passed.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
