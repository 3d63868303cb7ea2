"""Clients that never stop asking, and what each of them was answered."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count

import httpx2

from tests.rehearsal.deployment import Api
from tests.rehearsal.models import LARGEST_LOAN, VETERAN_MONTHS

CLIENTS = 2
PREDICT = "/v1/predict/"
LOST = 0
"""As a status: there was no answer at all."""
ONE_MODEL = ("churn",)
PAUSE_SECONDS = 0.2
"""Of each client after each answer, unless a canary needs as many requests as there can be."""


@dataclass(frozen=True)
class Answered:
    """at: seconds, monotonic. release: the version of the function, where one has answered."""

    at: float
    status: int
    release: str | None
    veteran: bool


@dataclass
class Traffic:
    """models: those that are asked, in turn."""

    api: Api
    models: tuple[str, ...] = ONE_MODEL
    answers: list[Answered] = field(default_factory=list)
    pause: float = PAUSE_SECONDS

    def ask(self, number: int) -> None:
        """Ask about a customer or a loan; every other one is a veteran, or large."""
        veteran = number % 2 == 0
        turn, models = number // 2, self.models
        model = models[turn % len(models)]
        body = customer(number, veteran) if model == "churn" else loan(number, veteran)
        try:
            answer = self.api.request("POST", f"{PREDICT}{model}", body)
            status, release = answer.status_code, answer.headers.get("Release")
        except httpx2.TransportError:
            status, release = LOST, None
        self.answers.append(Answered(time.monotonic(), status, release, veteran))

    def since(self, at: float) -> Sequence[Answered]:
        return [answer for answer in [*self.answers] if answer.at >= at]

    def unexpected(self) -> list[Answered]:
        """Return the answers with errors, without those of the model that fails on purpose."""
        return [
            answer
            for answer in [*self.answers]
            if answer.status != 200 and not (answer.status == 503 and answer.veteran)
        ]

    @contextmanager
    def at_full_rate(self, models: tuple[str, ...] = ONE_MODEL) -> Iterator[None]:
        """Let the clients ask without a pause, for a canary that its requests decide."""
        self.pause, self.models = 0, models
        try:
            yield
        finally:
            self.pause, self.models = PAUSE_SECONDS, ONE_MODEL


def customer(number: int, veteran: bool) -> dict[str, object]:
    months = VETERAN_MONTHS if veteran else 1 + number % 72
    return {"customer_id": f"C{number}", "tenure": months, "monthly_charges": 79.5}


def loan(number: int, large: bool) -> dict[str, object]:
    amount = 2 * LARGEST_LOAN if large else 1_000 * (1 + number % 40)
    return {"amount": amount, "purpose": "car"}


@contextmanager
def traffic(api: Api) -> Iterator[Traffic]:
    """Let clients ask one request after the other until the end."""
    found, over = Traffic(api), threading.Event()

    def client() -> None:
        for number in count():
            if over.wait(found.pause):
                return
            found.ask(number)

    clients = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for each in clients:
        each.start()
    try:
        yield found
    finally:
        over.set()
        for each in clients:
            each.join()
