"""What the strict fake promises of an alias, asked of an AWS that runs here, over the real port."""

import io
import uuid
import zipfile
from collections import Counter
from collections.abc import Iterator

import pytest

from mlops.aws.functions import LambdaFunction
from mlops.errors import FunctionGone
from tests.integration.state_machine import MINISTACK, ROLE, Cloud, running_cloud
from tests.rehearsal.cloud import PLUGIN
from tests.unit.release.alias_contract import AliasContract, Deployed

ANSWERS = """
def handler(event, context):
    return {"version": context.function_version, "event": event}
"""
FAILS = "def handler(event, context):\n    raise RuntimeError('on purpose')\n"
REQUESTS = 100
FAR = 20  # requests from the 50 expected: four standard deviations of the binomial


@pytest.fixture(scope="module", params=[MINISTACK, PLUGIN])
def cloud(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cloud]:
    """Once as it is, and once as the rehearsal runs it."""
    with running_cloud(tmp_path_factory.mktemp("cloud"), request.param) as cloud:
        yield cloud


def packed(code: str) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("code.py", code)
    return archive.getvalue()


def made(cloud: Cloud, code: str) -> Deployed:
    name, functions = f"f{uuid.uuid4().hex[:8]}", cloud.client("lambda")

    def make(code: str) -> None:
        functions.create_function(
            FunctionName=name,
            Runtime="python3.12",
            Handler="code.handler",
            Role=ROLE,
            Code={"ZipFile": packed(code)},
        )
        version = functions.publish_version(FunctionName=name)["Version"]
        functions.create_alias(FunctionName=name, Name="live", FunctionVersion=version)

    def remove() -> None:
        functions.delete_function(FunctionName=name)

    def deploy() -> None:
        variables = {"DEPLOYED": uuid.uuid4().hex}
        functions.update_function_configuration(
            FunctionName=name, Environment={"Variables": variables}
        )

    def break_handler() -> None:
        remove()
        make(FAILS)

    make(code)
    return Deployed(
        function=LambdaFunction(functions, name),
        deploy=deploy,
        remove_version=lambda number: functions.delete_function(
            FunctionName=name, Qualifier=number
        ),
        remove_alias=lambda: functions.delete_alias(FunctionName=name, Name="live"),
        remove_function=remove,
        break_handler=break_handler,
    )


class TestMiniStack(AliasContract):
    @pytest.fixture
    def deployed(self, cloud: Cloud) -> Deployed:
        return made(cloud, ANSWERS)

    @pytest.mark.parametrize("operation", ["describe", "invoke"])
    def test_a_version_that_is_not_there(self, deployed: Deployed, operation: str) -> None:
        """Not `move` and `weigh`: MiniStack takes any number, as the last lines show."""
        super().test_a_version_that_is_not_there(deployed, operation)
        function = deployed.function
        try:
            function.move("99", {}, None, function.traffic().revision)
        except FunctionGone:
            pytest.fail("MiniStack asks for the version now: remove this test, keep its parent's")

    @pytest.mark.parametrize("cloud", [PLUGIN], indirect=True)
    def test_an_alias_divides_by_its_weights(self, deployed: Deployed) -> None:
        """Only what the plugin adds: MiniStack draws nothing."""
        function, second = deployed.function, self.publish(deployed)
        moved = function.move("1", {second: 0.5}, None, function.traffic().revision)
        answered = Counter(function.invoke("live", {})["version"] for _ in range(REQUESTS))
        assert set(answered) == {"1", second}
        assert abs(answered[second] - REQUESTS * 0.5) <= FAR
        assert function.describe("live").number == "1", "who only looks draws nothing"
        function.move(second, {}, None, moved.revision)
        assert {function.invoke("live", {})["version"] for _ in range(10)} == {second}
