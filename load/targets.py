"""What load is put on: `make run`'s server, and the API's container under the runtime emulator."""

import json
import math
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from bench.engine import confined, docker, with_emulator
from bench.errors import NotMeasured
from load.answers import Said, of_function, plain

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60
CALL_SECONDS = 60
SETTLE_SECONDS = 5
"""The process beside the server's, which works on batches, starts meanwhile."""
IMAGE = "apifunction:latest"
PATH = "/v1/predict/churn"
_EVENT = json.loads((ROOT / "events/predict.json").read_text())


CUSTOMER = {"customer_id": "C0", "tenure": 24, "monthly_charges": 79.50}


@dataclass(frozen=True)
class Target:
    """ask: the body of a request. expected: the probability of CUSTOMER, as it answered alone."""

    url: str
    path: str
    ask: Callable[[dict[str, Any]], bytes]
    said: Said
    resident: Callable[[], int]
    expected: float = math.nan


class CannotStart(Exception):
    pass


@contextmanager
def server() -> Iterator[Target]:
    """One process that serves, as `make run` starts it, on a port that is free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [ROOT / ".venv/bin/python", "-m", "functions.api", f"--port={port}"],
            cwd=ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
        )

        def said() -> str:
            log.seek(0)
            return log.read()[-2000:]

        target = Target(
            f"http://127.0.0.1:{port}",
            PATH,
            lambda customer: json.dumps(customer).encode(),
            plain,
            lambda: _resident_below(process.pid),
        )
        try:
            yield _answering(target, lambda: process.poll() is None, said)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(CALL_SECONDS)


def _resident_below(reloader: int) -> int:
    """Of the process that answers: the reloader's child, which works on batches in another."""
    import psutil  # here, as only Locust's environment has it

    with suppress(psutil.Error):
        for child in psutil.Process(reloader).children():
            if "spawn_main" in " ".join(child.cmdline()):
                return int(child.memory_info().rss)
    raise CannotStart("the server has no process that answers")


@contextmanager
def container() -> Iterator[Target]:
    """The image that `make build` built, confined as on Lambda."""
    image, architecture = _image()
    with _startable():
        emulator = with_emulator(ROOT, architecture)
    arguments = (
        *("--memory", "512m", *emulator),
        *("--publish", "127.0.0.1::8080", "--log-opt", "max-size=10m"),
        *("--env", f"MLOPS_PINS={_pin()}", "--env", "MLOPS_METRICS_NAMESPACE=load"),
        *("--env", f"MLOPS_LOG_KEY={'load' * 10}"),
    )
    with _startable(), confined(*arguments, image) as started:
        address = _docker("port", started, "8080/tcp").splitlines()[0]
        target = Target(
            f"http://{address}",
            "/2015-03-31/functions/function/invocations",
            lambda customer: json.dumps(_EVENT | {"body": json.dumps(customer)}).encode(),
            of_function,
            lambda: _resident_in(started),
        )
        yield _answering(target, lambda: True, lambda: _docker("logs", started)[-2000:])


@cache
def _image() -> tuple[str, str]:
    """Its id, which still names it when its tag has moved on, and what it is for."""
    found = _docker("image", "inspect", "--format", "{{.Id}} {{.Architecture}}", IMAGE)
    image, architecture = found.split()
    return image, architecture


@cache
def _pin() -> str:
    told = tomllib.loads((ROOT / "samconfig.toml").read_text())
    for override in told["default"]["global"]["parameters"]["parameter_overrides"]:
        if found := re.search(r"Pins=(?:.*[\s,])?(churn-model-[^\s,]+)", override):
            return found[1]
    raise CannotStart("samconfig.toml does not pin the churn model: make build")


def _resident_in(started: str) -> int:
    """Of the function's own process, without the emulator's: that is not on Lambda."""
    for line in _docker("top", started, "-eo", "pid,rss,args").splitlines():
        _, kilobytes, command = line.split(None, 2)
        if "-m awslambdaric" in command and "aws-lambda-rie" not in command:
            return int(kilobytes) * 1024
    raise CannotStart("the container runs no function")


def _docker(*arguments: str) -> str:
    with _startable():
        return docker(*arguments)


@contextmanager
def _startable() -> Iterator[None]:
    try:
        yield
    except NotMeasured as problem:
        raise CannotStart(str(problem)) from None


def _answering(target: Target, is_up: Callable[[], bool], log: Callable[[], str]) -> Target:
    """When it answers. Raises CannotStart."""
    request = Request(  # noqa: S310 -- http, on this machine
        target.url + target.path,
        data=target.ask(CUSTOMER),
        headers={"Content-Type": "application/json"},
    )
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and is_up():
        try:
            with urlopen(request, timeout=5) as response:  # noqa: S310 -- as above
                expected = target.said(response.read())["churn_probability"]
        except (OSError, LookupError, ValueError):
            time.sleep(0.2)
        else:
            time.sleep(SETTLE_SECONDS)
            return replace(target, expected=expected)
    raise CannotStart(f"it does not answer:\n{log()}")


def machine() -> str:
    return f"{os.cpu_count()} virtual cores, {os.uname().machine}"


TARGETS = {"server": server, "container": container}
