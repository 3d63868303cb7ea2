"""What is deployed amid a canary, as Step Functions runs it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops.release.closing import following
from tests.integration.state_machine import Stack, deployed, running_cloud


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    with running_cloud(tmp_path) as cloud, deployed(cloud) as stack:
        stack.deploy()
        yield stack


def test_a_fix_amid_a_canary_waits_for_the_alarm_that_takes_it_back(stack: Stack) -> None:
    stack.start()
    stack.watched()
    stack.deploy()
    stack.alarms.ringing.add("errors")
    assert stack.ended() == "SUCCEEDED"
    stack.until(lambda: "WaitForAlarms" in stack.history(following("r1")))
    assert stack.live() == ("1", {}, "1")
    stack.alarms.ringing.clear()
    assert stack.ended(following("r1")) == "SUCCEEDED"
    assert stack.live() == ("3", {}, "3")
