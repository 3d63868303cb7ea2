"""Actors that take turns at every call of a port, as a seed decides: threads, of which one runs."""

import random
import threading
from collections.abc import Callable

_GOES_ON = 0.6
"""How likely an actor makes its next call without anybody in between."""


class Interleaving:
    """Run each actor in a thread; at each `turn` the seed says who goes on."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 -- nothing is kept secret by it
        self.turns = 0
        self._waiting: dict[int, threading.Lock] = {}
        self._late: list[tuple[int, threading.Lock]] = []
        self._done = threading.Semaphore(0)
        self._errors: list[BaseException] = []

    def run(self, actors: list[tuple[int, Callable[[], None]]]) -> None:
        """Return when all have ended; each begins after so many turns, if anybody makes these.

        Raises what one of them did not catch.
        """
        threads = []
        for begins_at, actor in actors:
            baton = threading.Lock()
            baton.acquire()
            thread = threading.Thread(target=self._act, args=(actor, baton), daemon=True)
            threads.append(thread)
            self._late.append((begins_at, baton))
            thread.start()
        self._late.sort(key=lambda late: late[0], reverse=True)
        self._choose().release()
        self._done.acquire()
        for thread in threads:
            thread.join()
        if self._errors:
            raise self._errors[0]

    def turn(self) -> None:
        """Let somebody else go on first, or not. Outside of `run` nothing happens."""
        self.turns += 1
        baton = self._waiting.get(threading.get_ident())
        if baton is None or self.random.random() < _GOES_ON:
            return
        chosen = self._choose()
        if chosen is not baton:
            chosen.release()
            baton.acquire()

    def _act(self, actor: Callable[[], None], baton: threading.Lock) -> None:
        baton.acquire()
        self._waiting[threading.get_ident()] = baton
        try:
            actor()
        except BaseException as error:
            self._errors.append(error)
        del self._waiting[threading.get_ident()]
        if self._waiting or self._late:
            self._choose().release()
        else:
            self._done.release()

    def _choose(self) -> threading.Lock:
        if self._late and (self._late[-1][0] <= self.turns or not self._waiting):
            return self._late.pop()[1]
        return self.random.choice([*self._waiting.values()])
