"""Pages of files are counted where the kernel tells of them."""

import os
from pathlib import Path

import pytest

from bench.errors import NotMeasured
from bench.files import resident


def test_what_was_just_written_is_in_memory(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(3 * 4096 + 1))
    assert resident(tmp_path / "file") >= 3 * 4096


def test_who_is_not_told_counts_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel says of a file of others that all of it is in memory: it would seem unread."""
    (tmp_path / "file").write_bytes(b"x")
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(NotMeasured, match="who does not own"):
        resident(tmp_path / "file")
