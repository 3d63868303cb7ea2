"""What is written about a release is read as it was; what is there stays."""

from datetime import timedelta

from mlops.registry.releases import Ended, Kind
from mlops.release.ports import FunctionVersion
from mlops.release.records import Ending, Folder, Plan, Settings
from tests.unit.batch.bench import START, VERSION
from tests.unit.fakes import MemoryObjects

CHAMPION = FunctionVersion("1", "sha256:1", (), "settings")
CANDIDATE = FunctionVersion("2", "sha256:2", (VERSION.pin,), "others")
PLAN = Plan(
    id="r1",
    kind=Kind.RELEASE,
    by="ann",
    started_at=START,
    champion=CHAMPION,
    candidate=CANDIDATE,
    revision="a",
    batch_champion=CHAMPION,
    batch_candidate=CHAMPION,
    batch_revision="b",
    settings=Settings(looks=3, look_seconds=60, log_delay_seconds=5, weight=0.05),
)


def test_a_plan_is_read_as_it_was_written() -> None:
    folder = Folder(MemoryObjects(), "r1")
    assert folder.plan() is None
    assert folder.keep_plan(PLAN) == folder.plan() == PLAN


def test_an_ending_is_decided_once() -> None:
    folder = Folder(MemoryObjects(), "r1")
    first = Ending(Ended.PROMOTED, ("good",), "ann", START)
    assert folder.ending() is None
    assert folder.keep_ending(first) == first
    assert folder.keep_ending(Ending(Ended.ROLLED_BACK, (), "ben", START)) == first
    assert folder.ending() == first


def test_names_are_those_of_one_release() -> None:
    objects = MemoryObjects()
    Folder(objects, "r1").keep("plan", {})
    Folder(objects, "r11").keep("gate", {})
    assert Folder(objects, "r1").names() == ["plan"]


def test_how_many_looks_are_due() -> None:
    after = [PLAN.looks_due(START, START + timedelta(seconds=s)) for s in (0, 64, 65, 124, 125)]
    assert after == [0, 0, 1, 1, 2]
    assert PLAN.looks_due(START, START + timedelta(days=1)) == 3
    assert PLAN.look_ends(START, 2) == START + timedelta(minutes=2)


def test_a_canary_gets_its_share_and_a_batch_release_has_none() -> None:
    assert PLAN.weights == {"2": 0.05}
    assert PLAN.to_document()["canary_routing"] == {"AdditionalVersionWeights": {"2": 0.05}}
    same = Plan(**{**vars(PLAN), "candidate": CHAMPION})
    assert not same.has_canary
    assert same.weights == {}
