"""One command and one update: back to what was live before, or not at all."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from mlops.registry.releases import Ended, Kind
from mlops.release.closing import DEPLOY
from mlops.release.lock import CURRENT, Holder
from tests.unit.fakes import overwrite
from tests.unit.inference.building import V1
from tests.unit.release.bench import ANN, V2, Bench, refusal
from tests.unit.release.fakes import unavailable

V3 = V2.next_minor()


def test_what_was_promoted_last_goes_back_with_one_update(promoted: Bench) -> None:
    moves = len(promoted.api.moves)
    done = promoted.rollback.roll_back(None, ANN)
    assert done.version == "1"
    assert promoted.live() == ("1", {}, "1")
    assert len(promoted.api.moves) == moves + 1
    assert promoted.stages() == {V1: "champion", V2: "retired"}
    record = promoted.registry.releases()[-1]
    assert (record.kind, record.outcome, record.by) == (Kind.ROLLBACK, Ended.ROLLED_BACK, ANN)
    assert (record.champion, record.candidate) == ("2", "1")
    assert promoted.notices.sent[-1][0] == f"ROLLED_BACK: version 1 ({V1})"
    assert promoted.lock.read().holder is None


def test_it_goes_back_step_by_step_and_not_to_what_was_taken_back(promoted: Bench) -> None:
    promoted.rollback.roll_back(None, ANN)  # from 2 to 1
    promoted.deploy(promoted.register(V3), code="sha256:third")
    promoted.released("release-2")
    assert promoted.live() == ("3", {}, "3")
    assert promoted.rollback.roll_back(None, ANN).version == "1"
    promoted.wait(timedelta(minutes=3))
    assert "no version that was live before version 1" in refusal(promoted)


def test_of_two_at_once_the_second_goes_back_no_further(promoted: Bench) -> None:
    promoted.deploy(settings="more memory")
    promoted.released("release-2")
    assert promoted.rollback.roll_back(None, ANN).version == "2"
    reason = refusal(promoted)
    assert "taken back 0 s ago (rolled back by ann)" in reason
    assert promoted.rollback.roll_back("1", ANN).version == "1"


SKEW = timedelta(minutes=4)


def roll_back_by_another_clock(bench: Bench, skew: timedelta) -> str:
    """As on a laptop whose clock is that far ahead of Lambda's."""
    bench.clock.time += skew
    version = bench.rollback.roll_back(None, ANN).version
    bench.clock.time -= skew
    return version


@pytest.mark.parametrize("skew", [-SKEW, SKEW])
def test_what_was_taken_back_is_so_by_whichever_clock(promoted: Bench, skew: timedelta) -> None:
    assert roll_back_by_another_clock(promoted, skew) == "1"
    assert promoted.registry.releases()[-1].kind is Kind.ROLLBACK
    assert promoted.stages() == {V1: "champion", V2: "retired"}
    promoted.deploy(code="sha256:next commit")
    begun = promoted.begin("release-2", DEPLOY)
    assert begun.outcome is Ended.REFUSED
    assert f"{V2} was taken back before" in begun.reasons[0]


@pytest.mark.parametrize("skew", [-SKEW, SKEW])
def test_what_is_promoted_next_goes_back_by_whichever_clock(
    promoted: Bench, skew: timedelta
) -> None:
    roll_back_by_another_clock(promoted, skew)
    promoted.deploy(promoted.register(V3), code="sha256:third")
    promoted.released("release-2")
    assert promoted.live() == ("3", {}, "3")
    assert roll_back_by_another_clock(promoted, skew) == "1"


def test_by_a_clock_that_is_behind_nobody_goes_back_too_far(promoted: Bench) -> None:
    promoted.deploy(settings="more memory")
    promoted.released("release-2")
    assert promoted.rollback.roll_back(None, ANN).version == "2"
    promoted.clock.time -= SKEW
    assert "was taken back lately (rolled back by ann)" in refusal(promoted)
    assert promoted.rollback.roll_back("1", ANN).version == "1"


def test_a_canary_that_was_just_taken_back_is_not_followed_by_its_champion(
    promoted: Bench,
) -> None:
    promoted.deploy(settings="more memory")
    promoted.canary("release-2")
    assert promoted.rollback.roll_back(None, ANN).version == "2"
    assert "release-2 was taken back" in refusal(promoted)


def test_who_gives_up_while_it_checks_holds_up_nobody(promoted: Bench) -> None:
    def interrupted(operation: str, key: str) -> None:
        if key.startswith("models/"):
            raise KeyboardInterrupt

    promoted.before = interrupted
    with pytest.raises(KeyboardInterrupt):
        promoted.rollback.roll_back(None, ANN)
    promoted.before = lambda operation, key: None
    assert promoted.rollback.roll_back(None, ANN).version == "1"


def test_a_rollback_of_which_nobody_can_be_told_is_one_all_the_same(promoted: Bench) -> None:
    promoted.notices.before = unavailable
    done = promoted.rollback.roll_back(None, ANN)
    assert "Nobody was told" in done.text
    assert promoted.live() == ("1", {}, "1")


@pytest.mark.parametrize("to", ["2", str(V2)])
def test_it_goes_where_it_is_told(promoted: Bench, to: str) -> None:
    promoted.deploy(promoted.register(V3), code="sha256:third")
    promoted.released("release-2")
    assert promoted.rollback.roll_back(to, ANN).version == "2"
    assert promoted.live() == ("2", {}, "2")


def test_a_version_that_somebody_moved_by_hand(promoted: Bench) -> None:
    promoted.deploy(code="sha256:third")
    promoted.api.publish()
    promoted.api.move("3", {}, promoted.api.traffic().revision)
    assert promoted.rollback.roll_back(None, ANN).version == "2"


def test_a_version_that_was_promoted_after_one_moved_by_hand(promoted: Bench) -> None:
    """Nothing is known of the version in between: it goes back to the last release's."""
    promoted.deploy(code="sha256:third")
    promoted.api.publish()
    promoted.api.move("3", {}, promoted.api.traffic().revision)
    promoted.deploy(promoted.register(V3), code="sha256:fourth")
    promoted.released("release-2")
    assert promoted.live()[0] == "4"
    assert promoted.rollback.roll_back(None, ANN).version == "2"
    assert promoted.live() == ("2", {}, "2")


def test_a_release_of_batch_alone(promoted: Bench) -> None:
    promoted.batch.deploy(settings="more memory")
    promoted.released_at_once("release-2")
    assert promoted.live() == ("2", {}, "3")
    assert promoted.rollback.roll_back(None, ANN).version == "2"
    assert promoted.live() == ("2", {}, "2")
    promoted.wait(timedelta(minutes=3))
    assert promoted.rollback.roll_back(None, ANN).version == "1"
    assert promoted.live() == ("1", {}, "1")


def by_hand(bench: Bench) -> None:
    bench.deploy(code="sha256:by hand")
    bench.api.move(bench.api.publish().number, {}, bench.api.traffic().revision)


def test_what_people_went_back_from_is_not_gone_back_to(promoted: Bench) -> None:
    promoted.rollback.roll_back(None, ANN)  # from 2 to 1
    by_hand(promoted)
    promoted.wait(timedelta(minutes=3))
    assert promoted.rollback.roll_back(None, ANN).version == "1"


def test_nor_after_a_further_release(promoted: Bench) -> None:
    promoted.rollback.roll_back(None, ANN)  # from 2 to 1
    by_hand(promoted)
    promoted.deploy(promoted.register(V3), code="sha256:fourth")
    promoted.released("release-2")
    assert promoted.live()[0] == "4"
    assert promoted.rollback.roll_back(None, ANN).version == "1"


def test_a_batch_function_that_was_moved_by_hand(promoted: Bench) -> None:
    """Its version of then comes back; and from there, what was gone back from does not."""
    promoted.deploy(promoted.register(V3), code="sha256:third")
    promoted.released("release-2")
    promoted.batch.deploy(settings="by hand")
    promoted.batch.move(promoted.batch.publish().number, {}, promoted.batch.traffic().revision)
    assert promoted.rollback.roll_back(None, ANN).version == "2"
    assert promoted.live() == ("2", {}, "2")
    promoted.wait(timedelta(minutes=3))
    assert promoted.rollback.roll_back(None, ANN).version == "1"


@pytest.mark.fault
@pytest.mark.parametrize(
    "damage",
    [
        b"oops",
        b"{}",
        b"[]",
        b'{"dangling_since": 7}',
        b'{"dangling_since": null, "holder": {"kind": "release", "id": "!", "at": "2026-01-01"}}',
        b"\xff",
    ],
)
def test_a_lock_that_nobody_can_read_keeps_nobody_from_going_back(
    promoted: Bench, damage: bytes
) -> None:
    overwrite(promoted.objects, CURRENT, damage)
    assert promoted.rollback.roll_back(None, ANN).version == "1"
    assert promoted.live() == ("1", {}, "1")
    assert promoted.lock.read().holder is None


def test_there_is_nothing_to_go_back_to() -> None:
    assert "no release was ever promoted" in refusal(Bench())


def test_what_is_live_already(promoted: Bench) -> None:
    assert refusal(promoted, "2") == "version 2 is live already"


@pytest.mark.parametrize("to", ["9", "3", "churn-model-v9.0.0", "$LATEST"])
def test_a_version_that_was_never_live(promoted: Bench, to: str) -> None:
    reason = refusal(promoted, to)
    assert f"{to} was never live by a release; these were: version 1 with {V1}" in reason
    assert promoted.lock.read().holder is None


def test_another_rollback_is_under_way(promoted: Bench) -> None:
    holder = Holder(Kind.ROLLBACK, "rollback-1", promoted.clock.time)
    promoted.lock.write(promoted.lock.read(), holder)
    assert refusal(promoted) == "a rollback is under way (rollback-1)"


def test_another_rollback_begins_at_the_same_time(promoted: Bench) -> None:
    def before(operation: str, key: str) -> None:
        if (operation, key) == ("replace", CURRENT):
            holder = Holder(Kind.ROLLBACK, "rollback-1", promoted.clock.time)
            promoted.lock.write(promoted.lock.read(), holder)

    promoted.before = before
    assert refusal(promoted) == "a release or another rollback has just begun"


def lose(bench: Bench) -> None:
    bench.objects.remove(f"models/{V1}/manifest.json")


def lose_a_file(bench: Bench) -> None:
    bench.objects.remove(f"models/{V1}/model.onnx")


def damage_a_file(bench: Bench) -> None:
    overwrite(bench.objects, f"models/{V1}/model.onnx", b"another")


def replace_manifest(bench: Bench) -> None:
    overwrite(bench.objects, f"models/{V1}/manifest.json", b"{}")


def remove_version(bench: Bench) -> None:
    bench.api.remove("1")


def remove_batch_version(bench: Bench) -> None:
    bench.batch.remove("1")


def remove_image(bench: Bench) -> None:
    bench.api.dead.add("1")


def remove_batch_image(bench: Bench) -> None:
    bench.batch.dead.add("1")


@pytest.mark.parametrize(
    "damage",
    [
        lose,
        lose_a_file,
        damage_a_file,
        replace_manifest,
        remove_version,
        remove_batch_version,
        remove_image,
        remove_batch_image,
    ],
)
def test_what_cannot_come_back_is_refused(promoted: Bench, damage: Callable[[Bench], None]) -> None:
    damage(promoted)
    assert refusal(promoted).startswith("version 1 cannot come back: ")
    assert promoted.lock.read().holder is None
