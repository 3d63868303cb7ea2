"""The note in the description of an alias: who moved it last, and what for.

It changes only together with the alias, under one revision. So it is the lock of releases, and
their journal: each reader of an alias learns which release owns it, how far that came, and what was
live before.
"""

import json
from dataclasses import dataclass, replace
from enum import StrEnum

MOST_CHARACTERS = 256
"""Lambda takes no longer description."""


class Reached(StrEnum):
    """How far a release came with one alias."""

    BEGIN = "begin"
    """The alias is reserved; the version that was live has all traffic."""
    CANARY = "canary"
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    """An operator went back to an earlier version, which has all traffic."""


@dataclass(frozen=True)
class Note:
    """What a release, or a rollback after a promotion, leaves at both aliases.

    by: its id. reached: how far it came with this alias.
    api_was, batch_was: the versions that were live. api, batch: those that are to be.
    who: the operator who wants the promotion, or the rollback.
    undone: whether the versions that were live are live again, and no move of it succeeds any more.
    """

    by: str
    reached: Reached
    api_was: str
    api: str
    batch_was: str
    batch: str
    who: str = ""
    undone: bool = False

    @property
    def is_rollback(self) -> bool:
        """Whether an operator went back: from this release, or to another version."""
        return self.reached is Reached.ROLLBACK or bool(self.undone and self.who)

    def was(self, part: str) -> str:
        """Return the version that was live. part: `api` or `batch`."""
        return self.api_was if part == "api" else self.batch_was

    def target(self, part: str) -> str:
        """Return the version that is to be live."""
        return self.api if part == "api" else self.batch

    def to_text(self) -> str:
        """Write it as JSON; of the operator's name only as much as there is room for."""
        said = {name: value for name, value in vars(self).items() if value}
        text = json.dumps(said, separators=(",", ":"), ensure_ascii=False)
        if len(text) > MOST_CHARACTERS and self.who:
            return replace(self, who=self.who[:-1]).to_text()
        return text


def read_note(text: str) -> Note | None:
    """Read a description; None where it is empty, or was not written by a release."""
    try:
        said = json.loads(text)
        note = Note(**{**said, "reached": Reached(said["reached"])})
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    *texts, undone = vars(note).values()
    is_note = all(isinstance(value, str) for value in texts) and isinstance(undone, bool)
    return note if is_note and note.by else None
