"""A queue in a folder: delivered at least once, given up after some tries, safe for several."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest

from mlops.errors import StoreUnavailable
from mlops.local.queue import FolderQueue, Message

HIDDEN = 30.0


class Clock:
    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(tmp_path: Path, clock: Clock) -> FolderQueue:
    return FolderQueue(tmp_path / "queue", clock, max_receives=3)


def one(queue: FolderQueue) -> Message:
    (message,) = queue.receive(10, HIDDEN)
    return message


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_before_anything_was_sent_there_is_nothing(queue: FolderQueue) -> None:
    assert queue.receive(10, HIDDEN) == []


def test_messages_come_in_order_and_are_gone_when_deleted(
    queue: FolderQueue, clock: Clock, tmp_path: Path
) -> None:
    queue.send([f"é{number}" for number in range(12)], "ann")
    clock.advance(0.001)
    queue.send(["last"], "ann")
    first = queue.receive(10, HIDDEN)
    rest = queue.receive(10, HIDDEN)
    assert [message.body for message in [*first, *rest]] == [*[f"é{n}" for n in range(12)], "last"]
    for message in [*first, *rest]:
        queue.delete(message.receipt)
    clock.advance(HIDDEN)
    assert queue.receive(10, HIDDEN) == []
    assert files(tmp_path) == []


def test_another_process_finds_what_was_sent(
    queue: FolderQueue, clock: Clock, tmp_path: Path
) -> None:
    queue.send(["body"], "ann")
    assert one(FolderQueue(tmp_path / "queue", clock)).body == "body"


def test_a_message_is_hidden_from_others_until_its_time_is_over(
    queue: FolderQueue, clock: Clock
) -> None:
    queue.send(["body"], "ann")
    first = one(queue)
    clock.advance(HIDDEN - 0.001)
    assert queue.receive(10, HIDDEN) == []
    clock.advance(0.001)
    second = one(queue)
    assert (first.message_id, first.body) == (second.message_id, second.body)
    assert (first.receives, second.receives) == (1, 2)


def test_an_old_receipt_deletes_nothing(queue: FolderQueue, clock: Clock) -> None:
    """A worker that was too slow must not end what somebody else is working on."""
    queue.send(["body"], "ann")
    slow = one(queue)
    clock.advance(HIDDEN)
    quick = one(queue)
    queue.delete(slow.receipt)
    queue.release(slow.receipt, 0)
    assert queue.receive(10, HIDDEN) == []
    clock.advance(HIDDEN)
    assert one(queue).receives == 3
    queue.delete(quick.receipt)


def test_a_message_that_is_released_is_received_again_soon(
    queue: FolderQueue, clock: Clock
) -> None:
    queue.send(["body"], "ann")
    queue.release(one(queue).receipt, seconds=2)
    clock.advance(1.9)
    assert queue.receive(10, HIDDEN) == []
    clock.advance(0.1)
    assert one(queue).receives == 2


def test_after_its_tries_it_is_put_aside_and_others_are_not(
    queue: FolderQueue, clock: Clock, tmp_path: Path
) -> None:
    queue.send(["poison", "good"], "ann")
    poison, good = queue.receive(10, HIDDEN)
    queue.delete(good.receipt)
    for receives in (2, 3):
        clock.advance(HIDDEN)
        assert one(queue).receives == receives
    queue.send(["later"], "ann")
    clock.advance(HIDDEN)
    assert one(queue).body == "later"
    (dead,) = (tmp_path / "queue" / "dead").iterdir()
    assert dead.name == f"{poison.message_id}.json"
    assert dead.read_text() == "poison"


@pytest.mark.parametrize("crash", ["while it is written", "while it is received"])
def test_a_crash_loses_nothing(
    queue: FolderQueue,
    clock: Clock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    crash: str,
) -> None:
    class Killed(BaseException):
        """Nothing after it is done: a process that dies cleans up nothing."""

    def killed(*_: object, **__: object) -> None:
        raise Killed

    queue.send(["first"], "ann")
    with monkeypatch.context() as patch, pytest.raises(Killed):
        if crash == "while it is written":
            patch.setattr("os.fsync", killed)
            patch.setattr(Path, "unlink", lambda *_, **__: None)
            queue.send(["second"], "ann")
        else:
            patch.setattr(Path, "read_text", killed)
            queue.receive(1, HIDDEN)
    clock.advance(HIDDEN)
    assert one(FolderQueue(tmp_path / "queue", clock)).body == "first"


def test_of_several_receivers_each_message_has_one(
    queue: FolderQueue, clock: Clock, tmp_path: Path
) -> None:
    bodies = [str(number) for number in range(200)]
    queue.send(bodies, "ann")
    together = Barrier(4)

    def receive(_: int) -> list[str]:
        mine = FolderQueue(tmp_path / "queue", clock)
        together.wait(timeout=10)
        found: list[str] = []
        while messages := mine.receive(3, HIDDEN):
            found += [message.body for message in messages]
        return found

    with ThreadPoolExecutor(4) as threads:
        received = sum(threads.map(receive, range(4)), [])
    assert sorted(received) == sorted(bodies)


def test_one_that_slept_after_taking_a_message_gets_nothing(
    queue: FolderQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object, **__: object) -> str:
        raise FileNotFoundError

    queue.send(["body"], "ann")
    monkeypatch.setattr(Path, "read_text", gone)
    assert queue.receive(1, HIDDEN) == []


def test_files_of_others_are_left_alone(queue: FolderQueue, tmp_path: Path) -> None:
    queue.send(["body"], "ann")
    for name in (".half-written", "README", "1-2-3.json", "a-b-c-d.json"):
        (tmp_path / "queue" / "messages" / name).write_text("x")
    assert one(queue).body == "body"
    assert len(files(tmp_path)) == 5


def test_a_folder_that_cannot_be_used(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "queue").write_text("a file")
    queue = FolderQueue(tmp_path / "queue", clock)
    for use in (
        lambda: queue.send(["body"], "ann"),
        lambda: queue.receive(1, HIDDEN),
        lambda: queue.delete("0-0-a-1.json"),
        lambda: queue.release("0-0-a-1.json", 1),
    ):
        with pytest.raises(StoreUnavailable, match="queue"):
            use()


def test_a_relative_folder_will_do(
    clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    queue = FolderQueue(Path("state/queue"), clock, max_receives=1)
    queue.send(["body"], "ann")
    one(queue)
    clock.advance(HIDDEN)
    assert queue.receive(1, HIDDEN) == []
    assert len(list(Path("state/queue/dead").iterdir())) == 1


@pytest.mark.parametrize("seconds", [1, HIDDEN, 3600, 10 * 365 * 86_400])
def test_a_message_that_was_sent_before_the_clock_was_set_back_is_received(
    queue: FolderQueue, clock: Clock, seconds: float
) -> None:
    queue.send(["body"], "ann")
    clock.advance(-seconds)
    assert one(queue).body == "body"
    assert queue.receive(10, HIDDEN) == []


@pytest.mark.parametrize("seconds", [1, HIDDEN, 3600])
def test_a_message_is_received_again_in_its_time_though_the_clock_was_set_back(
    queue: FolderQueue, clock: Clock, seconds: float
) -> None:
    queue.send(["body"], "ann")
    one(queue)
    clock.advance(-seconds)
    for _ in range(2):  # what is hidden now was received before the clock was set back
        if queue.receive(10, HIDDEN):
            return
        clock.advance(HIDDEN)
    pytest.fail("the message is hidden for longer than a receiver asked for")


def test_a_released_message_is_received_again_though_the_clock_was_set_back(
    queue: FolderQueue, clock: Clock
) -> None:
    queue.send(["body"], "ann")
    queue.release(one(queue).receipt, seconds=2)
    clock.advance(-3600)
    assert one(queue).receives == 2


def test_the_clock_running_on_while_messages_are_listed_hides_nothing_and_shows_nothing_twice(
    tmp_path: Path,
) -> None:
    """Another receiver takes the message later than this one looked at its clock."""
    ticking = Clock()

    def tick() -> datetime:
        ticking.advance(0.005)
        return ticking()

    queue = FolderQueue(tmp_path / "queue", tick)
    queue.send(["body"], "ann")
    one(FolderQueue(tmp_path / "queue", tick))
    assert queue.receive(10, HIDDEN) == []
