"""What was deployed amid a canary that an alarm took back."""

from datetime import timedelta

import pytest

from mlops.registry.releases import Ended
from mlops.release.beginning import Begun
from mlops.release.closing import following
from mlops.release.rollout import Action
from tests.unit.release.bench import ID, Bench


@pytest.fixture
def follower() -> Bench:
    """A fix was deployed amid a canary that an alarm took back."""
    bench = Bench()
    bench.deploy()
    plan = bench.canary()
    bench.deploy(code="sha256:fix")
    bench.alarms.ringing.add("stack-errors")
    assert bench.rollout.watch(ID).action is Action.ROLL_BACK
    bench.api.move(plan.champion.number, {}, bench.api.traffic().revision)
    assert bench.rollout.record(ID, Ended.ROLLED_BACK, ("alarm stack-errors",)).again
    return bench


def test_what_follows_waits_for_the_alarm_that_took_back_the_one_before(follower: Bench) -> None:
    waits = Begun(None, None, ("alarms ring: stack-errors",))
    assert follower.begin(following(ID)) == waits
    follower.wait(timedelta(minutes=11))
    assert follower.begin(following(ID)) == waits
    follower.alarms.ringing.clear()
    plan = follower.begin(following(ID)).plan
    assert plan is not None
    assert (plan.candidate.code, plan.despite) == ("sha256:fix", ())


def test_what_follows_is_refused_where_an_alarm_goes_on(follower: Bench) -> None:
    follower.begin(following(ID))
    follower.wait(timedelta(minutes=12))
    begun = follower.begin(following(ID))
    assert begun == Begun(None, Ended.REFUSED, ("alarms ring: stack-errors",))
    assert not follower.rollout.record(following(ID), Ended.REFUSED, begun.reasons).again
    assert follower.registry.releases()[-1].candidate == "3"
    assert follower.lock.read().holder is None
