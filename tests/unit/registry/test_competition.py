"""Other writers, and crashes: nothing is lost, nothing half-written is seen."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from mlops.errors import ObjectChanged, RegistryBusy, StoreThrottled, VersionExists
from mlops.inference.version import ModelVersion
from mlops.registry.journal import Stage, StageChange
from mlops.registry.objects import ObjectStore
from mlops.registry.registry import CATALOG, Registry
from tests.unit.fakes import MemoryObjects, WatchedObjects, no_pause
from tests.unit.inference.building import V1, candidate, provenance, version_files

WRITES = ("create", "replace")
V2 = V1.next_minor()
NOON = datetime(2026, 2, 1, 12, tzinfo=UTC)


class Crash(BaseException):
    """The process ends; nobody handles that."""


def crashing_at(write: int) -> Callable[[str, str], None]:
    """Crash instead of the write with that number, counted from zero."""
    written: list[str] = []

    def before(operation: str, key: str) -> None:
        if operation in WRITES:
            if len(written) == write:
                raise Crash
            written.append(key)

    return before


def once_before(operation: str, key: str, act: Callable[[], object]) -> Callable[[str, str], None]:
    """Let somebody else `act` right before the first such operation on `key`."""
    left = [act]

    def before(found_operation: str, found_key: str) -> None:
        if (found_operation, found_key) == (operation, key) and left:
            left.pop()()

    return before


# Five files, the manifest, the catalog.
@pytest.mark.parametrize("write", range(7))
def test_a_crash_leaves_no_half_version_and_repeating_completes_it(
    objects: ObjectStore, write: int
) -> None:
    before, healthy = candidate("before"), Registry(objects, no_pause)
    first = healthy.register_next("churn", before, provenance())
    crashing = Registry(WatchedObjects(objects, crashing_at(write)), no_pause)
    with pytest.raises(Crash):
        crashing.register(V2, candidate("crash"), provenance())

    assert [entry.pin for entry in healthy.entries()] == [first]
    complete = [version for version, whole in healthy.versions.occupied("churn") if whole]
    assert complete == ([V1, V2] if write == 6 else [V1])

    mended = healthy.register(V2, candidate("crash"), provenance())
    assert [entry.pin for entry in healthy.entries()] == [first, mended]


def test_the_number_of_a_half_written_version_is_not_used_again() -> None:
    objects = MemoryObjects()
    crashing = Registry(WatchedObjects(objects, crashing_at(2)), no_pause)
    with pytest.raises(Crash):
        crashing.register_next("churn", candidate("crash"), provenance())
    pin = Registry(objects, no_pause).register_next("churn", candidate("next"), provenance())
    assert pin.version == V2


@pytest.mark.parametrize("write", range(2))
def test_a_move_that_crashed_is_mended_by_repeating_it(objects: ObjectStore, write: int) -> None:
    healthy = Registry(objects, no_pause)
    healthy.register(V1, version_files(), provenance())
    change = StageChange(V1, Stage.CANARY, NOON, "d00d")
    with pytest.raises(Crash):
        Registry(WatchedObjects(objects, crashing_at(write)), no_pause).move(change)
    assert healthy.entry(V1).stage == Stage.CANDIDATE
    healthy.move(change)
    assert healthy.entry(V1).history == (change,)


def test_who_lost_the_race_for_the_catalog_enters_his_version_as_well(objects: ObjectStore) -> None:
    other = Registry(objects, no_pause)
    pauses: list[int] = []
    registry = Registry(
        WatchedObjects(
            objects,
            once_before(
                "replace",
                CATALOG,
                lambda: other.register(
                    ModelVersion("churn", 3, 0, 0), candidate("b"), provenance()
                ),
            ),
        ),
        pauses.append,
    )
    registry.register(V1, candidate("a"), provenance())
    assert [str(entry.version) for entry in registry.entries()] == [
        "churn-model-v1.0.0",
        "churn-model-v3.0.0",
    ]
    assert pauses == [0]


def test_a_version_entered_while_another_is_moved_is_not_lost(objects: ObjectStore) -> None:
    other = Registry(objects, no_pause)
    other.register(V1, candidate("a"), provenance())
    # The journal is read between reading the catalog and replacing it.
    while_it_changes = once_before(
        "get",
        f"registry/journal/{V1}/000000.json",
        lambda: other.register(V2, candidate("b"), provenance()),
    )
    pauses: list[int] = []
    registry = Registry(WatchedObjects(objects, while_it_changes), pauses.append)
    registry.move(StageChange(V1, Stage.CHAMPION, NOON, "d00d"))
    assert [(entry.version, entry.stage) for entry in registry.entries()] == [
        (V1, Stage.CHAMPION),
        (V2, Stage.CANDIDATE),
    ]
    assert pauses == [0]


@pytest.mark.parametrize("file", ["golden.json", "metrics.json", "manifest.json"])
def test_who_lost_the_race_for_a_number_takes_the_next(objects: ObjectStore, file: str) -> None:
    other = Registry(objects, no_pause)
    theirs = candidate("a") if file == "manifest.json" else candidate("b")
    pauses: list[int] = []
    registry = Registry(
        WatchedObjects(
            objects,
            once_before(
                "create",
                f"models/{V1}/{file}",
                lambda: other.register(V1, theirs, provenance(code_sha="theirs")),
            ),
        ),
        pauses.append,
    )
    pin = registry.register_next("churn", candidate("a"), provenance())
    assert pin.version == V2
    assert pauses == [0]
    taken = {str(entry.version): entry.code_sha for entry in registry.entries()}
    assert taken == {str(V1): "theirs", str(V2): "c0ffee"}


def test_moves_at_the_same_time_are_both_kept(objects: ObjectStore) -> None:
    other = Registry(objects, no_pause)
    other.register(V1, version_files(), provenance())
    mine = StageChange(V1, Stage.CANARY, NOON, "mine")
    theirs = StageChange(V1, Stage.CHAMPION, NOON, "theirs")
    registry = Registry(
        WatchedObjects(
            objects,
            once_before("create", f"registry/journal/{V1}/000000.json", lambda: other.move(theirs)),
        ),
        no_pause,
    )
    registry.move(mine)
    assert registry.entry(V1).history == (theirs, mine)


def refusing(operation: str, errors: Iterator[Exception]) -> Callable[[str, str], None]:
    def before(found: str, key: str) -> None:
        if found == operation and key == CATALOG and (error := next(errors, None)):
            raise error

    return before


@pytest.mark.parametrize("refused", [1, 7, 19])
def test_a_lost_write_is_tried_again(refused: int) -> None:
    objects, pauses = MemoryObjects(), list[int]()
    errors = iter([ObjectChanged(CATALOG)] * refused)
    registry = Registry(WatchedObjects(objects, refusing("replace", errors)), pauses.append)
    registry.register(V1, version_files(), provenance())
    assert [entry.version for entry in registry.entries()] == [V1]
    assert pauses == list(range(refused))


def test_tries_are_bounded() -> None:
    objects, pauses = MemoryObjects(), list[int]()
    errors = iter([ObjectChanged(CATALOG)] * 1000)
    registry = Registry(WatchedObjects(objects, refusing("replace", errors)), pauses.append)
    with pytest.raises(RegistryBusy) as caught:
        registry.register(V1, version_files(), provenance())
    assert caught.value.tries == 20
    assert pauses == list(range(19))


def test_numbers_that_are_always_taken_end_the_tries_too() -> None:
    objects, pauses = MemoryObjects(), list[int]()
    other = Registry(objects, no_pause)

    def take(operation: str, key: str) -> None:
        if operation == "create" and key.endswith("golden.json"):
            version = ModelVersion.parse(key.split("/")[1])
            name = f"the other's {version}"
            other.register(version, candidate(name), provenance())

    registry = Registry(WatchedObjects(objects, take), pauses.append)
    with pytest.raises(RegistryBusy):
        registry.register_next("churn", candidate("mine"), provenance())
    assert pauses == list(range(19))
    assert len(other.entries()) == 20


def test_a_throttled_store_is_no_lost_race() -> None:
    objects, pauses = MemoryObjects(), list[int]()
    errors = iter([StoreThrottled(CATALOG, "slow down")])
    registry = Registry(WatchedObjects(objects, refusing("replace", errors)), pauses.append)
    with pytest.raises(StoreThrottled):
        registry.register(V1, version_files(), provenance())
    assert pauses == []


def test_a_version_that_was_entered_while_its_files_were_written_is_an_error() -> None:
    objects, theirs = MemoryObjects(), MemoryObjects()
    entered = Registry(theirs, no_pause).register(V1, candidate("b"), provenance())
    catalog = theirs.get(CATALOG).content
    enter = once_before("replace", CATALOG, lambda: objects.create(CATALOG, catalog))
    with pytest.raises(VersionExists):
        registry = Registry(WatchedObjects(objects, enter), no_pause)
        registry.register(V1, candidate("a"), provenance())
    assert [entry.pin for entry in Registry(objects, no_pause).entries()] == [entered]


def test_an_explicit_version_that_somebody_else_took_is_an_error() -> None:
    objects = MemoryObjects()
    other = Registry(objects, no_pause)
    registry = Registry(
        WatchedObjects(
            objects,
            once_before(
                "create",
                f"models/{V1}/metrics.json",
                lambda: other.register(V1, candidate("b"), provenance()),
            ),
        ),
        no_pause,
    )
    with pytest.raises(VersionExists):
        registry.register(V1, candidate("a"), provenance())
