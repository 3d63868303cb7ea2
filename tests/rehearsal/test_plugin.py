"""What the plugin needs of MiniStack is asked for by name, and what it changes is changed."""

import subprocess
from types import ModuleType

import pytest

from tests.container.engine import CALL_SECONDS, inspect
from tests.project.files import ROOT
from tests.rehearsal.cloud import PYTHON
from tests.rehearsal.deployment import Deployment
from tests.rehearsal.plugin import __main__ as plugin
from tests.rehearsal.plugin.executions import fail
from tests.rehearsal.plugin.functions import DRAWS, LAMBDA, drawn, execute, invoke_container
from tests.rehearsal.plugin.images import digest
from tests.rehearsal.plugin.patches import NEEDED, Load, Name, Record


def changed(name: Name, found: object = None) -> Load:
    """MiniStack's modules, one of which has something else under a name, or nothing."""

    def load(module: str) -> ModuleType:
        made = ModuleType(module)
        if found is not None:
            setattr(made, name.name, found)
        return made

    return load


@pytest.mark.parametrize("name", NEEDED, ids=str)
def test_a_name_that_is_gone_is_said(name: Name) -> None:
    assert name.problem(changed(name)) == f"{name} is missing"


def test_a_module_that_is_gone_is_said() -> None:
    gone = Name("ministack.gone", "name")
    assert "ministack.gone.name is missing" in str(gone.problem(__import__))


@pytest.mark.parametrize("name", [name for name in NEEDED if name.signature], ids=str)
def test_a_signature_that_has_changed_is_said(name: Name) -> None:
    def other(*, surprise: int) -> None: ...

    problem = name.problem(changed(name, other))
    assert problem == f"{name} takes (*, surprise: int) -> None, and took {name.signature}"


def started_with(change: str) -> "subprocess.CompletedProcess[str]":
    """The plugin upon the real MiniStack, after a change of it."""
    imports = f"import {LAMBDA} as functions\nimport {plugin.__name__} as plugin"
    script = f"{imports}\n{change}\nplugin.main()"
    return subprocess.run(
        [PYTHON, "-c", script],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=CALL_SECONDS,
        check=False,
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("del functions._warm_pool_key", f"{LAMBDA}._warm_pool_key is missing"),
        ("functions._invoke = len", f"{LAMBDA}._invoke takes (obj, /)"),
        ("plugin.VERSION = '1.0'", "the plugin was written for 1.0"),
    ],
)
def test_nothing_is_started_upon_another_ministack(change: str, said: str) -> None:
    ended = started_with(change)
    assert ended.returncode == 1
    assert said in ended.stderr


ALIAS = {"FunctionVersion": "1", "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.25}}}
FUNCTION = {"aliases": {"live": ALIAS, "still": {"FunctionVersion": "1"}}}


def test_an_alias_draws_by_its_weights_and_only_then() -> None:
    DRAWS.seed(1)
    versions = [drawn(FUNCTION, "live") for _ in range(1_000)]
    assert set(versions) == {"1", "2"}
    assert 200 < versions.count("2") < 300
    assert {drawn(FUNCTION, "still") for _ in range(10)} == {"1"}
    assert drawn(FUNCTION, "7") == "7"
    assert drawn(FUNCTION, None) is None


def test_the_same_seed_draws_the_same() -> None:
    runs = []
    for _ in range(2):
        DRAWS.seed(1)
        runs.append([drawn(FUNCTION, "live") for _ in range(50)])
    assert runs[0] == runs[1]


class Container:
    """Its log gets one more part each time that it is read."""

    name, ports, status = "some", "none", "running"

    def __init__(self, *parts: str) -> None:
        self._parts = [*parts]
        self._log = ""

    def logs(self, **_options: object) -> bytes:
        self._log += self._parts.pop(0) if self._parts else ""
        return self._log.encode()


def test_a_log_that_lags_is_read_to_its_end() -> None:
    container = Container("START RequestId: 1\n{}\nEND RequestId: 1\n", "REPORT RequestId: 1\n")

    def early(container: Container, *_request: object) -> dict[str, object]:
        return {"log": "", "body": "answer"}

    result = invoke_container(early, container, {}, 30, "1")
    assert result["body"] == "answer"
    assert result["log"].splitlines()[1::2] == ["{}", "REPORT RequestId: 1"]


FAILED = {"body": {"errorMessage": "Lambda RIE failed: "}, "error": True, "log": ""}


@pytest.mark.parametrize(("status", "times"), [("running", 2), ("exited", 1)])
def test_a_container_that_runs_but_cannot_be_reached_is_replaced(status: str, times: int) -> None:
    """One that has ended is a function that fails at its start, which is for its caller to see."""
    container, recycled = Container(), []
    container.status = status

    def invoke(*_request: object) -> dict[str, object]:
        return dict(FAILED)

    def run_once(*_request: object) -> Record:
        result: Record = invoke_container(invoke, container, {}, 15, "1")
        recycled.append(result.pop("timeout", False))
        return result

    assert execute(run_once, {}, {}, "1") == FAILED
    assert recycled == [status == "running"] * times


def test_the_code_of_a_function_is_its_images_digest(deployment: Deployment) -> None:
    functions = deployment.cloud.client("lambda")
    found = functions.get_function(FunctionName=deployment.outputs()["ApiFunctionName"])
    code, image = found["Configuration"]["CodeSha256"], found["Code"]["ImageUri"]
    named = f"{image.rpartition(':')[0]}@sha256:{code}"
    assert named in inspect(image)["RepoDigests"]
    assert (digest(image), digest(named)) == (code, code)


def test_an_image_that_was_not_pushed_is_no_code(deployment: Deployment) -> None:
    image = f"{deployment.cloud.registry}/{deployment.stack}:none"
    with pytest.raises(ValueError, match=f"Source image {image} does not exist"):
        digest(image)


@pytest.mark.parametrize(("status", "failed"), [("RUNNING", 1), ("ABORTED", 0), ("TIMED_OUT", 0)])
def test_what_has_ended_does_not_fail_as_well(status: str, failed: int) -> None:
    failures: list[object] = []
    fail(lambda *what: failures.append(what), {"status": status}, "States.TaskFailed", "late")
    assert len(failures) == failed
