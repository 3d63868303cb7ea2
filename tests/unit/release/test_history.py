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
OTHER = "release-2"


def test_a_deployment_does_not_release_again_what_was_rolled_back(deployed: Fixture) -> None:
    deployed.analyze_all(slower=2.0)
    deployed.run()
    assert "version 2 was rolled back before" in deployed.run(OTHER).reasons[0]
    assert deployed.until("gate", "release-3", retry=True).next == "gate"


def test_nor_what_was_rolled_back_after_its_promotion(deployed: Fixture) -> None:
    deployed.promoted()
    deployed.operations.roll_back(None, ANN)
    assert deployed.run(OTHER).outcome is Ended.REFUSED


def test_who_asks_for_it_gets_it(deployed: Fixture) -> None:
    deployed.promoted()
    deployed.operations.roll_back(None, ANN)
    assert deployed.until("gate", OTHER, retry=True).next == "gate"


def test_nor_with_another_batch(deployed: Fixture) -> None:
    deployed.promoted()
    deployed.operations.roll_back(None, ANN)
    deployed.batch.deploy(settings="more memory")
    assert deployed.run(OTHER).outcome is Ended.REFUSED


def test_a_fix_of_the_api_is_released_although_batch_is_the_same(deployed: Fixture) -> None:
    deployed.deploy(deployed.pins[V1], code="sha256:bad")
    deployed.promoted()
    deployed.operations.roll_back(None, ANN)
    deployed.api.deploy(settings="fixed")
    assert deployed.until("gate", OTHER).next == "gate"


def test_nor_a_batch_alone_that_was_rolled_back(deployed: Fixture) -> None:
    deployed.promoted()
    deployed.batch.deploy(settings="more memory")
    deployed.run("release-batch")
    assert deployed.operations.roll_back(None, ANN).version == "2"
    assert deployed.run(OTHER).outcome is Ended.REFUSED


def test_nor_its_model_in_another_image(deployed: Fixture) -> None:
    """Each commit builds an image."""
    deployed.promoted()
    deployed.operations.roll_back(None, ANN)
    deployed.deploy(code="sha256:newer")
    done = deployed.run(OTHER)
    assert (done.outcome, deployed.live()) == (Ended.REFUSED, ("1", {}, "1"))
    assert done.reasons[0].startswith(f"{V2} was rolled back before; pin another version")


def test_nor_a_model_whose_canary_was_aborted(deployed: Fixture) -> None:
    deployed.canary()
    deployed.operations.abort(ID, ANN)
    deployed.deploy(code="sha256:newer")
    assert deployed.run(OTHER).outcome is Ended.REFUSED
    assert deployed.until("gate", "release-3", retry=True).next == "gate"


@pytest.mark.parametrize("code", ["", "sha256:newer"])
@pytest.mark.parametrize("how", ["abort", "rollback"])
def test_nor_what_an_operator_stopped_before_it_had_traffic(
    deployed: Fixture, how: str, code: str
) -> None:
    deployed.until("canary")
    if how == "abort":
        deployed.operations.abort(ID, ANN)
    else:
        with pytest.raises(ReleaseRefused, match="was stopped"):
            deployed.operations.roll_back(None, ANN)
    if code:
        deployed.deploy(code=code)
    assert deployed.run(OTHER).outcome is Ended.REFUSED
    assert deployed.until("gate", "release-3", retry=True).next == "gate"


def test_what_failed_its_analysis_is_analyzed_again_in_another_image(deployed: Fixture) -> None:
    deployed.analyze_all(slower=2.0)
    deployed.run()
    deployed.deploy(code="sha256:newer")
    assert deployed.until("gate", OTHER).next == "gate"


def test_a_model_that_was_promoted_after_all_is_good(deployed: Fixture) -> None:
    deployed.canary()
    deployed.operations.abort(ID, ANN)
    deployed.promoted(OTHER, retry=True)
    third = deployed.register(V2.next_minor())
    deployed.deploy(third)
    deployed.promoted("release-3")
    deployed.deploy(code="sha256:newer")
    assert deployed.until("gate", "release-4").next == "gate"


def test_so_is_one_that_an_operator_went_back_to(deployed: Fixture) -> None:
    deployed.promoted()
    deployed.wait(timedelta(hours=1))
    deployed.operations.roll_back(None, ANN)
    deployed.operations.roll_back("2", ANN)
    deployed.deploy(code="sha256:newer")
    assert deployed.until("gate", OTHER).next == "gate"


def test_a_model_that_stays_is_not_to_blame_for_code_that_was_rolled_back(
    deployed: Fixture,
) -> None:
    deployed.deploy(deployed.pins[V1], code="sha256:bad")
    deployed.canary()
    deployed.operations.abort(ID, ANN)
    deployed.deploy(deployed.pins[V1], code="sha256:fixed")
    assert deployed.until("gate", OTHER).next == "gate"


def test_another_model_is_released(deployed: Fixture) -> None:
    deployed.promoted()
    deployed.operations.roll_back(None, ANN)
    deployed.deploy(deployed.register(V2.next_minor()))
    assert deployed.until("gate", OTHER).next == "gate"


def test_what_the_gate_refused_is_asked_again(deployed: Fixture) -> None:
    deployed.gate = lambda plan: GateReport(False, ("accuracy",), {})
    deployed.run()
    deployed.gate = lambda plan: GateReport(True, (), {})
    assert deployed.until("gate", OTHER).next == "gate"
