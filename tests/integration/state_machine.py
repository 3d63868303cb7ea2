"""The real state machine on MiniStack, with its three functions as small stand-ins, no containers.

The release function's stand-in passes each event on to this process, where the real handler
answers, on the real ports to Lambda and Step Functions; the log, alarms and the gate are played.
"""

import io
import json
import threading
import time
import uuid
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import boto3

from functions.release.service import Handler
from mlops.aws.executions import StateMachineExecutions
from mlops.aws.functions import LambdaFunction
from mlops.bootstrap import utc_now
from mlops.bootstrap.logs import open_logger
from mlops.bootstrap.releases import new_id, read_state
from mlops.registry.registry import Registry
from mlops.registry.releases import ReleaseRecord
from mlops.release.canary_analysis import CanaryAnalyses, Schedule
from mlops.release.evidence import Evidence
from mlops.release.operations import Operations
from mlops.release.ports import Dependencies, Function, GateReport
from mlops.release.recorder import Recorder
from mlops.release.repair import Repair
from mlops.release.status import Releases
from mlops.release.steps import Release, Settings
from tests.project.files import ROOT
from tests.rehearsal.process import free_ports, serving
from tests.unit.fakes import MemoryObjects, no_pause
from tests.unit.inference.building import V1, candidate, provenance
from tests.unit.release.fakes import FakeAlarms, FakeDeployments, FakeNotices
from tests.unit.release.fixture import TENTHS, observation
from tests.unit.release_function.machine import VALUES, definition

PYTHON = ROOT / ".tools/ministack/bin/python"
MINISTACK: Final = "ministack"
REGION: Final = "eu-west-1"
KEYS: Final = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
ROLE: Final = "arn:aws:iam::000000000000:role/any"
WAIT_SECONDS = 60
SETTINGS = Settings(
    poll_seconds=1,
    schedule=Schedule(analyses=2, analysis_seconds=1, min_requests=50, log_delay_seconds=0),
)

_FORWARDING = """
import json, urllib.request

def handler(event, context):
    request = urllib.request.Request("{url}", json.dumps(event).encode())
    with urllib.request.urlopen(request, timeout=30) as response:
        answer = json.load(response)
    if "error" in answer:
        raise type(answer["error"], (Exception,), {{}})(answer["reason"])
    return answer["answer"]
"""
_NOTHING = "def handler(event, context):\n    return {}\n"


class FakeObservations:
    """Implements `Observations`: a canary that is no different. error: raised instead."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    def observe(self, version: str, since: object, until: object, edges: object) -> Any:
        if self.error is not None:
            raise self.error
        return observation(1_500 if version == "1" else 200)


@dataclass(frozen=True)
class Cloud:
    url: str

    @cache  # noqa: B019 -- it lives as long as the module's tests; a client takes a while to make
    def client(self, service: str) -> Any:
        session: Any = boto3.Session("test", "test", region_name=REGION)
        return session.client(service, endpoint_url=self.url)


@contextmanager
def running_cloud(folder: Path, module: str = MINISTACK) -> Iterator[Cloud]:
    """Where an execution waits, it waits a twentieth of the time.

    module: what is started, MiniStack or the rehearsal's plugin upon it.
    """
    (port,) = free_ports(1)
    environment = {
        **KEYS,
        "GATEWAY_PORT": str(port),
        "HOME": str(folder),
        "MINISTACK_REGION": REGION,
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(ROOT),
        "REHEARSAL_SEED": "1",
        "SFN_WAIT_SCALE": "0.05",
        "TMPDIR": str(folder),
    }
    url = f"http://127.0.0.1:{port}"
    ready = f"{url}/_ministack/health"
    command: list[str | Path] = [PYTHON, "-m", module]
    with serving(command, log=folder / "ministack.log", environment=environment, ready=ready):
        yield Cloud(url)


@dataclass
class Stack:
    """Three functions, a topic and the state machine, under names of its own.

    overruled: steps that answer with this error instead. limit: seconds that an execution may
    take; MiniStack without the plugin takes no notice.
    """

    cloud: Cloud
    settings: Settings = SETTINGS
    limit: int = int(VALUES["TimeoutSeconds"])
    name: str = field(default_factory=lambda: f"s{uuid.uuid4().hex[:8]}")
    objects: MemoryObjects = field(default_factory=MemoryObjects)
    observations: FakeObservations = field(default_factory=FakeObservations)
    notices: FakeNotices = field(default_factory=FakeNotices)
    overruled: dict[str, Exception] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def make(self, answers_at: str) -> None:
        functions = self.cloud.client("lambda")
        release = self._function("release", _FORWARDING.format(url=answers_at))
        for name in ("api", "batch"):
            self._function(name, _NOTHING)
            version = functions.publish_version(FunctionName=self.named(name))["Version"]
            functions.create_alias(
                FunctionName=self.named(name), Name="live", FunctionVersion=version
            )
        values = {
            **VALUES,
            "ReleaseFunctionArn": release,
            "ApiFunctionName": self.named("api"),
            "TimeoutSeconds": str(self.limit),
        }
        self.machine: str = self.cloud.client("stepfunctions").create_state_machine(
            name=self.named("release"), definition=json.dumps(definition(values)), roleArn=ROLE
        )["stateMachineArn"]
        self.api: Function = self._port("api")
        self.batch: Function = self._port("batch")
        executions = StateMachineExecutions(self.cloud.client("stepfunctions"), self.machine)
        self.deps = Dependencies(
            api=self.api,
            batch=self.batch,
            registry=Registry(self.objects, no_pause),
            executions=executions,
            notices=self.notices,
            now=utc_now,
            new_id=new_id,
            pause=no_pause,
        )
        analyses = CanaryAnalyses(
            Evidence(self.objects), self.observations, lambda pin: TENTHS, utc_now
        )
        steps = Release(
            self.deps,
            self.settings,
            FakeAlarms(),
            FakeDeployments(),
            lambda id, plan: GateReport(True, (), {}),
            analyses,
        )
        self.repair = Repair(self.deps, Recorder(self.deps))
        self.operations = Operations(self.deps)
        self.releases = Releases(self.deps, read_state)
        logger = open_logger(self.name, io.BytesIO())
        self.handler = Handler(steps, self.repair, utc_now, logger)

    def named(self, part: str) -> str:
        return f"{self.name}-{part}"

    def _pin(self) -> str:
        registry = Registry(self.objects, no_pause)
        return str(registry.register(V1, candidate(str(V1)), provenance()))

    def _port(self, part: str) -> LambdaFunction:
        return LambdaFunction(self.cloud.client("lambda"), self.named(part))

    def _function(self, part: str, code: str) -> str:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("code.py", code)
        made = self.cloud.client("lambda").create_function(
            FunctionName=self.named(part),
            Runtime="python3.12",
            Handler="code.handler",
            Role=ROLE,
            Timeout=60,
            Code={"ZipFile": packed.getvalue()},
            Environment={"Variables": {"MLOPS_PINS": self._pin()}},
        )
        arn: str = made["FunctionArn"]
        return arn

    def answer(self, event: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(event["next"])
        try:
            if event["next"] in self.overruled:
                raise self.overruled[event["next"]]
            return {"answer": self.handler(event, None)}
        except Exception as error:
            return {"error": type(error).__name__, "reason": str(error)}

    # --- what tests do --------------------------------------------------------------------------

    def deploy(self) -> None:
        for part in ("api", "batch"):
            self.cloud.client("lambda").update_function_configuration(
                FunctionName=self.named(part),
                Environment={
                    "Variables": {"MLOPS_PINS": self._pin(), "DEPLOYED": uuid.uuid4().hex}
                },
            )

    def start(self, id: str = "r1") -> None:
        self.deps.executions.start(id, "ann")

    def ended(self, id: str = "r1") -> str:
        """The status it ends with. Waits for it."""
        self.until(lambda: self.status(id) != "RUNNING")
        return self.status(id)

    def status(self, id: str) -> str:
        found = self.deps.executions.find(id)
        assert found is not None
        return str(found.status)

    def until(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while not done():
            assert time.monotonic() < deadline, f"{self.asked}, {self.history()}"
            time.sleep(0.02)

    def watched(self) -> None:
        self.until(lambda: "watch" in self.asked)

    def record(self, id: str = "r1") -> ReleaseRecord:
        (found,) = [record for record in self.releases.history() if record.id == id]
        return found

    def live(self) -> tuple[str, dict[str, float], str]:
        api = self.api.traffic()
        return api.version, dict(api.weights), self.batch.traffic().version

    def history(self, id: str = "r1") -> list[str]:
        """The states it went through."""
        arn = f"{self.machine.replace(':stateMachine:', ':execution:')}:{id}"
        client = self.cloud.client("stepfunctions")
        pages = client.get_paginator("get_execution_history").paginate(executionArn=arn)
        return [
            event["stateEnteredEventDetails"]["name"]
            for page in pages
            for event in page["events"]
            if "stateEnteredEventDetails" in event
        ]


@contextmanager
def deployed(cloud: Cloud, **options: Any) -> Iterator[Stack]:
    """options: further fields of the stack."""
    stack = Stack(cloud, **options)

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            content = json.dumps(stack.answer(event)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: object) -> None:
            """Tests show what was asked by themselves."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        stack.make(f"http://127.0.0.1:{server.server_port}")
        yield stack
        server.shutdown()
