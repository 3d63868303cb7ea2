"""A release that runs out of time. MiniStack has no limit but with the rehearsal's plugin."""

from dataclasses import replace
from pathlib import Path

import pytest

from mlops.registry.releases import Ended
from tests.integration.state_machine import SETTINGS, deployed, running_cloud
from tests.rehearsal.cloud import PLUGIN

LIMIT_SECONDS = 40
"""Enough to come to the canary, on a machine that has other things to do, too."""


@pytest.mark.fault
def test_one_that_runs_out_of_time_amid_its_canary(tmp_path: Path) -> None:
    endless = replace(SETTINGS, schedule=replace(SETTINGS.schedule, analysis_seconds=3_600))
    with (
        running_cloud(tmp_path, PLUGIN) as cloud,
        deployed(cloud, settings=endless, limit=LIMIT_SECONDS) as stack,
    ):
        stack.deploy()
        stack.start()
        stack.watched()
        assert stack.live() == ("1", {"2": 0.1}, "1")
        assert stack.ended() == "TIMED_OUT"
        assert stack.live() == ("1", {"2": 0.1}, "1"), "nothing runs any more"
        states = stack.history()
        stack.repair("r1")
        record = stack.record()
        assert (record.outcome, record.reasons) == (
            Ended.ROLLED_BACK,
            ("its execution has ended: TIMED_OUT",),
        )
        assert stack.live() == ("1", {}, "1")
        assert stack.releases.status().running is None
        assert (stack.status("r1"), stack.history()) == ("TIMED_OUT", states)
