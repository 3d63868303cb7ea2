"""One release at a time, and only where there is something new."""

from datetime import timedelta

import pytest

from mlops.errors import CloudUnavailable, FunctionGone, ReleaseRefused, StoreThrottled
from mlops.registry.releases import Ended, Kind
from mlops.release.beginning import Begun
from mlops.release.lock import CURRENT, Holder
from mlops.release.ports import ExecutionStatus
from mlops.release.records import Plan
from tests.unit.inference.building import V1
from tests.unit.release.bench import ANN, ID, V2, Bench, Killed, failing_on
from tests.unit.release.fakes import FakeFunction, unavailable

OTHER = "release-2"


def refusal(begun: Begun) -> str:
    assert (begun.plan, begun.outcome) == (None, Ended.REFUSED)
    (reason,) = begun.reasons
    return reason


def test_a_plan_says_all_that_the_state_machine_needs(bench: Bench) -> None:
    begun = bench.begin()
    assert begun.plan is not None
    document = begun.plan.to_document()
    assert document["champion"]["number"] == "1"
    assert document["candidate"]["number"] == document["batch_candidate"]["number"] == "2"
    assert document["canary_routing"] == {"AdditionalVersionWeights": {"2": 0.1}}
    assert document["revision"] == bench.api.traffic().revision
    assert document["batch_revision"] == bench.batch.traffic().revision
    assert document["settings"]["tick_seconds"] == 10
    assert bench.live() == ("1", {}, "1")
    holder = bench.lock.read().holder
    assert holder is not None
    assert (holder.kind, holder.id) == (Kind.RELEASE, ID)


def test_the_same_id_gives_the_same_plan_whatever_was_deployed_since(bench: Bench) -> None:
    begun = bench.begin()
    bench.deploy(code="sha256:newer")
    assert bench.beginning.begin(ID, ANN) == begun


def test_nothing_new(bench: Bench) -> None:
    bench.released()
    begun = bench.begin(OTHER)
    assert (begun.outcome, begun.reasons) == (
        Ended.UNCHANGED,
        ("what is deployed is live already",),
    )
    assert bench.beginning.begin(OTHER, ANN) == begun
    bench.rollout.record(OTHER, Ended.UNCHANGED, begun.reasons)
    assert bench.lock.read().holder is None
    assert bench.registry.releases()[-1].outcome is Ended.UNCHANGED


def test_what_is_live_under_another_number_is_nothing_new(bench: Bench) -> None:
    bench.released()
    bench.deploy(code="sha256:newer")
    bench.api.publish()
    bench.deploy(code="sha256:first")
    assert bench.begin(OTHER).outcome is Ended.UNCHANGED
    assert bench.live() == ("2", {}, "2")


def test_the_first_time_what_is_live_is_entered_into_the_registry(bench: Bench) -> None:
    bench.begin()
    (first,) = bench.registry.releases()
    assert (first.id, first.kind, first.candidate) == ("first-1", Kind.FIRST, "1")
    assert bench.stages() == {V1: "champion", V2: "candidate"}


def test_a_model_that_is_not_in_the_store_does_not_keep_a_release_from_beginning() -> None:
    bench = Bench()
    bench.objects.remove(f"models/{V1}/manifest.json")
    bench.deploy()
    assert bench.begin().plan is not None


def test_only_batch_has_changed() -> None:
    bench = Bench()
    bench.batch.deploy(settings="more memory")
    plan = bench.begin().plan
    assert plan is not None
    assert not plan.has_canary
    assert plan.to_document()["canary_routing"] == {"AdditionalVersionWeights": {}}
    assert bench.rollout.gate(ID).passed
    bench.promote()
    assert bench.rollout.record(ID, Ended.PROMOTED, ()).outcome is Ended.PROMOTED
    assert bench.live() == ("1", {}, "2")


def test_an_alarm_that_rings(bench: Bench) -> None:
    bench.alarms.ringing.add("stack-errors")
    assert refusal(bench.begin()) == "alarms ring: stack-errors"
    assert bench.live() == ("1", {}, "1")


def test_a_release_that_is_to_end_an_alarm(bench: Bench) -> None:
    bench.alarms.ringing.add("stack-errors")
    plan = bench.begin(despite_alarms=True).plan
    assert plan is not None
    assert bench.plan().despite == plan.despite == ("stack-errors",)


def test_a_plan_from_before_there_was_a_way_past_alarms_is_read(bench: Bench) -> None:
    plan = bench.begin().plan
    assert plan is not None
    document = plan.to_document()
    del document["despite"]
    assert Plan.from_document(document) == plan


def test_alarms_that_do_not_ring_are_nothing_to_begin_despite(bench: Bench) -> None:
    assert bench.begin(despite_alarms=True).plan is not None
    assert bench.plan().despite == ()


@pytest.mark.parametrize(
    ("name", "part", "way"),
    [("the API", "api", "by `mlops rollback`"), ("batch", "batch", "as `mlops doctor` says")],
)
def test_weights_that_belong_to_no_release(bench: Bench, name: str, part: str, way: str) -> None:
    """Of batch's a rollback knows nothing: it would take a healthy API back."""
    function: FakeFunction = getattr(bench, part)
    function.publish()
    weighted = function.move("1", {"2": 0.5}, function.traffic().revision)
    assert refusal(bench.begin()) == (
        f"{name} has weights that belong to no release: the alias to version 1 with 50% to version"
        f" 2; when they are cleared, by themselves or now {way}, `mlops release start` retries"
    )
    assert function.traffic() == weighted
    assert bench.lock.read().holder is None


# --- two at once --------------------------------------------------------------------------------


def test_a_second_release_is_refused_and_touches_nothing(bench: Bench) -> None:
    bench.canary()
    before = bench.live()
    bench.deploy(code="sha256:newer")
    reason = refusal(bench.begin(OTHER))
    assert reason.startswith(f"a release is running ({ID}); what was deployed meanwhile follows")
    assert bench.live() == before
    with pytest.raises(FunctionGone):  # it was not published
        bench.api.describe("3")
    bench.rollout.record(OTHER, Ended.REFUSED, (reason,))
    holder = bench.lock.read().holder
    assert holder is not None
    assert holder.id == ID
    assert bench.beginning.begin(OTHER, ANN).outcome is Ended.REFUSED


def test_of_two_that_begin_at_once_one_does(bench: Bench) -> None:
    bench.executions.start(OTHER, ANN)

    def before(operation: str, key: str) -> None:
        if (operation, key) == ("replace", CURRENT):
            bench.before = lambda operation, key: None
            assert bench.beginning.begin(OTHER, ANN).plan is not None

    bench.before = before
    assert OTHER in refusal(bench.begin())


def test_others_who_are_faster_each_time(bench: Bench) -> None:
    def before(operation: str, key: str) -> None:
        if (operation, key) == ("replace", CURRENT):
            bench.lock.write(bench.lock.read(), None)

    bench.before = before
    assert refusal(bench.begin()) == "others took the lock at each try"


def test_a_rollback_that_is_under_way(bench: Bench) -> None:
    bench.lock.write(bench.lock.read(), Holder(Kind.ROLLBACK, "rollback-1", bench.clock.time))
    reason = refusal(bench.begin())
    assert reason.startswith("a rollback is under way (rollback-1)")
    assert "mlops release start" in reason  # nothing follows a rollback by itself


def test_an_execution_that_is_not_heard_of_yet(bench: Bench) -> None:
    bench.lock.write(bench.lock.read(), Holder(Kind.RELEASE, OTHER, bench.clock.time))
    assert OTHER in refusal(bench.begin())
    bench.wait(timedelta(minutes=2))
    assert bench.begin("release-3").plan is not None


@pytest.mark.parametrize(
    "status", [ExecutionStatus.ABORTED, ExecutionStatus.FAILED, ExecutionStatus.TIMED_OUT]
)
def test_the_lock_of_an_ended_execution_is_taken_over_once_its_traffic_is_back(
    bench: Bench, status: ExecutionStatus
) -> None:
    bench.canary()
    bench.executions.end(ID, status)
    bench.deploy(code="sha256:newer")
    plan = bench.begin(OTHER).plan
    assert plan is not None
    assert (plan.champion.number, plan.candidate.number) == ("1", "3")
    assert bench.live() == ("1", {}, "1")
    outcome = bench.outcome()
    assert outcome == (Ended.ROLLED_BACK, (f"its execution had ended when {OTHER} began",))


def test_none_begins_amid_a_deployment(bench: Bench) -> None:
    bench.deploy()
    bench.deployments.status = "UPDATE_IN_PROGRESS"
    begun = bench.begin()
    assert begun.outcome is Ended.REFUSED
    assert begun.reasons == ("it is UPDATE_IN_PROGRESS",)
    closed = bench.rollout.record(ID, Ended.REFUSED, ())
    assert (closed.again, bench.lock.read().holder) == (False, None)
    bench.deployments.status = None
    assert bench.begin(OTHER).plan is not None


@pytest.mark.fault
def test_one_that_begins_while_it_publishes_is_seen(bench: Bench) -> None:
    """CloudFormation changed the API just before, and not yet batch."""
    bench.api.deploy(code="sha256:half")

    def begins(operation: str) -> None:
        bench.deployments.before = lambda _: setattr(
            bench.deployments, "status", "UPDATE_IN_PROGRESS"
        )

    bench.deployments.before = begins
    assert bench.begin().outcome is Ended.REFUSED
    bench.rollout.record(ID, Ended.REFUSED, ())
    assert (bench.live(), bench.lock.read().holder) == (("1", {}, "1"), None)


@pytest.mark.fault
def test_half_a_deployment_does_not_follow_what_it_came_amid(bench: Bench) -> None:
    """CloudFormation may take back the other half, and with it what was released."""
    bench.deploy()
    bench.canary()
    bench.api.deploy(code="sha256:half")
    bench.deployments.status = "UPDATE_IN_PROGRESS"
    assert bench.desk.abort(ID, ANN).again
    (follower,) = bench.executions.running()
    assert bench.begin(follower).outcome is Ended.REFUSED
    assert not bench.rollout.record(follower, Ended.REFUSED, ()).again
    assert bench.live() == ("1", {}, "1")


# --- faults -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "key", [CURRENT, "registry/releases/first-1.json", f"releases/{ID}/plan.json"]
)
@pytest.mark.parametrize("fault", [Killed(), StoreThrottled("store", "slow down")])
def test_one_that_fails_at_a_write_is_begun_anew(
    bench: Bench, key: str, fault: BaseException
) -> None:
    operation = "replace" if key == CURRENT else "create"
    bench.before = failing_on(operation, key, fault)
    with pytest.raises(type(fault)):
        bench.begin()
    bench.before = lambda operation, key: None
    plan = bench.beginning.begin(ID, ANN).plan
    assert plan is not None
    assert plan.candidate.number == "2"
    assert [record.id for record in bench.registry.releases()] == ["first-1"]


@pytest.mark.parametrize("operation", ["publish", "traffic", "describe"])
def test_an_outage_of_lambda(bench: Bench, operation: str) -> None:
    bench.api.before = lambda found: unavailable(found) if found == operation else None
    with pytest.raises(CloudUnavailable):
        bench.begin()
    bench.api.before = lambda found: None
    assert bench.beginning.begin(ID, ANN).plan is not None


def test_a_function_that_is_not_there(bench: Bench) -> None:
    bench.batch.remove_function()
    with pytest.raises(FunctionGone):
        bench.begin()
    closed = bench.rollout.record(ID, Ended.REFUSED, ("There is no function batch",))
    assert (closed.outcome, closed.subject) == (Ended.REFUSED, "REFUSED: release")
    assert bench.lock.read().holder is None


@pytest.mark.parametrize("id", ["", "a/b", ".", "x" * 81, "-x"])
def test_an_id_that_no_release_can_have(bench: Bench, id: str) -> None:
    with pytest.raises(ReleaseRefused, match="not the id of a release"):
        bench.beginning.begin(id, ANN)
