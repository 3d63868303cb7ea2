"""Clients that ask a target as its profile plans it, each answer checked."""

import time
from contextlib import suppress
from itertools import count
from typing import Any

import gevent
from locust import FastHttpUser
from locust.env import Environment
from locust.exception import StopUser

from load.answers import NO_ANSWER, wrong
from load.profiles import Profile
from load.record import Answer, Measured, Memory
from load.targets import CUSTOMER, CannotStart, Target

LATE_SECONDS = 30  # for the last answers to come


def drive(target: Target, profile: Profile, connections: int) -> Measured:
    measured = Measured()
    # Whichever connection is free makes the next request.
    due_seconds, customers = profile.due(), count(1)
    started = time.perf_counter()

    class Customer(FastHttpUser):  # type: ignore[misc] # untyped here: Locust is in an environment of its own
        host = target.url

        def ask_in_time(self) -> None:
            due = next(due_seconds, None)
            if due is None:
                raise StopUser
            late = time.perf_counter() - started - due
            if late < 0:
                gevent.sleep(-late)
            # Who had to wait for the answer before has waited since then. That a timer rings late
            # is not the target's.
            asked = CUSTOMER | {"customer_id": f"C{next(customers)}"}
            with self.client.post(
                target.path,
                data=target.ask(asked),
                headers={"Content-Type": "application/json"},
                context={"due": due, "late": max(late, 0) * 1000},
                catch_response=True,
            ) as response:
                if problem := wrong(
                    *(target.said, asked, target.expected),
                    *(response.status_code, response.content),
                ):
                    response.failure(problem)

        tasks = [ask_in_time]

        def wait_time(self) -> float:
            return 0

    def note(response_time: float, exception: object, context: Any, **_: object) -> None:
        error = None if exception is None else str(exception)
        measured.answers.append(Answer(context["due"], context["late"] + response_time, error))

    def watch() -> None:
        # Where nobody can say what is resident any more, readings end, and a soak is not kept.
        with suppress(CannotStart):
            while True:
                measured.memory.append(Memory(time.perf_counter() - started, target.resident()))
                gevent.sleep(profile.slot)

    environment = Environment(user_classes=[Customer])
    environment.events.request.add_listener(note)
    runner = environment.create_local_runner()
    watching = gevent.spawn(watch)
    try:
        runner.start(connections, spawn_rate=connections)
        runner.spawning_greenlet.join()
        gevent.sleep(max(0, profile.seconds - (time.perf_counter() - started)))
        with gevent.Timeout(LATE_SECONDS, False):
            while runner.user_count:
                gevent.sleep(0.1)
        # Each has one request at a time.
        lost = Answer(float(profile.seconds - 1), LATE_SECONDS * 1000, NO_ANSWER)
        measured.answers.extend([lost] * runner.user_count)
    finally:
        watching.kill()
        runner.quit()
    return measured
