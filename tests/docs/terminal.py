"""A reader's terminal: a fresh copy of the project, and the server the document started in it.

The copy borrows the installed environments, so nothing is installed again. Everything is bounded in
time, and what was started is ended, children included.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Self

from tests.docs.answers import agrees
from tests.docs.blocks import SERVER, Block, Step
from tests.project.files import ROOT, project_files

BORROWED = (".venv", ".tools")
STAMPS = {False: (".venv/.test",), True: (".venv/.test", ".tools/sam/.done")}
# They would start these very tests again, or need the world; that they exist is all that is shown.
NOT_REPEATED = re.compile(r"^make (test|check|unit|lock)\b", re.MULTILINE)
DOCUMENTED_ADDRESS = re.compile(r"\b(127\.0\.0\.1|localhost):8000\b")
READY = "/healthz"
PATIENCE = 600
"""Seconds for a command to end or a server to answer; a first run trains three models."""
END_OF_STEP = "--- end of step ---"


class Terminal:
    """store: what `make run` has made before; without it, the reader has only cloned."""

    def __init__(self, folder: Path, store: Path | None = None) -> None:
        self.folder = folder
        self.port = free_port()
        self.server: subprocess.Popen[str] | None = None
        self.log = folder.with_name(folder.name + ".log")
        for path in project_files():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, folder / path)  # with its time, or make would rebuild
        for name in BORROWED:
            if (ROOT / name).exists():
                (folder / name).symlink_to(ROOT / name)
        if store is not None:
            shutil.copytree(store, folder / ".mlops")
        self._commit()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def execute(self, block: Block) -> None:
        self._assert_installed(block.needs_engine)
        *before, last = block.steps()
        if not block.starts_server:
            self._run([*before, last])
            return
        if before:
            self._run(before)
        self._serve(last)

    def stop(self) -> None:
        if self.server:
            end(self.server)
            self.server = None

    def _commit(self) -> None:
        """A reader has a clone."""
        for command in (
            ["init", "--quiet", "--initial-branch", "main"],
            ["config", "user.name", "reader"],
            ["config", "user.email", "reader@localhost"],
            ["add", "--all"],
            ["commit", "--quiet", "--message", "clone"],
        ):
            subprocess.run(["git", *command], cwd=self.folder, check=True, timeout=PATIENCE)

    def _run(self, steps: list[Step]) -> None:
        """One shell for the whole block, so that what it exports lasts until its end."""
        script = f"\nprintf '\\n%s\\n' '{END_OF_STEP}'\n".join(
            NOT_REPEATED.sub(r"make --dry-run \1 >/dev/null", self._here(step.command))
            for step in steps
        )
        process = self._start(script, subprocess.PIPE)
        try:
            output, _ = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired as late:
            raise AssertionError(f"not done in {PATIENCE} s:\n{script}") from late
        finally:
            end(process)
        assert process.returncode == 0, f"exit code {process.returncode}:\n{script}\n{output}"
        for step, real in zip(steps, output.split(END_OF_STEP), strict=True):
            real = real.replace(f"127.0.0.1:{self.port}", "127.0.0.1:8000").strip()
            shown = DOCUMENTED_ADDRESS.sub("127.0.0.1:8000", step.shown)
            assert not shown or agrees(shown, real), f"$ {step.command}\n{real}\n--- shown: {shown}"

    def _serve(self, step: Step) -> None:
        assert SERVER.match(step.command)
        self.stop()
        with self.log.open("w") as log:
            self.server = self._start(f"exec {step.command}", log.fileno())
        deadline = time.monotonic() + PATIENCE
        while not answers(f"http://127.0.0.1:{self.port}{READY}"):
            if self.server.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise AssertionError(f"{step.command} does not serve:\n{self.log.read_text()}")
            time.sleep(0.2)

    def _start(self, script: str, output: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def _environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        commands = [str(self.folder / ".venv/bin"), str(self.folder / ".tools/sam/bin")]
        # The borrowed environment points to the original's packages: the copy's come first.
        packages = [str(self.folder), str(self.folder / "layers/mlops/python")]
        return kept | {
            "PATH": os.pathsep.join([*commands, os.environ["PATH"]]),
            "PYTHONPATH": os.pathsep.join(packages),
            "PORT": str(self.port),
            # Commands that name no address mean the documented one, too.
            "MLOPS_API_URL": f"http://127.0.0.1:{self.port}",
            "COLUMNS": "100",
            "NO_COLOR": "1",
            "MAKEFLAGS": "--no-print-directory",
        }

    def _here(self, command: str) -> str:
        return DOCUMENTED_ADDRESS.sub(f"127.0.0.1:{self.port}", command)

    def _assert_installed(self, needs_engine: bool) -> None:
        """A stale environment would be installed again, from the copy, into what it borrowed."""
        current = subprocess.run(
            ["make", "--question", *STAMPS[needs_engine]],
            cwd=self.folder,
            env=self._environment(),
            check=False,
        )
        assert current.returncode == 0, "the environment is stale: run `make test`"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=30) as response:  # noqa: S310
            return bool(response.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def end(process: subprocess.Popen[str]) -> None:
    """Ask the whole group to end, and insist when it does not obey.

    Not by SIGINT, as Ctrl-C would: under nohup or in the background it is ignored, and a server
    that is killed in the end leaves its containers behind.
    """
    for wish, patience in ((signal.SIGTERM, 20), (signal.SIGKILL, 5)):
        try:
            os.killpg(process.pid, wish)
        except ProcessLookupError:
            return
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue
