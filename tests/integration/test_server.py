"""`python -m functions.api`, which `make run` calls: a server that reloads."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest

from functions.api.supervisor import bind
from functions.api.telemetry import IdHash
from mlops.bootstrap.registry import open_registry
from mlops.inference.version import ModelVersion, Pin
from tests.conftest import ROOT

CUSTOMER = {"customer_id": "C12345", "tenure": 24, "monthly_charges": 79.50}
SECONDS = 60
"""How long to wait for anything at most; a busy machine needs a multiple of the usual time."""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the code that a test may change."""
    for folder in ("functions", "layers"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path


@pytest.fixture
def store(trained_store: Path, churn_pin: Pin, tmp_path: Path) -> Path:
    """The trained model as three versions, registered in no order."""
    copy = tmp_path / "store"
    shutil.copytree(trained_store, copy)
    registry = open_registry(str(copy))
    _, manifest = registry.versions.manifest(churn_pin.version)
    files = {name: registry.versions.read(churn_pin.version, name) for name in manifest.files}
    for minor in (10, 9):
        registry.register(ModelVersion("churn", 1, minor, 0), files, manifest.provenance)
    return copy


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


def command(port: int | str) -> list[str]:
    return [sys.executable, "-m", "functions.api", f"--port={port}"]


def environment(tree: Path, **changed: str) -> dict[str, str]:
    paths = os.pathsep.join(map(str, (tree, tree / "layers/mlops/python")))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MLOPS_")}
    return kept | {"PYTHONPATH": paths} | changed


@contextmanager
def serving(tree: Path, port: int, **changed: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        command(port),
        cwd=tree,
        env=environment(tree, **changed),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def answer(port: int, path: str, body: object = None) -> Any:
    request = Request(  # noqa: S310 # http, on this machine
        f"http://127.0.0.1:{port}{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urlopen(request, timeout=SECONDS) as response:  # noqa: S310 # as above
        return json.load(response)


def wait_until(condition: Callable[[], bool], seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if condition():
                return
        except (URLError, ConnectionError, TimeoutError):
            pass  # not up yet, or between two processes
        time.sleep(0.1)
    pytest.fail(f"nothing after {seconds} seconds")


def refusal(tree: Path, port: int | str, **changed: str) -> tuple[int, list[str]]:
    """Exit code and lines of a server that does not start."""
    ended = subprocess.run(
        command(port),
        cwd=tree,
        env=environment(tree, **changed),
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    return ended.returncode, (ended.stdout + ended.stderr).splitlines()


def test_the_newest_registered_version_is_served(tree: Path, store: Path, port: int) -> None:
    with serving(tree, port, MLOPS_STORE=str(store)) as server:
        wait_until(lambda: bool(answer(port, "/healthz")))
        prediction = answer(port, "/v1/predict/churn", CUSTOMER)
        assert prediction["model_version"] == "churn-model-v1.10.0"
        server.terminate()
        printed = server.communicate(timeout=SECONDS)[0]
    assert printed.startswith("Serving churn-model-v1.10.0@sha256:")
    assert f"http://127.0.0.1:{port}/docs" in printed
    assert "C12345" not in printed.partition("Try it:")[2].partition("79.50}'")[2]


def test_ids_are_hashed_with_a_key_that_the_store_keeps(tree: Path, store: Path, port: int) -> None:
    with serving(tree, port, MLOPS_STORE=str(store)) as server:
        wait_until(lambda: bool(answer(port, "/healthz")))
        answer(port, "/v1/predict/churn", CUSTOMER)
        server.terminate()
        printed = server.communicate(timeout=SECONDS)[0]
    hashed = IdHash((store / "log-key").read_text(), time.time)(str(CUSTOMER["customer_id"]))
    assert f'"subject_hash":"{hashed}"' in printed


def test_a_pin_is_served_instead(tree: Path, store: Path, port: int, churn_pin: Pin) -> None:
    with serving(tree, port, MLOPS_STORE=str(store), MLOPS_PINS=str(churn_pin)):
        wait_until(lambda: bool(answer(port, "/healthz")))
        (model,) = answer(port, "/v1/models")["models"]
    assert model["model_version"] == str(churn_pin.version)


def test_an_empty_setting_is_none(tree: Path, store: Path, port: int) -> None:
    empty = dict.fromkeys(("MLOPS_PINS", "MLOPS_QUEUE", "MLOPS_CACHE_DIR", "MLOPS_SERVED_AT"), "")
    with serving(tree, port, MLOPS_STORE=str(store), **empty):
        wait_until(lambda: bool(answer(port, "/healthz")))
        (model,) = answer(port, "/v1/models")["models"]
        job = submit(port, CUSTOMER)
        wait_until(lambda: ended(port, job))
    assert model["model_version"] == "churn-model-v1.10.0"
    assert (store / "queue").is_dir()


def test_changed_code_is_served_without_a_restart(tree: Path, store: Path, port: int) -> None:
    route = tree / "functions/api/routes/health.py"
    with serving(tree, port, MLOPS_STORE=str(store)):
        wait_until(lambda: bool(answer(port, "/healthz") == {"status": "ok"}))
        route.write_text(route.read_text().replace('status="ok"', 'status="changed"'))
        wait_until(lambda: bool(answer(port, "/healthz") == {"status": "changed"}))


def test_a_taken_port_is_one_clear_line(tree: Path, store: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        code, lines = refusal(tree, taken, MLOPS_STORE=str(store))
    assert code == 1
    assert lines == [
        f"Port {taken} cannot be used (Address already in use): make run PORT={taken + 1}"
    ]


@pytest.mark.parametrize("port", ["", "0", "65536", "-1", "http", "9" * 5000])
def test_what_is_no_port_is_one_clear_line(tree: Path, port: str) -> None:
    code, (line,) = refusal(tree, port)
    assert code == 1
    assert line.startswith(f"{port!r} is no port. A port is a number from 1 to 65535")


def test_an_empty_store_is_the_local_one(tree: Path, port: int) -> None:
    _, (line,) = refusal(tree, port, MLOPS_STORE="")
    assert line.startswith("No model is registered in .mlops. ")


def test_without_a_registered_model_it_says_what_to_do(tree: Path, port: int) -> None:
    code, lines = refusal(tree, port, MLOPS_STORE="nothing")
    assert code == 1
    assert lines == [
        "No model is registered in nothing. Train and register one:"
        " mlops train churn && mlops register churn --store nothing"
    ]


def submit(port: int, *rows: dict[str, Any]) -> str:
    body = {"model": "churn", "rows": list(rows)}
    job_id: str = answer(port, "/v1/predict/batch", body)["job_id"]
    return job_id


def ended(port: int, job_id: str) -> bool:
    return bool(answer(port, f"/v1/predict/batch/{job_id}")["status"] == "succeeded")


def workers(server: int) -> list[int]:
    """Return the ids of the processes below a server that work on the queue."""
    return [pid for pid, command in descendants(server).items() if "functions.batch" in command]


def test_a_batch_job_is_worked_on_by_the_code_of_the_moment(
    tree: Path, store: Path, port: int
) -> None:
    handling = tree / "functions/batch/handling.py"
    with serving(tree, port, MLOPS_STORE=str(store)) as server:
        wait_until(lambda: bool(answer(port, "/healthz")))
        first = submit(port, CUSTOMER, CUSTOMER | {"tenure": -1})
        wait_until(lambda: ended(port, first))
        (before,) = workers(server.pid)
        handling.write_text(handling.read_text().replace('outcome="done"', 'outcome="changed"'))
        wait_until(lambda: workers(server.pid) not in ([], [before]))
        wait_until(lambda: bool(answer(port, "/healthz")))
        second = submit(port, CUSTOMER)
        wait_until(lambda: ended(port, second))
        (after,) = workers(server.pid)
        server.terminate()
        printed = server.communicate(timeout=SECONDS)[0]
    lines = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    tasks = {line["job_id"]: line["outcome"] for line in lines if line["message"] == "task"}
    assert tasks == {first: "done", second: "changed"}
    assert (store / "queue").is_dir()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in (before, after)))


def test_it_shows_how_to_submit_a_batch(tree: Path, store: Path, port: int) -> None:
    with serving(tree, port, MLOPS_STORE=str(store)) as server:
        wait_until(lambda: bool(answer(port, "/healthz")))
        server.terminate()
        printed = server.communicate(timeout=SECONDS)[0]
    assert f"MLOPS_API_URL=http://127.0.0.1:{port} .venv/bin/mlops batch submit FILE" in printed


def test_accepted_connections_send_small_packets_at_once() -> None:
    """Also in the server process, to which the socket is handed."""
    with ExitStack() as opened:
        bound = opened.enter_context(bind("127.0.0.1", 0))
        handed_on = opened.enter_context(socket.fromfd(bound.fileno(), bound.family, bound.type))
        handed_on.listen()
        opened.enter_context(socket.create_connection(bound.getsockname()))
        accepted, _ = handed_on.accept()
        opened.enter_context(accepted)
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def descendants(process: int) -> dict[int, str]:
    """Return the command lines of the processes that `process` has started, by their ids."""
    listed = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    )
    rows = [line.split(None, 2) for line in listed.stdout.splitlines()]
    found: dict[int, str] = {}
    parents = [process]
    for parent in parents:
        for pid, ppid, *arguments in rows:
            if int(ppid) == parent:
                found[int(pid)] = "".join(arguments)
                parents.append(int(pid))
    return found


def server_process(supervisor: int) -> int:
    """Return the id of the process that answers requests."""
    (found,) = (pid for pid, command in descendants(supervisor).items() if "spawn_main" in command)
    return found


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=SECONDS).close()
    except ConnectionRefusedError:
        return False
    return True


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_killed_server_process_is_started_again(tree: Path, store: Path, port: int) -> None:
    with serving(tree, port, MLOPS_STORE=str(store)) as supervisor:
        wait_until(lambda: bool(answer(port, "/healthz")))
        killed = server_process(supervisor.pid)
        before = descendants(killed)
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: bool(answer(port, "/healthz")))
        assert server_process(supervisor.pid) != killed
        job = submit(port, CUSTOMER)
        wait_until(lambda: ended(port, job))
        wait_until(lambda: not any(map(is_alive, before)))
        supervisor.terminate()
        printed = supervisor.communicate(timeout=SECONDS)[0]
    assert "The server was ended by SIGKILL. It is started again." in printed


@pytest.fixture
def hang_up_ends_processes() -> Iterator[None]:
    """Undo for new processes what `nohup` does: they inherit that SIGHUP is ignored."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_a_killed_supervisor_leaves_no_process_and_frees_the_port(
    tree: Path,
    store: Path,
    port: int,
    number: signal.Signals,
    hang_up_ends_processes: None,
) -> None:
    with serving(tree, port, MLOPS_STORE=str(store)) as supervisor:
        wait_until(lambda: bool(answer(port, "/healthz")))
        wait_until(lambda: bool(workers(supervisor.pid)))
        below = descendants(supervisor.pid)
        supervisor.send_signal(number)
        supervisor.wait(timeout=SECONDS)
        wait_until(lambda: not accepts(port))
        wait_until(lambda: not any(map(is_alive, below)))


def test_a_server_that_cannot_start_refuses_connections_until_the_code_is_fixed(
    tree: Path, store: Path, port: int
) -> None:
    app = tree / "functions/api/app.py"
    text = app.read_text()
    with serving(tree, port, MLOPS_STORE=str(store)) as supervisor:
        wait_until(lambda: bool(answer(port, "/healthz")))
        app.write_text("def nothing\n" + text)
        wait_until(lambda: not accepts(port))
        time.sleep(1)
        assert not accepts(port)
        app.write_text(text)
        wait_until(lambda: bool(answer(port, "/healthz")))
        supervisor.terminate()
        printed = supervisor.communicate(timeout=SECONDS)[0]
    assert "SyntaxError" in printed
    assert "It is started again when the code or a registered version changes." in printed


def test_a_client_in_the_middle_of_a_request_does_not_hold_up_a_reload(
    tree: Path, store: Path, port: int
) -> None:
    route = tree / "functions/api/routes/health.py"
    with serving(tree, port, MLOPS_STORE=str(store)):
        wait_until(lambda: bool(answer(port, "/healthz") == {"status": "ok"}))
        with socket.create_connection(("127.0.0.1", port)) as slow:
            slow.sendall(
                b"POST /v1/predict/churn HTTP/1.1\r\nHost: here\r\nContent-Length: 9\r\n"
                b"Content-Type: application/json\r\n\r\n{"
            )
            route.write_text(route.read_text().replace('status="ok"', 'status="changed"'))
            wait_until(lambda: bool(answer(port, "/healthz") == {"status": "changed"}), 25)


def test_a_newly_registered_version_is_served_without_a_restart(
    tree: Path, store: Path, port: int, churn_pin: Pin
) -> None:
    with serving(tree, port, MLOPS_STORE=str(store)):
        wait_until(lambda: bool(answer(port, "/healthz")))
        before = answer(port, "/v1/predict/churn", CUSTOMER)["model_version"]
        registry = open_registry(str(store))
        _, manifest = registry.versions.manifest(churn_pin.version)
        files = {name: registry.versions.read(churn_pin.version, name) for name in manifest.files}
        registry.register(ModelVersion("churn", 2, 0, 0), files, manifest.provenance)
        wait_until(
            lambda: bool(
                answer(port, "/v1/predict/churn", CUSTOMER)["model_version"] == "churn-model-v2.0.0"
            )
        )
        (listed,) = answer(port, "/v1/models")["models"]
    assert before == "churn-model-v1.10.0"
    assert listed["model_version"] == "churn-model-v2.0.0"


def test_a_pinned_server_keeps_its_version_when_another_is_registered(
    tree: Path, store: Path, port: int, churn_pin: Pin
) -> None:
    with serving(tree, port, MLOPS_STORE=str(store), MLOPS_PINS=str(churn_pin)) as supervisor:
        wait_until(lambda: bool(answer(port, "/healthz")))
        process = server_process(supervisor.pid)
        registry = open_registry(str(store))
        _, manifest = registry.versions.manifest(churn_pin.version)
        files = {name: registry.versions.read(churn_pin.version, name) for name in manifest.files}
        registry.register(ModelVersion("churn", 2, 0, 0), files, manifest.provenance)
        time.sleep(3)
        assert server_process(supervisor.pid) == process
        assert answer(port, "/v1/predict/churn", CUSTOMER)["model_version"] == str(
            churn_pin.version
        )


def test_without_free_descriptors_the_log_stays_short_and_service_resumes(
    tree: Path, store: Path, port: int
) -> None:
    log = tree / "log"
    with (
        log.open("w") as output,
        subprocess.Popen(
            ["sh", "-c", 'ulimit -n 64; exec "$@"', "sh", *command(port)],
            cwd=tree,
            env=environment(tree, MLOPS_STORE=str(store)),
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as supervisor,
    ):
        try:
            wait_until(lambda: bool(answer(port, "/healthz")))
            with ExitStack() as opened:
                for _ in range(150):
                    opened.enter_context(
                        socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
                    )
                time.sleep(5)
                written = log.stat().st_size
            wait_until(lambda: bool(answer(port, "/healthz")))
        finally:
            supervisor.terminate()
    assert "New connections have to wait: Too many open files." in log.read_text()
    assert written < 10_000


@pytest.mark.parametrize(
    "name", ["MLOPS_STORE", "MLOPS_QUEUE", "MLOPS_CACHE_DIR", "MLOPS_SERVED_AT"]
)
def test_a_line_feed_in_a_setting_is_named(tree: Path, port: int, name: str) -> None:
    code, lines = refusal(tree, port, **{name: "http://127.0.0.1:8000\n"})
    assert (code, lines) == (1, [f"{name} contains a line feed. Set it again without it"])
