"""The doctor: each difference is found, with the command that fixes it."""

from collections.abc import Callable

import pytest

from mlops.errors import StoreUnavailable
from mlops.inference.version import PINS, Pin
from mlops.registry.registry import CATALOG
from mlops.release.doctor import Severity
from mlops.release.ports import GateReport
from tests.unit.fakes import overwrite
from tests.unit.inference.building import V1
from tests.unit.release.examined_stack import STORE, ExaminedStack
from tests.unit.release.fakes import unavailable
from tests.unit.release.fixture import ANN, ID, V2

STACK = ("--stack-name", "mlops-pipeline")
NOT_LIVE = "What was deployed last is not live: $LATEST of api and batch"
V3 = Pin(V2.next_minor(), f"sha256:{'3' * 64}")


def test_a_healthy_stack_has_no_findings(second: ExaminedStack) -> None:
    assert second.findings() == []
    second.fixture.operations.roll_back(None, ANN)
    second.deploy(V1)
    assert second.findings() == [], "a rollback that was committed"


def test_the_doctor_changes_nothing(second: ExaminedStack) -> None:
    objects, moves = second.fixture.objects, len(second.fixture.api.moves)
    before = {key: objects.get(key) for key in objects.keys("")}
    second.fixture.api.move_by_hand("1")
    assert second.findings()
    assert {key: objects.get(key) for key in objects.keys("")} == before
    assert len(second.fixture.api.moves) == moves


def test_two_differences_at_once_give_both_the_worst_first(examined: ExaminedStack) -> None:
    examined.deploy()
    examined.fixture.alarms.in_alarm.add("errors")
    assert [found.what for found in examined.findings()] == [
        "Alarms are in state ALARM: errors",
        NOT_LIVE,
    ]


# --- committed, and deployed --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("committed", "deployed", "severity", "what", "command"),
    [
        (
            {"Architecture": "arm64"},
            {},
            "warning",
            "samconfig.toml has Architecture=arm64, and the stack x86_64",
            "make deploy",
        ),
        (
            {"Weight": "0.2"},
            {},
            "warning",
            "samconfig.toml has Weight=0.2, and the stack no such parameter",
            "make deploy",
        ),
        (
            {PINS: ""},
            {},
            "warning",
            "{pin} is deployed, and no version of churn is committed",
            f"mlops pin churn {V1} --store {STORE}",
        ),
        (
            {PINS: "churn-model-v1.0.0"},
            {},
            "error",
            "samconfig.toml has Pins=churn-model-v1.0.0, which cannot be read:"
            " 'churn-model-v1.0.0' is not a pin; a pin looks like"
            " churn-model-v1.3.2@sha256:<64 hex digits>",
            "git restore samconfig.toml",
        ),
    ],
)
def test_a_parameter_that_differs(
    examined: ExaminedStack,
    committed: dict[str, str],
    deployed: dict[str, str],
    severity: str,
    what: str,
    command: str,
) -> None:
    assert examined.committed is not None
    examined.committed |= committed
    examined.parameters |= deployed
    words = what.format(pin=examined.pins[V1])
    assert examined.told() == [(severity, words, command)]


def test_a_pin_that_is_committed_and_not_deployed(examined: ExaminedStack) -> None:
    examined.commit(V2)
    pins = examined.pins
    what = f"samconfig.toml pins {pins[V2]}, and the stack {pins[V1]}"
    assert examined.told() == [("warning", what, "make deploy")]


def test_each_model_is_compared_by_itself(examined: ExaminedStack) -> None:
    loans, rent = (f"{model}-model-v1.0.0@sha256:{'0' * 64}" for model in ("loans", "rent"))
    assert examined.committed is not None
    churn = examined.committed[PINS]
    examined.committed[PINS] = f"{churn},{loans},"
    examined.parameters = {**examined.parameters, PINS: f"{rent} {churn}"}
    found = [(what, command) for _, what, command in examined.told() if STORE not in what]
    assert found == [
        (f"samconfig.toml pins {loans}, and the stack no version of loans", "make deploy"),
        (
            f"{rent} is deployed, and no version of rent is committed",
            f"mlops pin rent rent-model-v1.0.0 --store {STORE}",
        ),
    ]


def test_commands_name_the_stack_and_the_file_where_they_are_not_the_usual_ones(
    examined: ExaminedStack,
) -> None:
    examined.named, examined.path = True, "other file.toml"
    examined.commit(V2)
    assert examined.only().command == "sam deploy --stack-name mlops-pipeline"
    examined.committed = {}
    command = f"mlops pin churn {V1} --store {STORE} --samconfig 'other file.toml'"
    assert examined.only().command == command
    examined.commit(V1)
    examined.fixture.deploy(examined.pins[V1], code="other")
    assert examined.only().command == "mlops release start --stack mlops-pipeline"


DELETE = (
    "aws cloudformation delete-stack --stack-name mlops-pipeline"
    " && aws cloudformation wait stack-delete-complete --stack-name mlops-pipeline"
)


@pytest.mark.parametrize(
    ("status", "severity", "command"),
    [
        ("UPDATE_IN_PROGRESS", "note", "aws cloudformation describe-stack-events"),
        ("UPDATE_ROLLBACK_FAILED", "error", "aws cloudformation continue-update-rollback"),
        ("CREATE_FAILED", "error", DELETE),
        ("ROLLBACK_COMPLETE", "error", DELETE),
        ("ROLLBACK_FAILED", "error", DELETE),
        ("DELETE_FAILED", "error", DELETE),
    ],
)
def test_a_stack_that_takes_no_deployment(
    examined: ExaminedStack, status: str, severity: str, command: str
) -> None:
    examined.status = status
    expected = f"{command} {' '.join(STACK)}" if command != DELETE else f"{DELETE} && make deploy"
    assert examined.told() == [(severity, f"The stack mlops-pipeline is {status}", expected)]
    examined.has_outputs = False
    told = examined.told()
    assert [it[0] for it in told] == [severity, "note"]


def test_a_deployment_that_is_under_way_explains_what_differs(examined: ExaminedStack) -> None:
    examined.status = "UPDATE_IN_PROGRESS"
    examined.commit(V2)
    examined.fixture.deploy()
    assert {found.severity for found in examined.findings()} == {Severity.NOTE}


# --- live ---------------------------------------------------------------------------------------


def begins_not(examined: ExaminedStack) -> None:
    """Nothing has released what was deployed; the release of before found nothing new."""


def is_refused(examined: ExaminedStack) -> None:
    examined.fixture.gate = lambda plan: GateReport(False, ("golden rows differ",), {})
    examined.fixture.run()


def is_rolled_back(examined: ExaminedStack) -> None:
    examined.fixture.canary()
    examined.fixture.operations.abort(ID, ANN)


@pytest.mark.parametrize(
    ("how", "why", "command"),
    [
        (begins_not, "The last release was UNCHANGED, release-0", "mlops release start"),
        (is_refused, f"REFUSED, {ID}: golden rows differ.", "mlops release start"),
        (
            is_rolled_back,
            "rolled back by ann. To try it once more instead of pinning what is live:"
            " mlops release start",
            f"mlops pin churn {V1} --store {STORE}",
        ),
    ],
)
def test_what_was_deployed_is_not_live(
    examined: ExaminedStack, how: Callable[[ExaminedStack], None], why: str, command: str
) -> None:
    examined.deploy()
    how(examined)
    found = examined.only()
    assert (found.severity, found.what, found.command) == (Severity.WARNING, NOT_LIVE, command)
    assert why in found.why


def test_no_release_was_ever_recorded() -> None:
    examined = ExaminedStack()
    examined.deploy()
    assert examined.only().why == "No release of it has begun."


def test_a_release_that_is_under_way_explains_what_differs(examined: ExaminedStack) -> None:
    examined.deploy()
    examined.fixture.canary()
    note = ("note", f"A release is under way: {ID}", "mlops release status")
    assert examined.told() == [note]
    assert "now api is at version 1 with 10% to version 2" in examined.only().why


def test_a_version_that_was_made_live_by_hand(second: ExaminedStack) -> None:
    for function in (second.fixture.api, second.fixture.batch):
        function.move_by_hand("1")
    by_hand, not_live = second.told()
    what = "Version 1 is live, and no release made it so"
    assert by_hand == ("error", what, "mlops rollback --to 2")
    assert not_live[1] == NOT_LIVE


def test_batch_with_another_model_than_the_api(second: ExaminedStack) -> None:
    second.fixture.batch.move_by_hand("1")
    error, _ = second.told()
    what = f"Batch is live with {V1}, the API with {V2}"
    assert error == ("error", what, "mlops release start")


@pytest.mark.parametrize(
    ("alarm", "why"),
    [
        ("errors", "a canary is rolled back, and none begins"),
        ("other", "hold up no release"),
    ],
)
def test_an_alarm(examined: ExaminedStack, alarm: str, why: str) -> None:
    examined.fixture.alarms.in_alarm.add(alarm)
    found = examined.only()
    assert (found.severity, why in found.why) == (Severity.ERROR, True)
    assert found.command.startswith(f"aws cloudwatch describe-alarms --alarm-names {alarm} --query")


# --- what cannot be read ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("port", "name"),
    [
        ("api", "The traffic of mlops-pipeline"),
        ("batch", "The traffic of mlops-pipeline"),
        ("alarms", "The alarms"),
    ],
)
def test_what_cannot_be_asked_is_said_and_the_rest_compared(
    examined: ExaminedStack, port: str, name: str
) -> None:
    getattr(examined.fixture, port).before = unavailable
    examined.commit(V2)
    found, other = examined.told()
    what = f"{name} cannot be read, and is not compared"
    assert found == ("error", what, "aws sts get-caller-identity")
    assert "samconfig.toml pins" in other[1]


@pytest.mark.parametrize("gone", ["remove_function", "remove_alias"])
def test_a_function_or_an_alias_that_is_gone(examined: ExaminedStack, gone: str) -> None:
    getattr(examined.fixture.api, gone)()
    what = "There is no function api" if gone == "remove_function" else "There is no alias api:live"
    assert examined.told() == [("error", what, "make deploy")]


@pytest.mark.parametrize(
    ("location", "command"),
    [(STORE, "aws sts get-caller-identity"), (".mlops", "ls -ld .mlops")],
)
def test_a_store_that_is_down(examined: ExaminedStack, location: str, command: str) -> None:
    def down(operation: str, key: str) -> None:
        raise StoreUnavailable(key, "it is played to be down")

    examined.fixture.before = down
    examined.location, examined.local = location, True
    what = f"{location} cannot be read, and is not compared"
    assert examined.told() == [("error", what, command)]


# --- registered, and stored ---------------------------------------------------------------------


def test_a_registry_that_cannot_be_read(examined: ExaminedStack) -> None:
    overwrite(examined.fixture.objects, CATALOG, b"no database")
    command = f"mlops registry rebuild --store {STORE}"
    assert [it for it in examined.told() if it[2] == command] == [
        ("error", f"The registry in {STORE} cannot be read", command)
    ]


def test_a_registry_that_lacks_what_there_is(examined: ExaminedStack) -> None:
    examined.fixture.objects.remove(CATALOG)
    what = f"In {STORE}, and not in its registry: {V1}, {V2}, first-1, release-0"
    command = f"mlops registry rebuild --store {STORE}"
    assert ("warning", what, command) in examined.told()
    examined.fixture.registry.rebuild()
    assert examined.findings() == []


def test_a_record_of_a_release_that_is_damaged(examined: ExaminedStack) -> None:
    key = "registry/releases/release-0.json"
    overwrite(examined.fixture.objects, key, b"{}")
    examined.fixture.registry.rebuild()
    what = f"The record of release release-0 in {STORE} is damaged"
    assert examined.told() == [("warning", what, f"aws s3 rm {STORE}/{key}")]


REMOVE = f"aws s3 rm {STORE}/models/{V1}"


@pytest.mark.parametrize(
    ("file", "content", "command", "words"),
    [
        ("manifest.json", None, "mlops copy", f"is not in {STORE}"),
        ("model.onnx", None, "mlops copy", "is not as it should be"),
        ("model.onnx", b"spoiled", f"{REMOVE}/model.onnx && mlops copy", "is not as it should be"),
        (
            "manifest.json",
            b"spoiled",
            f"{REMOVE}/manifest.json && mlops copy",
            "is not as it should be",
        ),
    ],
)
def test_a_live_version_that_is_damaged_in_the_store(
    examined: ExaminedStack, file: str, content: bytes | None, command: str, words: str
) -> None:
    key = f"models/{V1}/{file}"
    if content is None:
        examined.fixture.objects.remove(key)
    else:
        overwrite(examined.fixture.objects, key, content)
    what = f"{V1}, which is committed, deployed, live, {words}"
    (found,) = [it for it in examined.told() if it[1].startswith(what)]
    assert (found[0], found[2]) == ("error", command)


@pytest.mark.parametrize("file", ["manifest.json", "model.onnx"])
def test_a_registered_version_that_is_not_all_there(examined: ExaminedStack, file: str) -> None:
    examined.fixture.objects.remove(f"models/{V2}/{file}")
    found = examined.only()
    assert found.severity is Severity.WARNING
    assert found.what.startswith(f"{V2}, which is registered, is not ")
    assert found.command == f"mlops copy --pin {examined.pins[V2]}"


def test_what_is_only_committed_may_be_copied_before_it_is_deployed(
    examined: ExaminedStack,
) -> None:
    examined.fixture.pins[V3.version] = V3
    examined.commit(V3.version)
    assert [it[::2] for it in examined.told()] == [
        ("warning", "make deploy"),
        ("warning", "mlops copy"),
    ]


def test_a_pin_of_other_content_than_was_registered(examined: ExaminedStack) -> None:
    examined.fixture.pins[V2] = Pin(V2, V3.digest)
    examined.commit(V2)
    damage, _ = examined.findings()
    assert damage.severity is Severity.ERROR
    assert "It was registered with other content." in damage.why
    assert damage.command == f"mlops pin churn {V2} --store {STORE}"


def test_without_a_stack_pins_registry_and_store_are_compared(examined: ExaminedStack) -> None:
    examined.local, examined.location = True, ".mlops"
    examined.fixture.alarms.in_alarm.add("errors")
    assert examined.findings() == []
    overwrite(examined.fixture.objects, f"models/{V1}/model.onnx", b"spoiled")
    register = f"mlops register churn --version {V1} --store .mlops"
    assert examined.only().command == f"rm .mlops/models/{V1}/model.onnx && {register}"
