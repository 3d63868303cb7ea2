"""All take turns, nobody always first; of each figure it is kept how far its rounds lie apart."""

import subprocess
from pathlib import Path

from bench.revision import WRITTEN, revision
from bench.rounds import summary, turns


def test_who_was_last_is_first_in_the_next_round() -> None:
    assert [turns("abc", number) for number in range(3)] == [[*"abc"], [*"cba"], [*"abc"]]


def test_a_summary_is_the_median_and_the_range() -> None:
    assert summary({"p50_ms": [3.00049, 1.0, 2.0]}) == {
        "p50_ms": 2.0,
        "p50_ms_range": [1.0, 3.0],
    }


def test_results_name_the_commit_and_whether_it_is_all(tmp_path: Path) -> None:
    assert revision(tmp_path) is None

    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=x", "-c", "user.email=x@example.com")
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True)

    git("init", "-q")
    for path in ("code.py", *WRITTEN):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("once\n")
    git("add", ".")
    git("commit", "-qm", "First")
    found = revision(tmp_path)
    assert found is not None
    assert len(found) == 12
    for path in WRITTEN:  # by the measurement itself
        (tmp_path / path).write_text("again\n")
    assert revision(tmp_path) == found
    (tmp_path / "code.py").write_text("changed\n")
    assert revision(tmp_path) == f"{found}-dirty"
