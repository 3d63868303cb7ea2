"""A signal ends the local worker wherever in its rest it comes."""

import subprocess
import sys

from tests.conftest import ROOT

SECONDS = 30
# Rests again and again, and gets the signal one step of Python later each time, until the rest is
# over before. A lock in the handler that the rest holds at one of these steps is a hang.
RESTS = """
import itertools, signal, sys
from functions.batch.signals import Signals

def trace(*_):
    global left
    left -= 1
    if left == 0:
        signal.raise_signal(signal.SIGTERM)
    return trace

for step in itertools.count(1):
    signals, left = Signals(), step
    sys.settrace(trace)
    signals.rest(0.001)
    sys.settrace(None)
    if left > 0:
        break
    assert signals.came(), step
print(step, signals.came())
"""


def test_at_each_step_of_a_rest() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", RESTS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    )
    steps, came = ended.stdout.split()
    assert int(steps) > 1
    assert came == "False"
