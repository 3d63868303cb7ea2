"""A model's trial: loaded, and its golden rows repeated, in a process of its own within limits.

What ONNX Runtime does with a model's bytes may take for ever, take all memory, or end the process.
So registration and the gate, which meet a model first, let it run here.
"""

import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from mlops.errors import GoldenRowsFailed, ModelUnusable
from mlops.inference.golden import GoldenRow, check_golden
from mlops.inference.manifest import CONTRACT
from mlops.inference.predictor import Predictor
from mlops.models.contract import Contract


@dataclass(frozen=True)
class Budget:
    """What a model may take to be loaded and to repeat its golden rows.

    seconds: of waiting, and of processor time. bytes: of memory, besides that of an interpreter
    with its libraries; only Linux holds a process to it.
    """

    seconds: float = 30
    bytes: int = 512 * 2**20


BUDGET = Budget()


def try_model(
    version: str,
    model: bytes,
    contract: Contract,
    golden: Sequence[GoldenRow],
    budget: Budget = BUDGET,
) -> None:
    """Raise ModelUnusable unless the model works within `budget`."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    with ours:
        process = context.Process(
            target=_run,
            args=(theirs, version, model, contract.to_json(), tuple(golden), budget),
            daemon=True,
        )
        process.start()
        theirs.close()  # so that the end of the process is the end of the connection
        try:
            found = ours.recv() if ours.poll(budget.seconds + _START_SECONDS) else _too_slow(budget)
        except EOFError:
            process.join()
            found = _ended_early(process.exitcode, budget)
        finally:
            process.kill()
            process.join()
    if found is not None:
        kind, reason = found
        raise kind(version, reason)


_START_SECONDS = 30
"""Until the other process has imported what it needs, on a busy machine."""

_Refusal = tuple[type[ModelUnusable], str]


def load_and_repeat(
    version: str, model: bytes, contract: Contract, golden: Sequence[GoldenRow]
) -> None:
    """Load a model and repeat its golden rows in this process, without limits.

    Raises:
        GoldenRowsFailed: It answers a golden row differently.
        ModelUnusable: It cannot be loaded.
    """
    predictor = Predictor(version, model, contract)
    try:
        check_golden(version, predictor, contract, golden)
    except ModelUnusable as error:
        raise GoldenRowsFailed(version, error.reason) from error


def _too_slow(budget: Budget) -> _Refusal:
    return ModelUnusable, (
        f"loading it and repeating its golden rows takes more than {budget.seconds:g} s"
    )


def _ended_early(exit_code: int | None, budget: Budget) -> _Refusal:
    if exit_code == -signal.SIGXCPU:
        return _too_slow(budget)
    return ModelUnusable, (
        "ONNX Runtime crashes when it loads the model or repeats the golden rows, or needs more"
        f" than {budget.bytes // 2**20:,} MB for it (exit code {exit_code})"
    )


def _run(
    connection: Connection,
    version: str,
    model: bytes,
    document: bytes,
    golden: Sequence[GoldenRow],
    budget: Budget,
) -> None:
    """Run in the other process: send None, or why the model is refused."""
    # What a crash writes would stand between the lines of a command.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
    _limit_this_process(budget)
    found: _Refusal | None = None
    try:
        load_and_repeat(version, model, Contract.from_json(document, CONTRACT), golden)
    except ModelUnusable as error:
        found = type(error), error.reason
    except MemoryError:
        found = ModelUnusable, f"it needs more than {budget.bytes // 2**20:,} MB of memory"
    connection.send(found)


def _limit_this_process(budget: Budget) -> None:
    seconds = int(resource.getrusage(resource.RUSAGE_SELF).ru_utime + budget.seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    if sys.platform == "linux":
        limit = _taken() + budget.bytes
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _taken() -> int:
    """Bytes that count for RLIMIT_DATA now."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return 0
