"""The note in an alias's description."""

from dataclasses import replace

import pytest

from mlops.release.note import MOST_CHARACTERS, Note, Reached, read_note

NOTE = Note("release-1", Reached.CANARY, "1", "2", "3", "4", who="ann")
EVENTBRIDGE = "6e8d2f6b-4dd9-21f3-6eaf-2b6a4b5e6f70_9f1f8cf1-8a46-9d3f-b34e-5a0c1d2e3f40"


def test_a_note_is_read_as_it_was_written() -> None:
    for note in (NOTE, replace(NOTE, undone=True)):
        assert read_note(note.to_text()) == note


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
        NOTE.to_text().replace('"1"', "1"),
        NOTE.to_text().replace('"by":"release-1",', ""),
        NOTE.to_text().replace("{", '{"unknown":"1",'),
        NOTE.to_text().replace("{", '{"undone":"yes",'),
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
    note = Note(EVENTBRIDGE, Reached.PROMOTE, *versions, who=who, undone=True)
    text = note.to_text()
    assert len(text) <= MOST_CHARACTERS
    found = read_note(text)
    assert found is not None
    assert replace(found, who=who) == note
    assert found.who
    assert who.startswith(found.who)


@pytest.mark.parametrize(
    ("note", "is_rollback"),
    [
        (NOTE, False),
        (replace(NOTE, undone=True), True),
        (replace(NOTE, undone=True, who=""), False),
        (replace(NOTE, reached=Reached.ROLLBACK), True),
    ],
)
def test_a_note_says_whether_an_operator_went_back(note: Note, is_rollback: bool) -> None:
    assert note.is_rollback == is_rollback
