"""Over HTTP: one process each, 16 connections, each server started as its documentation says."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.ground import Customer, Ground, NotMeasured, Report, Unequal, python_of, version_of
from bench.rounds import summary, turns

CONNECTIONS = 16
SECONDS = 3.0
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


def _mlserver_settings(ground: Ground, python: Path, port: int) -> None:
    del python
    folder = ground.folder / "mlserver"
    ports = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
    _write(folder / "settings.json", {"host": "127.0.0.1", "debug": False, **ports})
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


class Running:
    """A server that answers, and answers what the model does."""

    def __init__(self, ground: Ground, name: str) -> None:
        """Raises NotMeasured, Unequal."""
        self._server = SERVERS[name]
        self._port = free_port()
        self._body = json.dumps(self._server.body(ground.customers[0])).encode()
        python = python_of(self._server.peer)
        if self._server.prepare:
            self._server.prepare(ground, python, self._port)
        tool, *arguments = (part.format(folder=ground.folder) for part in self._server.command)
        takes_port = arguments[0] != "start"  # MLServer reads it from its settings
        self._log = ground.folder / f"{name}.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [python.with_name(tool), *arguments, *([str(self._port)] if takes_port else [])],
                cwd=ground.code,
                env=ground.environment(python) | self._server.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # to end it with the processes it starts
            )
        try:
            self._wait(ground.customers[0])
            if read := self._server.probability:
                ground.require_equal(name, [read(self._ask(row)) for row in ground.customers])
        except BaseException:
            self.close()
            raise

    def load(self, seconds: float) -> dict[str, Any]:
        command = [sys.executable, "-m", "bench.load", str(self._port), self._server.path]
        ran = subprocess.run(
            [*command, str(CONNECTIONS), str(seconds)],
            input=self._body,
            capture_output=True,
            timeout=PATIENCE_SECONDS,
            check=True,
        )
        found: dict[str, Any] = json.loads(ran.stdout)
        return found

    def close(self) -> None:
        for how, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, how)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(patience)

    def _wait(self, customer: Customer) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        problem: Exception | str = "it does not answer"
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                self._ask(customer)
                return
            except OSError as error:
                problem = error
                time.sleep(0.2)
        said = self._log.read_text(errors="replace").strip()[-600:]
        raise NotMeasured(f"it does not start ({problem}): {said}")

    def _ask(self, customer: Customer) -> Any:
        asked = urllib.request.Request(  # noqa: S310 -- always http, to this machine
            f"http://127.0.0.1:{self._port}{self._server.path}",
            json.dumps(self._server.body(customer)).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(asked, timeout=30) as answer:  # noqa: S310 -- as above
            return json.load(answer)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def http(ground: Ground, rounds: int, report: Report) -> dict[str, Any]:
    """Requests a second, the median over the rounds; each round asks them one after the other."""
    running: dict[str, Running] = {}
    found: dict[str, Any] = {}
    try:
        for name in SERVERS:
            report(f"http: starting {name}")
            try:
                running[name] = Running(ground, name)
                running[name].load(1.0)  # warm
            except (NotMeasured, Unequal, subprocess.SubprocessError, OSError) as error:
                found[name] = {"not_measured": str(error)}
        taken: dict[str, list[dict[str, Any]]] = {name: [] for name in running}
        for number in range(rounds):
            report(f"http: round {number + 1} of {rounds}")
            for name in turns(running, number):
                taken[name].append(running[name].load(SECONDS))
    finally:
        for server in running.values():
            server.close()
    return found | {name: _described(name, loads) for name, loads in taken.items()}


def _described(name: str, loads: list[dict[str, Any]]) -> dict[str, Any]:
    server = SERVERS[name]
    figures = ("per_second", "p50_ms", "p95_ms")
    described = summary({figure: [load[figure] for load in loads] for figure in figures}, digits=2)
    described["refused"] = sum(load["refused"] for load in loads)
    if server.peer:
        described["version"] = f"{server.package} {version_of(server.peer, server.package)}"
    return described | ({"note": server.note} if server.note else {})
