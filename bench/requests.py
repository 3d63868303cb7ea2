"""Over HTTP: one process each, 16 connections, in turns."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterable
from contextlib import suppress
from http.client import HTTPException
from itertools import chain
from typing import Any

from bench.errors import NotMeasured, Unequal, require_close
from bench.ground import Customer, Ground, Report, python_of, version_of
from bench.rounds import summary, turns
from bench.servers import PATIENCE_SECONDS, SERVERS, free_port
from bench.targets import NO_PEERS

CONNECTIONS = 16
SECONDS, SHORTER = 1.0, 3
"""Turns are short, and there are more of them: what a neighbour takes for seconds, no single server
loses."""
COPIES = 3
"""Processes of ours and of the echo, which take turns, too: where its memory happens to lie makes
one faster than another by a tenth, for as long as it lives."""
END_SECONDS = 10


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
        self._log = ground.folder / f"{name}-{self._port}.log"
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
                for customer in ground.customers:
                    require_close(name, read(self._ask(customer)), customer.probability)
        except BaseException:
            end([self])
            raise

    def load(self, seconds: float) -> dict[str, Any]:
        command = [sys.executable, "-m", "bench.load", str(self._port), self._server.path]
        ran = subprocess.run(
            [*command, str(CONNECTIONS), str(seconds)],
            input=self._body,
            capture_output=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        if ran.returncode:
            raise NotMeasured(self._said("it answers no more"))
        found: dict[str, Any] = json.loads(ran.stdout)
        if refused := found.pop("refused"):
            raise NotMeasured(f"{refused} requests were refused or lost")
        return found

    def send_signal(self, number: signal.Signals) -> None:
        """Also to the processes it started, which may be there when it is not."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)

    def wait(self) -> None:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(END_SECONDS)

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
        raise NotMeasured(self._said(f"it does not start ({problem})"))

    def _said(self, what: str) -> str:
        ended = self._process.poll()
        how = "" if ended is None else f", and ended with {ended}"
        return f"{what}{how}: {self._log.read_text(errors='replace').strip()[-600:]}"

    def _ask(self, customer: Customer) -> Any:
        asked = urllib.request.Request(  # noqa: S310 -- always http, to this machine
            f"http://127.0.0.1:{self._port}{self._server.path}",
            json.dumps(self._server.body(customer)).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(asked, timeout=30) as answer:  # noqa: S310 -- as above
            return json.load(answer)


def end(servers: Iterable[Running]) -> None:
    """All at once, as each takes its time."""
    servers = list(servers)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for server in servers:
            server.send_signal(number)
        for server in servers:
            server.wait()


# What is not to be read of an answer, too.
_FAILS = (
    *(NotMeasured, Unequal, subprocess.SubprocessError, OSError),
    *(HTTPException, LookupError, TypeError, ValueError),
)


def http(ground: Ground, rounds: int, report: Report) -> dict[str, Any]:
    """Requests a second, the median over the rounds; each round asks them one after the other."""
    running: dict[str, list[Running]] = {name: [] for name in SERVERS}
    found: dict[str, Any] = {}
    try:
        for name, copies in running.items():
            report(f"http: starting {name}")
            try:
                for _ in range(COPIES if name in NO_PEERS else 1):
                    copies.append(Running(ground, name))
                    copies[-1].load(1.0)  # warm
            except _FAILS as error:
                found[name] = {"not_measured": str(error)}
        taken: dict[str, list[dict[str, Any]]] = {name: [] for name in running if name not in found}
        rounds *= SHORTER
        for number in range(rounds):
            report(f"http: round {number + 1} of {rounds}")
            for name in turns(taken, number):
                try:
                    one = running[name][number % len(running[name])]
                    taken[name].append(one.load(SECONDS))
                except _FAILS as error:
                    found[name] = {"not_measured": str(error)}
                    del taken[name]
    finally:
        end(chain.from_iterable(running.values()))
    return found | {name: _described(name, loads) for name, loads in taken.items()}


def _described(name: str, loads: list[dict[str, Any]]) -> dict[str, Any]:
    server = SERVERS[name]
    figures = ("per_second", "p50_ms", "p95_ms")
    described = summary({figure: [load[figure] for load in loads] for figure in figures}, digits=2)
    if server.peer:
        described["version"] = f"{server.package} {version_of(server.peer, server.package)}"
    return described | ({"note": server.note} if server.note else {})
