"""The key that hashes ids in the log of a server on one's own machine."""

import stat
from pathlib import Path

from functions.api.local_key import FILE, keep_log_key
from functions.api.settings import read_lambda_settings


def test_a_key_is_made_once_and_kept_for_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    key = keep_log_key(folder)
    assert read_lambda_settings({"MLOPS_LOG_KEY": key}).log_key == key
    assert keep_log_key(folder) == key
    assert [file.name for file in folder.iterdir()] == [FILE]
    assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o600


def test_two_folders_have_two_keys(tmp_path: Path) -> None:
    assert keep_log_key(tmp_path / "a") != keep_log_key(tmp_path / "b")


def test_a_file_without_a_key_is_replaced(tmp_path: Path) -> None:
    for content in (b"", b"\n", b"\xff\xfe"):
        (tmp_path / FILE).write_bytes(content)
        key = keep_log_key(tmp_path)
        assert len(key) == 64
        assert keep_log_key(tmp_path) == key


def test_where_nothing_can_be_kept_there_is_no_key(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert keep_log_key(file) == ""
