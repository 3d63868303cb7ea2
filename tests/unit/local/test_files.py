"""What the folder adds to the contract: other processes, and a file system that refuses."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from mlops.errors import ObjectChanged, ObjectExists, ObjectNotFound, StoreUnavailable
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
