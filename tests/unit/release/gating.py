"""Two versions of the real API on tiny models in one store, and the gate between them."""

import io
import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from functions.api.app import create_app
from functions.api.gateway import behind_gateway
from functions.api.settings import Settings
from mlops.bootstrap.logs import open_logger
from mlops.errors import InvocationFailed
from mlops.inference.golden import golden_to_bytes
from mlops.inference.holdout import Holdout, holdout_to_bytes
from mlops.inference.loading import ModelLoader, ServedModel
from mlops.inference.manifest import HOLDOUT
from mlops.inference.pinned import PinnedModels
from mlops.inference.version import ModelVersion, Pin
from mlops.registry.versions import StoredVersions
from mlops.release.gate import Gate, GatePolicy
from mlops.release.ports import FunctionVersion, GateReport
from mlops.release.reference import REFERENCE
from tests.unit.api.service import LambdaContext
from tests.unit.fakes import MemoryObjects
from tests.unit.inference.building import (
    golden_rows,
    manifest_of,
    onnx_model,
    predicted,
    version_files,
)
from tests.unit.release.fakes import FakeFunction

SLOPE = -0.05
NOTHING: Mapping[str, bytes | None] = MappingProxyType({})
ROWS = 400
PROFILE = json.dumps({"prediction": {"edges": [0.1, 0.2, 0.4], "counts": [1, 1, 1, 1]}}).encode()
CHAMPION, CANDIDATE = "1", "2"


def holdout_rows(rows: int = ROWS) -> Holdout:
    """Customers who leave as often as the model of slope SLOPE says."""
    generator = np.random.default_rng(11)
    tenures = generator.integers(0, 72, rows)
    leaves = generator.random(rows) < 1 / (1 + np.exp(-SLOPE * tenures))
    return Holdout(
        tuple(
            {
                "customer_id": f"row {number}",
                "tenure": tenure,
                "monthly_charges": 20.5,
                "gender": "Female" if number % 3 else "Male",
            }
            for number, tenure in enumerate(tenures.tolist())
        ),
        tuple(leaves.astype(int).tolist()),
    )


def model_files(
    slope: float = SLOPE, name: str = "", replaced: Mapping[str, bytes | None] = NOTHING
) -> dict[str, bytes]:
    """Of a version. replaced: content by the file's name; None: without that file."""
    made: dict[str, bytes | None] = {
        **version_files(
            model_onnx=onnx_model(slope=slope),
            golden_json=golden_to_bytes(golden_rows(slope)),
            metrics_json=json.dumps({"name": name}).encode(),
        ),
        HOLDOUT: holdout_to_bytes(holdout_rows()),
        REFERENCE: PROFILE,
        **replaced,
    }
    return {name: content for name, content in made.items() if content is not None}


class World:
    """A champion that serves, and a candidate that wants to. load: the gate's way to a model."""

    def __init__(self, candidate: Mapping[str, bytes] | None = None) -> None:
        self.objects = MemoryObjects()
        self.versions = StoredVersions(self.objects)
        self.loader = ModelLoader([self.versions])
        self.load: Callable[[Pin], ServedModel] = self.loader.load
        self.champion_pin = self.written(0, model_files(name="champion"))
        self.candidate_pin = self.written(1, candidate or model_files(name="candidate"))
        self.function = FakeFunction(pins=(self.champion_pin,))
        self.function.deploy(pins=(self.candidate_pin,))
        self.function.publish()
        self.function.handler = self.answer

    def written(self, minor: int, files: Mapping[str, bytes]) -> Pin:
        version = ModelVersion("churn", 1, minor, 0)
        return self.versions.write(manifest_of(files, version), files)

    def answer(self, number: str, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """As the API does."""
        app = create_app(
            Settings(release=number),
            models=PinnedModels(self.function.describe(number).pins, self.loader),
            logger=open_logger("test", io.BytesIO()),
        )
        handler: Any = behind_gateway(app)
        answer: Mapping[str, Any] = handler(dict(event), LambdaContext())
        return answer

    def changing(self, number: str, path: str, change: Callable[[Any], object]) -> None:
        """Let one version's answers at `path` be changed: `change` gets status, headers, body."""

        def handler(asked: str, event: Mapping[str, Any]) -> Mapping[str, Any]:
            found = dict(self.answer(asked, event))
            if asked == number and event["rawPath"].startswith(path):
                answer = {
                    "status": found["statusCode"],
                    "headers": dict(found["headers"]),
                    "body": json.loads(found["body"]),
                }
                change(answer)
                found |= {
                    "statusCode": answer["status"],
                    "headers": answer["headers"],
                    "body": json.dumps(answer["body"]),
                }
            return found

        self.function.handler = handler

    def silent(self, number: str, path: str) -> None:
        """Let one version not answer at `path`."""

        def handler(asked: str, event: Mapping[str, Any]) -> Mapping[str, Any]:
            if asked == number and event["rawPath"].startswith(path):
                raise InvocationFailed(number, "it timed out")
            return self.answer(asked, event)

        self.function.handler = handler

    def report(
        self,
        *,
        candidate: FunctionVersion | None = None,
        champion: FunctionVersion | None = None,
        policy: GatePolicy | None = None,
    ) -> GateReport:
        gate = Gate(self.function, self.load, self.versions)
        report = gate(
            candidate or self.function.describe(CANDIDATE),
            champion or self.function.describe(CHAMPION),
            policy or GatePolicy(),
        )
        # What is reported is written down: it has to be JSON, without NaN.
        json.dumps(report.details, allow_nan=False)
        return report


def prediction(tenure: float) -> float:
    return predicted(tenure, SLOPE)
