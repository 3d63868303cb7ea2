"""Who may move traffic: of two at once, one."""

import pytest

from mlops.errors import ObjectChanged
from mlops.registry.releases import Kind
from mlops.release.lock import CURRENT, Held, Holder, Lock
from tests.unit.batch.bench import START
from tests.unit.fakes import MemoryObjects, WatchedObjects

ONE, OTHER = Holder(Kind.RELEASE, "one", START), Holder(Kind.ROLLBACK, "other", START)


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
    for holder in (ONE, OTHER):
        seen = lock.read()
        lock.write(seen, holder)
        with pytest.raises(ObjectChanged):
            lock.write(seen, OTHER)
        assert lock.read().holder == holder


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
