"""The image: its size, and its function under the runtime emulator beside two floors."""

import json
import os
import shutil
import statistics
import subprocess
import time
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from bench.engine import CALL_SECONDS, confined, docker, with_emulator
from bench.errors import NotMeasured
from bench.ground import ROOT, Ground, Report, check_answer, event
from bench.rounds import MORE, summary, turns

REQUESTS = 300
BUILD_SECONDS = 900
TAG = "mlops-bench"

# Runs inside the container: what is between it and this process would be measured too.
_ASK = """
import http.client, json, sys, time
task = json.load(sys.stdin)
connection = http.client.HTTPConnection("127.0.0.1", 8080, timeout=30)
seconds = []
for event in task["events"]:
    started = time.perf_counter()
    connection.request("POST", "/2015-03-31/functions/function/invocations", event)
    answer = connection.getresponse().read()
    seconds.append(time.perf_counter() - started)
print(json.dumps({"seconds": seconds, "last": json.loads(answer)}))
"""


def _built(ground: Ground) -> str:
    """The API's image with the model in it, as `make build` makes it, of a copy of the project."""
    docker("info")
    project = ground.folder / "project"
    if not project.exists():
        leave = shutil.ignore_patterns("__pycache__")
        for name in ("functions", "layers"):
            shutil.copytree(ROOT / name, project / name, ignore=leave)
        shutil.copy2(ROOT / ".dockerignore", project)
        shutil.copytree(ground.models, project / ".mlops/image/models")
        if certificates := os.environ.get("MLOPS_CA_BUNDLE"):
            shutil.copyfile(certificates, project / ".mlops/image/ca.crt")
        file = str(project / "functions/Dockerfile")
        build = ("build", "--file", file, "--target", "serve", "--tag", TAG, str(project))
        docker(*build, seconds=BUILD_SECONDS)
    return TAG


def image(ground: Ground, rounds: int, report: Report) -> dict[str, Any]:
    """Megabytes as Docker counts them, and what a registry would keep."""
    del rounds  # it is a count
    report("image: building")
    name = _built(ground)
    sizes = docker("history", "--human=false", "--format", "{{.Size}}", name)
    report("image: compressing")
    return {
        # Not what `inspect` calls its size: where the engine keeps images as they were pulled, that
        # is of compressed layers.
        "size_mb": round(sum(map(int, sizes.split())) / 1e6, 1),
        "compressed_mb": round(_compressed(name) / 1e6, 1),
        "architecture": docker("image", "inspect", "--format", "{{.Architecture}}", name),
    }


def _compressed(name: str) -> int:
    packer, size = zlib.compressobj(6, zlib.DEFLATED, 31), 0  # 31: gzip, as registries do
    with subprocess.Popen(["docker", "save", name], stdout=subprocess.PIPE) as saving:
        assert saving.stdout
        while block := saving.stdout.read(1 << 20):
            size += len(packer.compress(block))
    if saving.returncode:
        raise NotMeasured(f"docker save ended with {saving.returncode}")
    return size + len(packer.flush())


def container(ground: Ground, rounds: int, report: Report) -> dict[str, Any]:
    """Milliseconds from the emulator's door and back: the median of each round's p50 and p95.

    Beside what does nothing an echo tells how much of the rest is FastAPI's and Mangum's.
    """
    report("container: building")
    name = _built(ground)
    (architecture,) = json.loads(docker("image", "inspect", name))
    emulator = with_emulator(ROOT, architecture["Architecture"])
    floors = (*emulator, "--volume", f"{ROOT / 'bench'}:/var/task/bench:ro")
    ours = (f"MLOPS_PINS={ground.pins[0]}", "--env", "MLOPS_METRICS_NAMESPACE=bench")
    key = ("--env", f"MLOPS_LOG_KEY={'bench' * 10}")
    events = [event(ground.customers[0])] * REQUESTS
    with ExitStack() as ending:
        running = {"ours": ending.enter_context(_running(name, *emulator, "--env", *ours, *key))}
        for floor in ("echo", "noop"):
            handler = f"bench.peers.{floor}.lambda_handler"
            running[floor] = ending.enter_context(_running(name, *floors, command=(handler,)))
        found: dict[str, dict[str, list[float]]] = {
            which: {"p50_ms": [], "p95_ms": []} for which in running
        }
        for customer in ground.customers:
            for which, one in running.items():
                check_answer(which, customer, _asked(one, [event(customer)])["last"])
        for one in running.values():
            _asked(one, events)
        rounds *= MORE
        for number in range(rounds):
            report(f"container: round {number + 1} of {rounds}")
            for which in turns(running, number):
                seconds = sorted(_asked(running[which], events)["seconds"])
                found[which]["p50_ms"].append(statistics.median(seconds) * 1000)
                found[which]["p95_ms"].append(seconds[int(len(seconds) * 0.95)] * 1000)
    return {which: summary(figures) for which, figures in found.items()}


def _asked(running: str, events: list[dict[str, Any]]) -> dict[str, Any]:
    task = json.dumps({"events": [json.dumps(one) for one in events]})
    command = ("exec", "--interactive", running, "python3.13", "-c", _ASK)
    found: dict[str, Any] = json.loads(docker(*command, stdin=task))
    return found


@contextmanager
def _running(image: str, *options: str, command: tuple[str, ...] = ()) -> Iterator[str]:
    """Confined as on Lambda, and without a network."""
    # An engine passes lines of the log on, whoever takes them. Nobody keeps them.
    alone = ("--network", "none", "--log-driver", "none")
    with confined(*alone, *options, image, *command) as running:
        _wait(running)
        yield running


def _wait(running: str) -> None:
    deadline = time.monotonic() + CALL_SECONDS
    while True:
        try:
            _asked(running, [{}])
            return
        except NotMeasured:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
