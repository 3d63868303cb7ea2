"""What the records say: where a rollback goes, and what a deployment does not release again."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from mlops.errors import ReleaseRefused
from mlops.inference.version import ModelVersion
from mlops.registry.releases import Ended
from mlops.release.ports import GateReport
from tests.unit.inference.building import V1
from tests.unit.release.fixture import ANN, ID, V2, Fixture, refusal

Step = Callable[[Fixture], object]
V3 = V2.next_minor()


def released(model: ModelVersion | None = None) -> Step:
    """A release of both functions; of another model, or of other code alone."""

    def step(fixture: Fixture) -> None:
        number = len(fixture.registry.releases())
        pin = fixture.pins[V2] if model is None else fixture.register(model)
        fixture.deploy(pin, code=f"sha256:{number}")
        fixture.promoted(f"release-{number}", retry=True)

    return step


def batch_released(fixture: Fixture) -> None:
    number = len(fixture.registry.releases())
    fixture.batch.deploy(settings=f"setting {number}")
    fixture.run(f"release-{number}")


def back(to: str | None = None) -> Step:
    def step(fixture: Fixture) -> None:
        fixture.wait(timedelta(minutes=3))
        fixture.operations.roll_back(to, ANN)

    return step


def by_hand(number: str, *functions: str) -> Step:
    """Somebody moves the aliases, past all releases."""

    def step(fixture: Fixture) -> None:
        for name in functions or ("api", "batch"):
            function = {"api": fixture.api, "batch": fixture.batch}[name]
            function.move_by_hand(number)

    return step


@pytest.mark.parametrize(
    ("steps", "live"),
    [
        ([released()], ("1", "1")),
        ([released(), released()], ("2", "2")),
        ([released(), released(), back()], ("1", "1")),
        ([released(), released(), by_hand("2")], ("1", "1")),
        # A version that was left by hand is not gone back to, either.
        ([released(), released(), by_hand("2"), released()], ("2", "2")),
        ([released(), released(), by_hand("2", "api"), released()], ("2", "2")),
        ([released(), by_hand("1"), released()], ("1", "1")),
        ([released(), batch_released, by_hand("2", "batch"), batch_released], ("2", "2")),
        # Nor one that was left for a version that was named.
        ([released(), released(), back(), released(), back("3")], ("2", "2")),
        ([released(), back(), released(), back("2")], ("1", "1")),
        ([released(), released(), back("1"), released()], ("1", "1")),
        # Batch alone.
        ([released(), batch_released], ("2", "2")),
        ([released(), batch_released, back()], ("1", "1")),
        ([released(), batch_released, released()], ("2", "3")),
    ],
)
def test_a_rollback_goes_to_the_previously_promoted_version(
    steps: list[Step], live: tuple[str, str]
) -> None:
    fixture = Fixture()
    for step in steps:
        step(fixture)
    back()(fixture)
    version, weights, batch = fixture.live()
    assert (version, weights, batch) == (live[0], {}, live[1])


@pytest.mark.parametrize(
    "steps", [[released(), back()], [released(), back(), back("2")], [released(), by_hand("1")]]
)
def test_there_is_no_earlier_version(steps: list[Step]) -> None:
    fixture = Fixture()
    for step in steps:
        step(fixture)
    fixture.wait(timedelta(minutes=3))
    assert "no version that was live before version" in refusal(fixture)


@pytest.mark.parametrize(
    ("steps", "to"),
    [
        ([released(), batch_released], "2"),
        ([released(), batch_released, back()], "2"),
        ([released(), released()], "3"),
        ([released(), released()], str(V2)),
        ([released(), back("1")], "1"),
    ],
)
def test_what_is_live_already_is_refused(steps: list[Step], to: str) -> None:
    fixture = Fixture()
    for step in steps:
        step(fixture)
    assert "is live already" in refusal(fixture, to)


def test_what_a_release_replaced_can_be_gone_back_to_although_it_was_set_by_hand() -> None:
    fixture = Fixture()
    released()(fixture)
    fixture.api.deploy(settings="by hand")
    number = fixture.api.publish().number
    by_hand(number, "api")(fixture)
    before = fixture.live()
    released()(fixture)
    assert fixture.operations.roll_back(number, ANN).version == number
    assert fixture.live() == before


def test_of_versions_with_one_model_it_takes_one_that_was_not_rolled_back() -> None:
    fixture = Fixture()
    for step in (released(), released(), back(), released(V3)):
        step(fixture)
    assert fixture.operations.roll_back(str(V2), ANN).version == "2"


# --- what is not released again -----------------------------------------------------------------
OTHER, THIRD = "release-2", "release-3"
NEWER = "sha256:newer"
"""Each commit builds an image, and with it a version of its own."""


def failed(fixture: Fixture) -> None:
    fixture.analyze_all(slower=2.0)
    fixture.run()


def promoted_and_back(fixture: Fixture) -> None:
    fixture.promoted()
    fixture.operations.roll_back(None, ANN)


def aborted(fixture: Fixture) -> None:
    fixture.canary()
    fixture.operations.abort(ID, ANN)


def aborted_in_gate(fixture: Fixture) -> None:
    fixture.until("canary")
    fixture.operations.abort(ID, ANN)


def rolled_back_in_gate(fixture: Fixture) -> None:
    fixture.until("canary")
    with pytest.raises(ReleaseRefused, match="no version that was live before"):
        fixture.operations.roll_back(None, ANN)


def refused_by_gate(fixture: Fixture) -> None:
    fixture.gate = lambda plan: GateReport(False, ("accuracy",), {})
    fixture.run()
    fixture.gate = lambda plan: GateReport(True, (), {})


def batch_back(fixture: Fixture) -> None:
    fixture.promoted()
    fixture.batch.deploy(settings="more memory")
    fixture.run("release-batch")
    assert fixture.operations.roll_back(None, ANN).version == "2"


def promoted_after_all(fixture: Fixture) -> None:
    aborted(fixture)
    fixture.promoted("again", retry=True)
    fixture.deploy(fixture.register(V3))
    fixture.promoted("release-other")


def gone_back_to(fixture: Fixture) -> None:
    promoted_and_back(fixture)
    fixture.operations.roll_back("2", ANN)


def code_alone(then: Step) -> Step:
    """The same, with the model that is live in another image."""

    def step(fixture: Fixture) -> None:
        fixture.deploy(fixture.pins[V1], code="sha256:bad")
        then(fixture)

    return step


def same(fixture: Fixture) -> None:
    """Nothing is deployed since."""


def newer(fixture: Fixture) -> None:
    fixture.deploy(code=NEWER)


def newer_code(fixture: Fixture) -> None:
    fixture.deploy(fixture.pins[V1], code=NEWER)


def newer_model(fixture: Fixture) -> None:
    fixture.deploy(fixture.register(V3))


def other_api(fixture: Fixture) -> None:
    fixture.api.deploy(settings="fixed")


def other_batch(fixture: Fixture) -> None:
    fixture.batch.deploy(settings="more memory")


NUMBER, MODEL = "version 2 was rolled back before", f"{V2} was rolled back before"


@pytest.mark.parametrize(
    ("before", "deploy", "reason"),
    [
        (failed, same, NUMBER),
        (promoted_and_back, same, NUMBER),
        (promoted_and_back, other_batch, NUMBER),
        (batch_back, same, NUMBER),
        (aborted_in_gate, same, NUMBER),
        (rolled_back_in_gate, same, NUMBER),
        # Known by its model as well, where an operator rolled it back.
        (promoted_and_back, newer, MODEL),
        (aborted, newer, MODEL),
        (aborted_in_gate, newer, MODEL),
        (rolled_back_in_gate, newer, MODEL),
    ],
)
def test_what_was_rolled_back_is_released_again_only_on_request(
    deployed: Fixture, before: Step, deploy: Step, reason: str
) -> None:
    before(deployed)
    deploy(deployed)
    live = deployed.live()
    done = deployed.run(OTHER)
    assert (done.outcome, deployed.live()) == (Ended.REFUSED, live)
    assert done.reasons[0].startswith(reason)
    assert deployed.until("gate", THIRD, retry=True).next == "gate"


@pytest.mark.parametrize(
    ("before", "deploy"),
    [
        (failed, newer),
        (refused_by_gate, same),
        (promoted_and_back, newer_model),
        (promoted_after_all, newer),
        (gone_back_to, newer),
        # A model that stays is not to blame for code that was rolled back.
        (code_alone(aborted), newer_code),
        (code_alone(promoted_and_back), other_api),
    ],
)
def test_what_is_new_or_was_good_after_all_is_released(
    deployed: Fixture, before: Step, deploy: Step
) -> None:
    before(deployed)
    deploy(deployed)
    assert deployed.until("gate", OTHER).next == "gate"
