"""The API with a tiny model, reached as uvicorn and as Lambda reach it."""

import base64
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from fastapi import FastAPI
from starlette.testclient import TestClient

from functions.api.app import create_app
from functions.api.gateway import behind_gateway
from functions.api.settings import Settings
from mlops.bootstrap.logs import open_logger
from mlops.errors import ArtifactMissing, StoreUnavailable
from mlops.inference.loading import ModelLoader, ServedModel
from mlops.inference.manifest import MANIFEST, digest_of
from mlops.inference.pinned import PinnedModels
from mlops.inference.predictor import Predictor
from mlops.inference.version import ModelVersion, Pin
from tests.unit.inference.building import V1, manifest_of, version_files

PREDICT = "/v1/predict/churn"
CUSTOMER: dict[str, Any] = {"customer_id": "C12345", "tenure": 24, "monthly_charges": 79.50}
AWS_REQUEST_ID = "8f5ad0c1-7b3e-4a55-9d1f-2c6a3f1b0e77"


class FakeSource:
    """Implements `ArtifactSource` for one version; `down` is an outage of the store."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        manifest = manifest_of(files).to_bytes()
        self._files = {**files, MANIFEST: manifest}
        self.pin = Pin(V1, digest_of(manifest))
        self.down = False

    def read(self, version: ModelVersion, file: str, digest: str) -> bytes:
        if self.down:
            raise StoreUnavailable(file, "refused")
        if file not in self._files:
            raise ArtifactMissing(str(version), file)
        return self._files[file]


class FailingLoader(ModelLoader):
    """Loads models that predict nothing but this error."""

    def __init__(self, source: FakeSource, error: Exception) -> None:
        super().__init__([source])
        self._error = error

    def load(self, pin: Pin) -> ServedModel:
        return replace(super().load(pin), predictor=_FailingPredictor(self._error))


class _FailingPredictor(Predictor):
    def __init__(self, error: Exception) -> None:
        self._error = error

    def predict_one(self, tensors: object) -> Any:
        raise self._error


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class LambdaContext:
    aws_request_id: str = AWS_REQUEST_ID


@dataclass(frozen=True)
class Service:
    app: FastAPI
    pin: Pin
    log: io.BytesIO = field(repr=False)

    def asgi(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        media_type: str = "application/json",
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> Answer:
        typed = {"Content-Type": media_type} if body or method == "POST" else {}
        response = TestClient(self.app).request(
            method, path, content=body, headers={**typed, **headers}
        )
        return Answer(response.status_code, response.headers, response.content)

    def through_lambda(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        media_type: str = "application/json",
        as_base64: bool = False,
        headers: Mapping[str, str] = MappingProxyType({}),
        authorizer: object = None,
    ) -> Answer:
        """By an event of API Gateway's HTTP API, payload format 2.0.

        authorizer: who calls, as the gateway tells it.
        """
        event = {
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": "",
            "headers": {"content-type": media_type, "host": "api.example.com", **headers},
            "requestContext": {
                "http": {"method": method, "path": path, "sourceIp": "192.0.2.1"},
                "stage": "$default",
                **({} if authorizer is None else {"authorizer": authorizer}),
            },
            "body": base64.b64encode(body).decode() if as_base64 else body.decode(),
            "isBase64Encoded": as_base64,
        }
        handler: Any = behind_gateway(self.app)
        answer = handler(event, LambdaContext())
        content = answer["body"].encode()
        return Answer(
            answer["statusCode"],
            answer["headers"],
            base64.b64decode(content) if answer["isBase64Encoded"] else content,
        )

    def predict(self, **changed: Any) -> Answer:
        return self.asgi("POST", PREDICT, json.dumps(CUSTOMER | changed).encode())

    def log_lines(self, message: str | None = None) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.log.getvalue().decode().splitlines()]
        return [line for line in lines if message in (None, line["message"])]


def service(
    source: FakeSource | None = None,
    *,
    settings: Settings | None = None,
    loader: ModelLoader | None = None,
    pinned: bool = True,
    **ports: Any,
) -> Service:
    """Build the API. ports: what `create_app` takes besides."""
    source = source or FakeSource(version_files())
    log = io.BytesIO()
    app = create_app(
        settings or Settings(),
        models=PinnedModels([source.pin] if pinned else [], loader or ModelLoader([source])),
        logger=open_logger("test", log),
        **ports,
    )
    return Service(app, source.pin, log)
