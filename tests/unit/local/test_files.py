"""What the folder adds to the contract: other processes, and a file system that refuses."""

import errno
import fcntl
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from types import ModuleType

import pytest

from mlops.errors import (
    ObjectBlocked,
    ObjectChanged,
    ObjectExists,
    ObjectNotFound,
    StoreFull,
    StoreUnavailable,
)
from mlops.local.files import FolderObjects

WRITERS = 4


def test_one_of_many_creators_wins(tmp_path: Path) -> None:
    objects, together = FolderObjects(tmp_path), Barrier(WRITERS)

    def create(writer: int) -> bool:
        together.wait(timeout=10)
        try:
            objects.create("models/key", b"%d" % writer * 100_000)
        except ObjectExists:
            return False
        return True

    with ThreadPoolExecutor(WRITERS) as threads:
        won = list(threads.map(create, range(WRITERS)))
    assert won.count(True) == 1
    assert objects.get("models/key").content == b"%d" % won.index(True) * 100_000


def test_of_competing_replacements_none_is_lost(tmp_path: Path) -> None:
    together, each = Barrier(WRITERS), 25
    FolderObjects(tmp_path).create("counter", b"0")

    def count(_: int) -> None:
        objects = FolderObjects(tmp_path)
        together.wait(timeout=10)
        done = 0
        while done < each:
            found = objects.get("counter")
            try:
                objects.replace("counter", b"%d" % (int(found.content) + 1), found.tag)
            except ObjectChanged:
                continue
            done += 1

    with ThreadPoolExecutor(WRITERS) as threads:
        list(threads.map(count, range(WRITERS)))
    assert FolderObjects(tmp_path).get("counter").content == b"%d" % (WRITERS * each)


def test_objects_can_be_read_by_other_users(tmp_path: Path) -> None:
    objects = FolderObjects(tmp_path)
    objects.create("a/created", b"")
    objects.replace("a/replaced", b"", None)
    modes = [path.stat().st_mode & 0o777 for path in (tmp_path / "a").iterdir()]
    assert modes == [0o644, 0o644]


def test_nothing_stays_behind_and_nothing_hidden_is_listed(tmp_path: Path) -> None:
    objects = FolderObjects(tmp_path)
    objects.create("a/key", b"")
    with pytest.raises(ObjectExists):
        objects.create("a/key", b"")
    with pytest.raises(ObjectChanged):
        objects.replace("a/key", b"", None)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["key"]
    (tmp_path / "a" / ".half-written").write_bytes(b"")
    assert list(objects.keys("")) == ["a/key"]


def test_where_a_folder_should_be_there_is_a_file(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.write_bytes(b"")
    objects = FolderObjects(root)
    with pytest.raises(ObjectNotFound):
        objects.get("key")
    assert list(objects.keys("")) == []
    with pytest.raises(StoreUnavailable):
        objects.create("key", b"")
    with pytest.raises(StoreUnavailable):
        objects.replace("key", b"", None)


def test_something_else_in_an_objects_place_is_told_from_no_object(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "link").symlink_to("nowhere")
    objects = FolderObjects(tmp_path)
    for key in ("folder", "file/key", "link"):
        with pytest.raises(ObjectBlocked) as caught:
            objects.get(key)
        assert str(caught.value).startswith(f"{key}: {tmp_path / key}: ")
    with pytest.raises(ObjectNotFound) as missing:
        objects.get("missing")
    assert not isinstance(missing.value, ObjectBlocked)


def test_a_name_that_the_file_system_refuses(tmp_path: Path) -> None:
    objects, key = FolderObjects(tmp_path), "x" * 300
    with pytest.raises(StoreUnavailable):
        objects.get(key)
    with pytest.raises(StoreUnavailable):
        objects.create(key, b"")
    with pytest.raises(StoreUnavailable):
        objects.replace(key, b"", None)
    with pytest.raises(StoreUnavailable):
        objects.replace(f"{key}/deeper", b"", None)
    assert list(tmp_path.iterdir()) in ([], [tmp_path / ".lock"])


def test_a_lock_that_cannot_be_taken(tmp_path: Path) -> None:
    (tmp_path / ".lock").mkdir()
    with pytest.raises(StoreUnavailable) as caught:
        FolderObjects(tmp_path).replace("key", b"", None)
    assert caught.value.key == "key"
    assert not (tmp_path / "key").exists()


def test_a_folder_that_cannot_be_listed(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        FolderObjects(tmp_path).keys("x" * 300 + "/")
    assert caught.value.key == "x" * 300 + "/"


NO_LINKS = [errno.EPERM, errno.EMLINK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EXDEV]


def without(monkeypatch: pytest.MonkeyPatch, module: ModuleType, name: str, number: int) -> None:
    """Let a function of the system fail as a file system lets it fail that cannot do it."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(module, name, refuse)


@pytest.mark.parametrize("number", NO_LINKS)
def test_without_hard_links_an_object_is_still_created_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    without(monkeypatch, os, "link", number)
    objects = FolderObjects(tmp_path)
    objects.create("a/key", b"first")
    with pytest.raises(ObjectExists):
        objects.create("a/key", b"second")
    assert objects.get("a/key").content == b"first"
    assert list(objects.keys("")) == ["a/key"]
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["key"]


def test_without_hard_links_one_of_many_creators_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, os, "link", errno.EPERM)
    for _ in range(20):
        test_one_of_many_creators_wins(tmp_path / os.urandom(8).hex())


def test_with_neither_hard_links_nor_locks_it_says_what_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, os, "link", errno.EOPNOTSUPP)
    without(monkeypatch, fcntl, "flock", errno.EOPNOTSUPP)
    with pytest.raises(StoreUnavailable) as caught:
        FolderObjects(tmp_path).create("key", b"")
    assert str(caught.value) == (
        "key: Operation not supported;"
        " the file system has no file locks, so name a folder on another disk"
    )
    assert not (tmp_path / "key").exists()


def test_without_file_modes_an_object_is_still_created(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, os, "fchmod", errno.EPERM)
    FolderObjects(tmp_path).create("key", b"content")
    assert FolderObjects(tmp_path).get("key").content == b"content"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_from_one_that_cannot_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    without(monkeypatch, os, "fsync", number)
    objects = FolderObjects(tmp_path)
    with pytest.raises(StoreFull, match="free some space and try again"):
        objects.create("key", b"")
    with pytest.raises(StoreFull, match="free some space and try again"):
        objects.replace("key", b"", None)
    assert list(objects.keys("")) == []


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.EACCES, "give this user access"),
        (errno.EROFS, "name a place that can be written"),
        (errno.EMFILE, "ulimit -n"),
    ],
)
def test_a_refusal_of_the_file_system_says_what_to_do_and_shows_no_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, remedy: str
) -> None:
    without(monkeypatch, tempfile, "mkstemp", number)
    with pytest.raises(StoreUnavailable) as caught:
        FolderObjects(tmp_path).create("key", b"")
    assert remedy in str(caught.value)
    assert "Errno" not in str(caught.value)
