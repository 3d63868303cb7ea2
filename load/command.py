"""Put load on the server and on the container.

Each run has its thresholds; one that is not kept makes the command fail.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence

from bench.ending import end_on_signals
from bench.revision import revision
from load import page
from load.picture import told
from load.profiles import CONNECTIONS, PROFILES, Profile
from load.record import Measured, broken, record
from load.targets import ROOT, TARGETS, CannotStart, Target, machine

Drive = Callable[[Target, Profile, int], Measured]


def main(given: Sequence[str], drive: Drive) -> int:
    parser = argparse.ArgumentParser(prog="python -m load", description=__doc__)
    parser.add_argument("--target", choices=TARGETS, help="only this one")
    parser.add_argument("--profile", choices=PROFILES["server"], help="only this one")
    parser.add_argument("--draw", action="store_true", help="run nothing, draw what there is")
    arguments = parser.parse_args(given)
    end_on_signals()
    runs = [
        (target, name)
        for target in TARGETS
        for name in PROFILES[target]
        if arguments.target in (None, target) and arguments.profile in (None, name)
    ]
    if arguments.draw:
        runs = []
    else:
        minutes = sum(PROFILES[target][name].seconds for target, name in runs) / 60
        print(f"{len(runs)} runs, {minutes:.0f} minutes", flush=True)
    try:
        kept = [run(target, name, drive) for target, name in runs]
    except CannotStart as problem:
        print(problem, file=sys.stderr)
        return 2
    finally:
        page.write()  # of those that were run, the results are kept
    return 0 if all(kept) else 1


def run(target: str, name: str, drive: Drive) -> bool:
    """Whether it kept to its thresholds. A target of its own for each: none inherits memory."""
    profile = PROFILES[target][name]
    print(f"{target}, {name}, {profile.seconds} s ...", flush=True)
    # As it starts: meanwhile the work tree may move on.
    date, commit = time.strftime("%Y-%m-%d %H:%M"), revision(ROOT)
    with TARGETS[target]() as started:
        measured = drive(started, profile, CONNECTIONS[target])
    outcome = record(target, name, profile, measured, date=date, commit=commit, machine=machine())
    outcome.write(page.file_of(target, name))
    print(f"  {told(outcome)}")
    problems = broken(outcome, profile)
    for problem in problems:
        print(f"  BROKEN: {problem}", flush=True)
    return not problems
