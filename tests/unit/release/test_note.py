"""The note in an alias's description."""

import pytest

from mlops.release.note import MOST_CHARACTERS, Note, Reached, read_note

NOTE = Note("release-1", Reached.CANARY, "1", "2", "3", "4", who="ann")
EVENTBRIDGE = "6e8d2f6b-4dd9-21f3-6eaf-2b6a4b5e6f70_9f1f8cf1-8a46-9d3f-b34e-5a0c1d2e3f40"


def test_a_note_is_read_as_it_was_written() -> None:
    assert read_note(NOTE.to_text()) == NOTE
    undone = Note(by="", reached=Reached.BEGIN, back="release-1")
    assert read_note(undone.to_text()) == undone


@pytest.mark.parametrize(
    "text",
    [
        "",
        "somebody's own words",
        "[]",
        "7",
        "{}",
        '{"by": "release-1"}',
        '{"by": "release-1", "reached": "moon"}',
        '{"by": 7, "reached": "begin"}',
        '{"reached": "begin"}',
        '{"by": "release-1", "reached": "begin", "unknown": "1"}',
        "[" * 100_000,
    ],
)
def test_what_no_release_has_written_is_no_note(text: str) -> None:
    assert read_note(text) is None


@pytest.mark.parametrize(
    "who", ["ann", "an operator with a very long name " * 9, 'quotes "' * 40, "ü" * 300]
)
def test_a_note_always_fits(who: str) -> None:
    """With the name that EventBridge gives to an execution, and numbers of five digits."""
    versions = ("10001", "10002", "10003", "10004")
    for note in (
        Note(EVENTBRIDGE, Reached.PROMOTE, *versions, who=who),
        Note("rollback-20260301T120000-0a1b2c3d", Reached.PROMOTE, *versions, EVENTBRIDGE, who),
        Note("", Reached.PROMOTE, *versions, EVENTBRIDGE, who),
    ):
        text = note.to_text()
        assert len(text) <= MOST_CHARACTERS
        found = read_note(text)
        assert found is not None
        assert (found.by, found.back, found.batch) == (note.by, note.back, "10004")
        assert found.who
        assert who.startswith(found.who)


def test_a_rollback_is_recorded_besides_the_release_that_it_undid() -> None:
    assert NOTE.names == ("release-1",)
    undone = Note("rollback-1", Reached.BEGIN, "1", "2", "3", "4", back="release-1")
    assert (undone.names, undone.release) == (("release-1", "rollback-1"), "release-1")
    assert Note("rollback-1", back="release-1").names == ("release-1",)
