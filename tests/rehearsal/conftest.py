"""One AWS a session, and one stack that is deployed to it as a user does."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from mlops.bootstrap.registry import open_registry
from mlops.inference.version import Pin
from tests.container.engine import require_engine
from tests.container.images import mark_container_tests
from tests.rehearsal.cloud import Cloud, Keys, require_registry, running_cloud
from tests.rehearsal.deployment import Deployment
from tests.rehearsal.forwarding import forwarded
from tests.rehearsal.releasing import COMPRESSED, LOANS, Releasing, import_loans
from tests.rehearsal.traffic import Traffic, traffic

UNPROVED = "no rehearsal was run, so that a deployment works is unproved"
# The template's is 720; what fails here is to be tried again soon. Long enough, though, that what
# succeeds is not received a second time on a machine that is busy.
VISIBILITY_SECONDS = 10
FIGURE = "rehearsed"


@pytest.hookimpl(tryfirst=True)  # before all tests get the group of their file
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let one worker run all tests of the stack that is deployed once.

    Each worker that runs one of them starts a cloud, and pushes all images to it.
    """
    mark_container_tests(items, Path(__file__).parent)
    for item in items:
        if "deployment" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.xdist_group("rehearsal: deployment"))


@pytest.fixture
def note_figure(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Return a function that notes a measurement, in words, for the summary at the end."""
    return partial(record_property, FIGURE)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = chain.from_iterable(terminalreporter.stats.get(it, ()) for it in ("passed", "failed"))
    figures = [
        value
        for report in reports
        if getattr(report, "when", None) == "call"
        for name, value in report.user_properties
        if name == FIGURE
    ]
    if figures:
        terminalreporter.section("rehearsed")
        for figure in figures:
            terminalreporter.line(str(figure))


@pytest.fixture(scope="session", autouse=True)
def engine() -> None:
    require_engine(UNPROVED)
    require_registry(UNPROVED)


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory, emulator: Path) -> Iterator[Cloud]:
    with running_cloud(tmp_path_factory.mktemp("cloud"), emulator) as cloud:
        yield cloud


@pytest.fixture(scope="session")
def deployment(
    cloud: Cloud, project: Path, tmp_path_factory: pytest.TempPathFactory, churn_pin: Pin
) -> Deployment:
    """Deployed once, with the model that is baked into its images."""
    folder = tmp_path_factory.mktemp("deployed") / "project"
    deployment = Deployment.prepared(cloud, project, folder, "rehearsal")
    deployment.configure(Pins=str(churn_pin), BatchMaxConcurrency="2")
    deployment.deploy()
    return deployment


@pytest.fixture(scope="session")
def client(cloud: Cloud) -> Keys:
    """Of somebody who may call the API, and nothing else."""
    return cloud.user("client", "execute-api:Invoke")


@pytest.fixture(scope="session")
def released_stack(
    cloud: Cloud,
    project: Path,
    trained_store: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Releasing:
    """Return a stack that was deployed and released for the first time, as CI/CD does it.

    It serves two models: churn, which is baked into its image, and an imported one.
    """
    folder = tmp_path_factory.mktemp("releases")
    store = folder / "store"
    shutil.copytree(trained_store, store)
    import_loans(folder / LOANS, store)
    pins = ",".join(str(entry.pin) for entry in open_registry(str(store)).entries())
    deployment = Deployment.prepared(cloud, project, folder / "project", "releases")
    deployment.configure(Pins=pins, **COMPRESSED)
    deployment.prepare_make()
    repository = f"{cloud.registry}/{deployment.stack}"
    deployment.make("deploy", IMAGE_REPOSITORY=repository, MLOPS_STORE=str(store))
    deployment.make("verdict")
    return Releasing(deployment, trained_store.parent / "candidate", folder)


@pytest.fixture
def releasing(released_stack: Releasing) -> Releasing:
    """Return the stack when nothing is under way, whatever the test before has left behind."""
    released_stack.come_to_rest()
    return released_stack


# The tests of other folders are not disturbed.
@pytest.fixture(scope="package")
def clients(released_stack: Releasing, client: Keys) -> Iterator[Traffic]:
    with traffic(released_stack.deployment.api(client)) as found:
        yield found


@pytest.fixture(scope="package")
def url(released_stack: Releasing, client: Keys) -> Iterator[str]:
    """Yield the URL of the API that is released to."""
    with forwarded(released_stack.deployment.api(client)) as found:
        yield found


@dataclass(frozen=True)
class Stack:
    """The queue's side of a stack. queue, dead_letters: their URLs."""

    cloud: Cloud
    bucket: str
    queue: str
    dead_letters: str

    def put(self, key: str, content: bytes) -> str:
        """Its URL."""
        self.cloud.client("s3").put_object(Bucket=self.bucket, Key=key, Body=content)
        return f"s3://{self.bucket}/{key}"

    def get(self, key: str) -> bytes:
        found = self.cloud.client("s3").get_object(Bucket=self.bucket, Key=key)
        content: bytes = found["Body"].read()
        return content

    def has(self, key: str) -> bool:
        found = self.cloud.client("s3").list_objects_v2(Bucket=self.bucket, Prefix=key)
        return any(entry["Key"] == key for entry in found.get("Contents", []))

    def send(self, *messages: str) -> None:
        entries = [
            {"Id": str(number), "MessageBody": message} for number, message in enumerate(messages)
        ]
        sqs = self.cloud.client("sqs")
        answer = sqs.send_message_batch(QueueUrl=self.queue, Entries=entries)
        assert len(answer["Successful"]) == len(messages)

    def submit(self, job_id: str, **what: object) -> None:
        message = {"job_id": job_id, "model": "churn", "submitted_by": "rehearsal", **what}
        self.send(json.dumps(message))

    def summary(self, job_id: str, seconds: float = 60) -> dict[str, Any]:
        """Waits for it."""
        key = f"batch/jobs/{job_id}/summary.json"
        self.cloud.wait_until(lambda: self.has(key), f"{job_id} is done", seconds)
        found = json.loads(self.get(key))
        assert isinstance(found, dict)
        return found


@pytest.fixture(scope="session")
def stack(cloud: Cloud, deployment: Deployment) -> Stack:
    outputs = deployment.outputs()
    queue = outputs["JobsQueueUrl"]
    cloud.client("sqs").set_queue_attributes(
        QueueUrl=queue, Attributes={"VisibilityTimeout": str(VISIBILITY_SECONDS)}
    )
    return Stack(cloud, outputs["StoreName"], queue, outputs["JobsDeadLettersUrl"])
