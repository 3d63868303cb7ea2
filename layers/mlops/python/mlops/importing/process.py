"""The process that loads the estimator: of its own, within limits of time and memory.

A joblib file is code. Nothing that it returns is unpickled here: only JSON and the bytes of the
graph come back, and the graph is checked as any other model is.
"""

import json
import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from mlops.errors import (
    ContractInvalid,
    DataInvalid,
    EstimatorUnusable,
    ImportRefused,
    MlopsError,
    ModelUnusable,
)


@dataclass(frozen=True)
class Order:
    """What the user asks for.

    contract: text of an edited contract.toml, which is used instead of inferring one.
    """

    pipeline: str
    sample: str
    model: str
    label: str
    labels: str | None = None
    positive: str | None = None
    subject: str | None = None
    optional: tuple[str, ...] = ()
    contract: str | None = None
    contract_source: str = "contract.toml"


@dataclass(frozen=True)
class Imported:
    """What was proved.

    contract: as JSON. contract_text: as TOML, with comments if it was inferred.
    requests, labels: the sample as clients would send it, and what happened.
    digest: of the sample's bytes.
    parity: the largest difference, and rows: in how many rows it was looked for.
    notes: what the user should know. changes: of the given contract against the inferred one.
    """

    contract: str
    contract_text: str
    requests: list[dict[str, Any]]
    labels: list[Any]
    digest: str
    parity: float
    rows: int
    estimator: str
    notes: list[str] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Limits:
    """seconds: of waiting, and of processor time. bytes: of memory; only Linux holds to it."""

    seconds: float = 300
    bytes: int = 4 * 2**30


LIMITS = Limits()

_ERRORS: Mapping[str, Callable[..., MlopsError]] = {
    "ContractInvalid": ContractInvalid,
    "DataInvalid": DataInvalid,
    "EstimatorUnusable": EstimatorUnusable,
    "ImportRefused": ImportRefused,
    "ModelUnusable": ModelUnusable,
}


def run_import(
    order: Order,
    on_step: Callable[[str], None] = lambda step: None,
    limits: Limits = LIMITS,
) -> tuple[Imported, bytes]:
    """Import an estimator in another process; return what was proved, and the graph.

    Raises:
        EstimatorUnusable: The file cannot be loaded within the limits, or does not predict.
        DataInvalid: The sample does not fit the estimator.
        ContractInvalid: The given contract does not fit the estimator.
        ImportRefused: The graph would not predict what the estimator does.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with ours:
        process = context.Process(
            target=_run, args=(theirs, json.dumps(asdict(order)), limits), daemon=True
        )
        process.start()
        theirs.close()  # so that the end of the process is the end of the connection
        try:
            return _listen(ours, order, on_step, limits)
        except EOFError as error:
            process.join()
            raise _ended_early(process.exitcode, order, limits) from error
        finally:
            process.kill()
            process.join()


def _listen(
    connection: Connection, order: Order, on_step: Callable[[str], None], limits: Limits
) -> tuple[Imported, bytes]:
    while connection.poll(limits.seconds):
        message = json.loads(connection.recv_bytes())
        match message:
            case {"step": str(step)}:
                on_step(step)
            case {"error": str(name), "arguments": [*arguments]} if name in _ERRORS:
                raise _ERRORS[name](*arguments)
            case {"imported": dict(found)}:
                return Imported(**found), connection.recv_bytes()
    raise _too_slow(order, limits)


def _too_slow(order: Order, limits: Limits) -> EstimatorUnusable:
    return EstimatorUnusable(
        order.pipeline,
        f"loading and comparing it takes more than {limits.seconds:g} s; give it more with"
        " --time-limit",
    )


def _ended_early(exit_code: int | None, order: Order, limits: Limits) -> EstimatorUnusable:
    if exit_code == -signal.SIGXCPU:
        return _too_slow(order, limits)
    return EstimatorUnusable(
        order.pipeline,
        f"the process that loaded it ended (exit code {exit_code}): it crashed, or needs more than"
        f" {limits.bytes // 2**20:,} MB; --memory-limit gives it more",
    )


def _run(connection: Connection, document: str, limits: Limits) -> None:
    """Run in the other process: send steps, then what was proved or an error."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):  # what an estimator prints is none of the answer
        os.dup2(nothing, stream.fileno())
    _limit_this_process(limits)

    def send(message: Mapping[str, Any]) -> None:
        connection.send_bytes(json.dumps(message).encode())

    found = json.loads(document)
    order = Order(**found | {"optional": tuple(found["optional"])})
    try:
        send({"step": "Importing scikit-learn"})
        from threadpoolctl import threadpool_limits

        from mlops.importing.importer import import_estimator

        with threadpool_limits(limits=1):
            imported, graph = import_estimator(order, lambda step: send({"step": step}))
        content = json.dumps({"imported": asdict(imported)}, allow_nan=False).encode()
    except _RAISED as error:
        send({"error": type(error).__name__, "arguments": _arguments(error)})
    except MemoryError:
        send(_refusal(order, f"it needs more than {limits.bytes // 2**20:,} MB of memory"))
    except Exception as error:  # noqa: BLE001 -- code of an estimator may raise anything
        send(_refusal(order, f"{type(error).__name__}: {error}"))
    else:
        connection.send_bytes(content)
        connection.send_bytes(graph)


_RAISED = (ContractInvalid, DataInvalid, EstimatorUnusable, ImportRefused, ModelUnusable)


def _refusal(order: Order, reason: str) -> dict[str, Any]:
    return {"error": "EstimatorUnusable", "arguments": [order.pipeline, reason]}


def _arguments(error: MlopsError) -> list[Any]:
    """Return what makes the same error again."""
    match error:
        case DataInvalid():
            return [error.source, error.line, error.field, error.reason]
        case ContractInvalid():
            return [error.source, list(error.reasons)]
        case EstimatorUnusable():
            return [error.path, error.reason]
        case ImportRefused():
            return [error.model, error.reason]
        case ModelUnusable():
            return [error.version, error.reason]
    return []


def _limit_this_process(limits: Limits) -> None:
    seconds = int(limits.seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    if sys.platform == "linux":
        limit = _taken() + limits.bytes
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _taken() -> int:
    """Return the bytes that count for RLIMIT_DATA now."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return 0
