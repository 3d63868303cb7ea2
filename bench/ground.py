"""What all parts stand on: one model, the same customers, the code compiled as in the image."""

import json
import math
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import joblib

from bench.batch import TELCO, opened
from bench.errors import NotMeasured, Unequal, require_close
from bench.interpreter import settings
from mlops.inference.loading import SERVED_FILES
from mlops.inference.manifest import MANIFEST, MODEL
from mlops.inference.version import Pin
from mlops.models.churn.contract import CHURN
from mlops.models.tabular import INPUT
from mlops.training.csv_data import load

ROOT = Path(__file__).resolve().parent.parent
CUSTOMERS = 20

Report = Callable[[str], None]


@dataclass(frozen=True)
class Customer:
    request: Mapping[str, Any]
    columns: Sequence[float]
    probability: float


@dataclass(frozen=True)
class Ground:
    """folder: of this run alone. code: what is on the path of every process that is measured."""

    folder: Path
    code: Path
    store: str
    pins: tuple[Pin, ...]
    customers: tuple[Customer, ...]

    @property
    def models(self) -> Path:
        return self.folder / "models"

    @property
    def pipeline(self) -> Path:
        return self.folder / "pipeline.joblib"

    @property
    def trees(self) -> Path:
        return self.folder / "trees.joblib"

    def environment(self, python: Path, *, compiled: bool = False) -> dict[str, str]:
        """compiled: whether bytecode is as in the image; ours and the floors always have it so."""
        ours = {
            "MLOPS_PINS": ",".join(map(str, self.pins)),
            "MLOPS_MODELS_DIR": str(self.models),
            "MLOPS_STORE": "s3://never-asked",
            "MLOPS_METRICS_NAMESPACE": "bench",
            "MLOPS_LOG_KEY": "bench" * 10,
            "AWS_LAMBDA_FUNCTION_VERSION": "1",
        }
        compiled = compiled or python == _python(None)
        bytecode = self.folder / "bytecode" if compiled else None
        return {
            **settings(os.environ, bytecode=bytecode),
            **ours,
            "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.code),
            "BENCH_PIPELINE": str(self.pipeline),
            "BENCH_MODEL": str(self.models / str(self.pins[0].version) / MODEL),
        }


def python_of(peer: str | None) -> Path:
    """peer: None for ours, and for the floors. Raises NotMeasured where it is not installed."""
    python = _python(peer)
    done = python.parents[1] / ".done"  # where pip failed, there is a Python all the same
    if not done.exists():
        raise NotMeasured(f"not installed: make {done.relative_to(ROOT)}")
    return python


def _python(peer: str | None) -> Path:
    return ROOT / ".tools" / ("api" if peer is None else f"peer-{peer}") / "bin/python"


def version_of(peer: str, package: str) -> str:
    lock = (ROOT / f"tests/tools/peer-{peer}.txt").read_text()
    found = re.search(rf"^{re.escape(package)}==(\S+)", lock, re.MULTILINE)
    assert found, f"{package} is not locked"
    return found[1]


@contextmanager
def ground(store: str) -> Iterator[Ground]:
    served, pipeline = opened(store)
    with TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        made = Ground(
            folder, folder / "code", store, (served.pin,), tuple(_customers(served.predictor))
        )
        joblib.dump(pipeline, made.pipeline)
        joblib.dump(pipeline.named_steps["trees"], made.trees)
        baked = made.models / served.version
        baked.mkdir(parents=True)
        for file in (MANIFEST, *SERVED_FILES):
            shutil.copyfile(Path(store) / "models" / served.version / file, baked / file)
        _copy_code(made)
        yield made


def _copy_code(ground: Ground) -> None:
    leave = shutil.ignore_patterns("__pycache__")
    for source in ("functions", "bench", "layers/mlops/python/mlops"):
        shutil.copytree(ROOT / source, ground.code / Path(source).name, ignore=leave)
    for python in filter(Path.exists, {_python(peer) for peer, _ in HANDLERS.values()}):
        subprocess.run(
            [python, "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "."],
            cwd=ground.code,
            env=ground.environment(python),
            check=True,
        )


def _customers(predictor: Any) -> Iterator[Customer]:
    whole = (row for row in load(TELCO, CHURN).requests if len(row) == len(CHURN.fields))
    for row, _ in zip(whole, range(CUSTOMERS), strict=False):
        tensors = CHURN.encoder.tensors([CHURN.request.model_validate(row)])
        ((probability,),) = predictor.predict(tensors).tolist()
        yield Customer(dict(row), tensors[INPUT][0].tolist(), probability)


class Inside:
    """A handler in a process of its own: bench/inside.py."""

    def __init__(self, ground: Ground, name: str) -> None:
        """Raises NotMeasured."""
        python, module, environment = way(ground, name)
        self._process = subprocess.Popen(
            [python, "-m", "bench.inside", module],
            cwd=ground.code,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **task: Any) -> Any:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(task) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise NotMeasured(f"its process ended with {self._process.wait()}")
        return json.loads(line)

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


HANDLERS: Mapping[str, tuple[str | None, str]] = {
    "ours": (None, "functions.api.handler"),
    "echo": (None, "bench.peers.echo"),
    "classic": ("classic", "bench.peers.classic"),
}
LOADED = "echo, with the model loaded"
"""What is held by who has the same libraries, and does nothing with them."""
ALIKE = "classic, compiled as ours"
"""Nobody runs it so; it says how much of a difference is how Python compiles."""
FLOORS = ("echo", "noop", LOADED)
"""They predict nothing."""
COMPARED = {**HANDLERS, ALIKE: HANDLERS["classic"]}
MODULES = {**COMPARED, LOADED: (None, "bench.peers.loaded")}


def way(ground: Ground, name: str) -> tuple[Path, str, dict[str, str]]:
    """Python, module and environment of a handler. Raises NotMeasured."""
    peer, module = MODULES[name]
    python = python_of(peer)
    return python, module, ground.environment(python, compiled=name == ALIKE)


def event(customer: Customer) -> dict[str, Any]:
    """The request as API Gateway hands it over."""
    sent: dict[str, Any] = json.loads((ROOT / "events/predict.json").read_text())
    sent["body"] = json.dumps(customer.request)
    sent["headers"]["content-length"] = str(len(sent["body"]))
    return sent


def check_handler(ground: Ground, name: str, process: Inside) -> None:
    """Raises Unequal where it answers something else than the model."""
    for customer in ground.customers:
        check_answer(name, customer, process.ask(do="answer", event=event(customer)))


def check_answer(name: str, customer: Customer, answer: Mapping[str, Any]) -> None:
    """Of a handler. Raises Unequal."""
    if answer.get("statusCode") != 200:
        raise Unequal(f"{name} answers {answer}")
    if name not in FLOORS:
        probability = json.loads(answer["body"]).get("churn_probability", math.nan)
        require_close(name, probability, customer.probability)
