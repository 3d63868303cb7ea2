"""The workers of a parallel run take whole groups of tests."""

import re
import subprocess
import sys
from collections import defaultdict

from tests.__main__ import PARALLEL
from tests.project.files import ROOT

RAN = re.compile(r"\[(gw\d+)\].* PASSED ([^:]+)::")
FILES = ("tests/unit/inference/test_version.py", "tests/project/test_overrides.py")


def test_the_tests_of_one_file_run_in_one_worker() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *PARALLEL, "-n", "2", "--verbose", *FILES],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    workers = defaultdict(list)
    for worker, file in RAN.findall(done.stdout):
        workers[file].append(worker)
    assert set(workers) == set(FILES)
    for ran_in in workers.values():
        assert len(ran_in) > 1, "a single test always runs in one worker"
        assert len(set(ran_in)) == 1
