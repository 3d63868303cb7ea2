"""The servers, each started as its documentation says."""

import json
import socket
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from bench.errors import NotMeasured
from bench.ground import Customer, Ground

PATIENCE_SECONDS = 120
UVICORN = ("--host", "127.0.0.1", "--log-level", "warning", "--port")


@dataclass(frozen=True)
class Server:
    """command: without the port that follows. body, probability: of a request and its answer."""

    peer: str | None
    command: tuple[str, ...]
    path: str
    body: Callable[[Customer], Any]
    probability: Callable[[Any], float] | None
    note: str = ""
    prepare: Callable[[Ground, Path, int], None] | None = None
    package: str = ""
    environment: dict[str, str] = field(default_factory=dict)


def _plain(customer: Customer) -> Any:
    return customer.request


def _features(customer: Customer) -> dict[str, Any]:
    return {name: value for name, value in customer.request.items() if name != "customer_id"}


def _as_pandas(customer: Customer) -> Any:
    inputs = [
        {"name": name, "shape": [1, 1], "data": [value]}
        | (
            {"datatype": "BYTES", "parameters": {"content_type": "str"}}
            if isinstance(value, str)
            else {"datatype": "FP32"}
        )
        for name, value in _features(customer).items()
    ]
    asked = [{"name": "predict_proba"}]
    return {"parameters": {"content_type": "pd"}, "inputs": inputs, "outputs": asked}


def _as_numpy(customer: Customer) -> Any:
    row: dict[str, Any] = {"name": "row", "datatype": "FP32"}
    row |= {"shape": [1, len(customer.columns)], "data": customer.columns}
    row["parameters"] = {"content_type": "np"}
    return {"inputs": [row], "outputs": [{"name": "predict_proba"}]}


def _ours(answer: Any) -> float:
    return float(answer["churn_probability"])


def _mlservers(answer: Any) -> float:
    return float(answer["outputs"][0]["data"][1])


def _mlserver_settings(
    ground: Ground, python: Path, port: int, more: Mapping[str, Any] | None = None
) -> None:
    del python
    folder = ground.folder / "mlserver"
    ports = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
    settings = {"host": "127.0.0.1", "debug": False, **ports, **(more or {})}
    _write(folder / "settings.json", settings)
    for name, model in (("churn", ground.pipeline), ("trees", ground.trees)):
        runtime = {"implementation": "mlserver_sklearn.SKLearnModel", "name": name}
        _write(
            folder / name / "model-settings.json", {**runtime, "parameters": {"uri": str(model)}}
        )


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def _mlflow_model(ground: Ground, python: Path, port: int) -> None:
    del port
    made = subprocess.run(
        [python, "-m", "bench.peers.mlflow_model", ground.folder / "mlflow"],
        cwd=ground.code,
        env=ground.environment(python),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    if made.returncode != 0:
        raise NotMeasured(f"its model cannot be made: {made.stderr[-500:]}")


SERVERS: dict[str, Server] = {
    "ours": Server(
        None,
        ("uvicorn", "functions.api.asgi:create", "--factory", *UVICORN),
        "/v1/predict/churn",
        _plain,
        _ours,
    ),
    "echo": Server(
        None, ("uvicorn", "bench.peers.echo:app", *UVICORN), "/v1/predict/churn", _plain, None
    ),
    "classic": Server(
        "classic",
        ("uvicorn", "bench.peers.classic:app", *UVICORN),
        "/v1/predict/churn",
        _plain,
        _ours,
        package="fastapi",
    ),
    "mlserver pandas": Server(
        "mlserver",
        ("mlserver", "start", "{folder}/mlserver"),
        "/v2/models/churn/infer",
        _as_pandas,
        _mlservers,
        "a process for HTTP and one for the model",
        _mlserver_settings,
        package="mlserver",
    ),
    "mlserver numpy": Server(
        "mlserver",
        ("mlserver", "start", "{folder}/mlserver"),
        "/v2/models/trees/infer",
        _as_numpy,
        _mlservers,
        "as above; the client encodes the categories itself",
        _mlserver_settings,
        package="mlserver",
    ),
    "mlserver numpy, in one process": Server(
        "mlserver",
        ("mlserver", "start", "{folder}/mlserver"),
        "/v2/models/trees/infer",
        _as_numpy,
        _mlservers,
        "likewise, with no workers",
        partial(_mlserver_settings, more={"parallel_workers": 0}),
        package="mlserver",
    ),
    "bentoml": Server(
        "bentoml",
        ("bentoml", "serve", "bench.peers.bento:Churn", "--host", "127.0.0.1", "--port"),
        "/predict",
        lambda customer: {"customer": customer.request},
        _ours,
        package="bentoml",
        environment={"BENTOML_DO_NOT_TRACK": "True"},
    ),
    "mlflow": Server(
        "mlflow",
        ("mlflow", "models", "serve", "--model-uri", "{folder}/mlflow", "--host", "127.0.0.1")
        + ("--env-manager", "local", "--workers", "1", "--port"),
        "/invocations",
        lambda customer: {"dataframe_records": [_features(customer)]},
        lambda answer: float(answer["predictions"][0][1]),
        prepare=_mlflow_model,
        package="mlflow",
        environment={"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"},
    ),
    "litserve": Server(
        "litserve",
        ("python", "-m", "bench.peers.lit"),
        "/predict",
        _plain,
        _ours,
        "a process for HTTP and one for the model",
        package="litserve",
    ),
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
