"""What `make load` ends with, said of which threshold; the load itself is played."""

import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from bench.ending import SIGNALS
from load import command, page
from load.answers import plain
from load.profiles import PROFILES, Profile
from load.record import Answer, Measured, read
from load.targets import TARGETS, CannotStart, Target
from tests.unit.load.test_record import GOOD, SHORT, SOAK, memory

SLOW = [Answer(answer.second, 20.5) for answer in GOOD]
FAILED = [*GOOD[:-1], Answer(3.9, 10.0, "status 503")]
EACH_SECOND = [Answer(float(second), 10.0) for second in range(600)]


@contextmanager
def played() -> Iterator[Target]:
    yield Target("http://nowhere", "/", lambda asked: b"", plain, lambda: 1)


@contextmanager
def broken_down() -> Iterator[Target]:
    raise CannotStart("it does not answer")
    yield  # a context manager is a generator


Outcome = tuple[int, str]
Run = Callable[..., Outcome]


@pytest.fixture
def run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """The command's exit code and what it says, where each run measures the next of `found`."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    for name, place in {"RESULTS": tmp_path, "PICTURES": tmp_path, "PAGE": tmp_path / "p"}.items():
        monkeypatch.setattr(page, name, place)
    page.PAGE.write_text(f"before\n{page.BEGIN}{page.END}after\n")
    for target in PROFILES:
        monkeypatch.setitem(PROFILES, target, {"steady": SHORT, "soak": SOAK})
    monkeypatch.setattr(command, "revision", lambda *_: "c0ffee123456")

    def ran(
        *given: str,
        found: list[Measured],
        target: Callable[[], AbstractContextManager[Target]] = played,
    ) -> Outcome:
        for name in PROFILES:
            monkeypatch.setitem(TARGETS, name, target)
        measured = iter(found)

        def drive(target: Target, profile: Profile, connections: int) -> Measured:
            return next(measured)

        code = command.main(given, drive)
        assert next(measured, None) is None, "not all was run"
        said = capsys.readouterr()
        return code, said.out + said.err

    yield ran
    for number, handler in before.items():
        signal.signal(number, handler)


STEADY = ("--target=server", "--profile=steady")


def test_a_run_that_keeps_its_thresholds_succeeds_and_is_kept(run: Run) -> None:
    code, said = run(*STEADY, found=[Measured(list(GOOD))])
    assert (code, "BROKEN" in said) == (0, False)
    kept = read(page.file_of("server", "steady"))
    assert (kept.requests, kept.commit) == (100, "c0ffee123456")
    assert "| yes |" in page.PAGE.read_text()


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        (FAILED, "1 × status 503"),
        (SLOW, "p95 is 20.5 ms, more than 20 ms"),
        (GOOD[:98], "98 of 100 requests could be made"),
    ],
)
def test_a_threshold_that_is_not_kept_fails_and_is_named(
    run: Run, answers: list[Answer], problem: str
) -> None:
    code, said = run(*STEADY, found=[Measured(answers)])
    assert code == 1
    assert said.count("BROKEN") == 1 and f"BROKEN: {problem}\n" in said
    assert "| no |" in page.PAGE.read_text()


@pytest.mark.parametrize(
    ("in_the_end", "code", "problem"),
    [
        (104, 0, None),
        (105, 1, "resident memory grew by 5.0%, not less than 5%"),
        (None, 1, "resident memory could not be read until the end"),
    ],
)
def test_a_soak_fails_where_memory_grows_or_is_unknown(
    run: Run, in_the_end: int | None, code: int, problem: str | None
) -> None:
    sizes = memory(at_first=100, in_the_end=in_the_end or 100)
    readings = sizes if in_the_end else sizes[:60]  # as of a process that is gone
    found = Measured(EACH_SECOND, readings)
    ended, said = run("--target=server", "--profile=soak", found=[found])
    assert ended == code
    assert [line for line in said.splitlines() if "BROKEN" in line] == (
        [f"  BROKEN: {problem}"] if problem else []
    )


def test_one_broken_run_of_several_fails_all_and_keeps_none_from_running(run: Run) -> None:
    code, said = run("--profile=steady", found=[Measured(FAILED), Measured(list(GOOD))])
    assert (code, said.count("BROKEN")) == (1, 1)
    assert page.file_of("container", "steady").exists()


def test_what_cannot_start_is_told_and_no_result(run: Run) -> None:
    code, said = run(*STEADY, found=[], target=broken_down)
    assert (code, "it does not answer" in said) == (2, True)
    assert not page.file_of("server", "steady").exists()


def test_what_was_run_before_that_is_on_the_page(run: Run) -> None:
    targets = iter([played, broken_down])
    code, _ = run(
        "--profile=steady",
        found=[Measured(list(GOOD))],
        target=lambda: next(targets)(),
    )
    assert (code, page.PAGE.read_text().count("| yes |")) == (2, 1)


def test_a_part_leaves_the_results_of_the_others(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run(*STEADY, found=[Measured(list(GOOD))])
    monkeypatch.setattr(command, "revision", lambda *_: "decaf0123456-dirty")
    run("--target=container", "--profile=steady", found=[Measured(list(GOOD))])
    rows = [line for line in page.PAGE.read_text().splitlines() if "| yes |" in line]
    assert [row.split(" | ")[-1] for row in rows] == ["c0ffee123456 |", "decaf0123456-dirty |"]
