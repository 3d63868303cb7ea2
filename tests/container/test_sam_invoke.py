"""`sam local invoke`, as docs/batch.md shows it."""

import json
import subprocess
from pathlib import Path

import pytest

from mlops.inference.version import Pin
from tests.container.images import SAM, sam_environment
from tests.container.test_batch_events import EXPECTED, failed
from tests.container.test_events import EVENTS

INVOKE_SECONDS = 180


@pytest.mark.parametrize("name", ["sqs-inline-rows", "sqs-two-messages-one-bad"])
def test_an_event_of_the_queue(project: Path, churn_pin: Pin, name: str) -> None:
    done = subprocess.run(
        [
            *(SAM, "local", "invoke", "BatchFunction", "-e", EVENTS / f"{name}.json"),
            *("--env-vars", EVENTS / "local-batch.env.json"),
            *("--parameter-overrides", f"Pins={churn_pin}"),
        ],
        cwd=project,
        env=sam_environment(),
        capture_output=True,
        text=True,
        timeout=INVOKE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert failed(json.loads(done.stdout)) == EXPECTED[name], done.stderr
