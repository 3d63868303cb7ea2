"""Who presses Ctrl-C again, because it takes a while, leaves nothing behind either."""

import signal
import subprocess
import sys

import pytest

from tests.project.files import ROOT

ENDS = """
import time
from bench.ending import end_on_signals
end_on_signals()
try:
    print("started", flush=True)
    time.sleep(90)
finally:
    print("ending", flush=True)
    time.sleep(0.5)
    print("ended", flush=True)
"""


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_breaks_off_nothing(first: signal.Signals, second: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", ENDS],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as run:
        try:
            assert run.stdout is not None
            assert run.stdout.readline() == "started\n"
            run.send_signal(first)
            assert run.stdout.readline() == "ending\n"
            run.send_signal(second)
            assert run.communicate(timeout=60) == ("ended\n", "Ending what was started ...\n")
        finally:
            run.kill()
    assert run.returncode == 128 + first
