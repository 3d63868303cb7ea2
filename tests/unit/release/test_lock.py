"""Who may move traffic: of two at once, one."""

from dataclasses import replace
from datetime import timedelta

import pytest

from mlops.errors import ObjectChanged
from mlops.registry.releases import Kind
from mlops.release.lock import CURRENT, Held, Holder, Lock, unlocked
from mlops.release.ports import ExecutionStatus
from tests.unit.batch.bench import START
from tests.unit.fakes import MemoryObjects, WatchedObjects
from tests.unit.release.bench import ANN, ID, Bench
from tests.unit.release.fakes import Resending

ONE, OTHER = Holder(Kind.RELEASE, "one", START), Holder(Kind.ROLLBACK, "other", START)
MOMENT = timedelta(microseconds=1)


def test_at_first_nobody_holds_it() -> None:
    assert Lock(MemoryObjects()).read() == Held(None, None, None)


def test_what_is_written_is_read() -> None:
    lock = Lock(MemoryObjects())
    lock.write(lock.read(), ONE)
    assert lock.read().holder == ONE
    lock.write(lock.read(), None, dangling_since=START)
    assert (lock.read().holder, lock.read().dangling_since) == (None, START)


def test_of_two_who_saw_the_same_one_takes_it() -> None:
    lock = Lock(MemoryObjects())
    for holder, slower in ((ONE, OTHER), (OTHER, replace(OTHER, at=START + MOMENT))):
        seen = lock.read()
        lock.write(seen, holder)
        with pytest.raises(ObjectChanged):
            lock.write(seen, slower)
        assert lock.read().holder == holder


@pytest.mark.fault
def test_whose_write_is_sent_twice_holds_it() -> None:
    lock = Lock(Resending())
    for _ in range(2):  # where there is none yet, and where there is one
        lock.write(lock.read(), ONE)
        assert lock.read().holder == ONE
        lock.write(lock.read(), None, dangling_since=START)
        assert lock.read().dangling_since == START
        lock.write(lock.read(), OTHER)
        lock.free("other")
        assert (lock.read().holder, lock.read().dangling_since) == (None, None)


def test_only_its_holder_frees_it() -> None:
    lock = Lock(MemoryObjects())
    lock.free("one")
    lock.write(lock.read(), ONE)
    lock.free("other")
    assert lock.read().holder == ONE
    lock.free("one")
    assert lock.read().holder is None


def test_who_takes_it_over_while_it_is_freed_keeps_it() -> None:
    objects = MemoryObjects()
    lock = Lock(objects)
    lock.write(lock.read(), ONE)

    def before(operation: str, key: str) -> None:
        if (operation, key) == ("replace", CURRENT) and lock.read().holder == ONE:
            lock.write(lock.read(), OTHER)

    Lock(WatchedObjects(objects, before)).free("one")
    assert lock.read().holder == OTHER


def without_lock(bench: Bench) -> Holder | None:
    return unlocked(bench.store, bench.executions)


def test_a_release_that_runs_without_the_lock(canary: Bench) -> None:
    assert without_lock(canary) is None
    canary.objects.remove(CURRENT)
    assert without_lock(canary) == Holder(Kind.RELEASE, ID, canary.plan().started_at)
    canary.executions.end(ID, ExecutionStatus.ABORTED)
    assert without_lock(canary) is None


def test_executions_that_are_no_release_yet_or_none_any_more_need_no_lock(promoted: Bench) -> None:
    for name in ("release-9", "no id!"):
        promoted.executions.start(name, ANN)
    run = promoted.executions.runs[ID]
    promoted.executions.runs[ID] = replace(run, status=ExecutionStatus.RUNNING)  # it tells people
    assert without_lock(promoted) is None


def test_a_release_that_begins_while_it_is_looked_for_has_its_lock(canary: Bench) -> None:
    kept = canary.objects.get(CURRENT).content
    canary.objects.remove(CURRENT)

    def before(operation: str, key: str) -> None:
        if key.endswith("plan.json"):
            canary.objects.create(CURRENT, kept)

    canary.before = before
    assert without_lock(canary) is None
