"""The disk only ever helps: it spares reads, and none of its troubles is anybody's error."""

from pathlib import Path

import pytest

from mlops.errors import StoreThrottled
from mlops.inference.manifest import digest_of
from mlops.inference.version import ModelVersion
from mlops.local.cache import CachedSource

VERSION = ModelVersion("churn", 1, 0, 0)
CONTENT = b"a model"
DIGEST = digest_of(CONTENT)


class Counted:
    """Implements `ArtifactSource` with one content for all."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.asked: list[tuple[ModelVersion, str, str]] = []

    def read(self, version: ModelVersion, file: str, digest: str) -> bytes:
        self.asked.append((version, file, digest))
        return self._content


def read(source: Counted, folder: Path) -> bytes:
    """As a new process would."""
    return CachedSource(source, folder).read(VERSION, "model.onnx", DIGEST)


def test_what_was_read_once_is_not_asked_for_again(tmp_path: Path) -> None:
    source, folder = Counted(CONTENT), tmp_path / "not" / "there yet"
    assert [read(source, folder) for _ in range(3)] == [CONTENT] * 3
    assert source.asked == [(VERSION, "model.onnx", DIGEST)]


@pytest.mark.parametrize("damaged", [b"", CONTENT[:-1], b"b model"])
def test_a_damaged_file_is_fetched_anew(tmp_path: Path, damaged: bytes) -> None:
    source = Counted(CONTENT)
    read(source, tmp_path)
    (cached,) = tmp_path.iterdir()
    cached.write_bytes(damaged)
    assert read(source, tmp_path) == CONTENT
    assert len(source.asked) == 2
    assert read(source, tmp_path) == CONTENT
    assert len(source.asked) == 2


def test_a_cache_that_cannot_be_used_is_no_error(tmp_path: Path) -> None:
    source, folder = Counted(CONTENT), tmp_path / "a file"
    folder.write_bytes(b"")
    assert [read(source, folder) for _ in range(2)] == [CONTENT] * 2
    assert len(source.asked) == 2


def test_a_place_that_is_taken_is_no_error(tmp_path: Path) -> None:
    source = Counted(CONTENT)
    read(source, tmp_path)
    (cached,) = tmp_path.iterdir()
    cached.unlink()
    cached.mkdir()
    assert read(source, tmp_path) == CONTENT
    assert list(tmp_path.iterdir()) == [cached]


def test_wrong_content_is_handed_on_for_others_to_judge_but_not_kept(tmp_path: Path) -> None:
    source = Counted(b"wrong")
    assert [read(source, tmp_path) for _ in range(2)] == [b"wrong"] * 2
    assert len(source.asked) == 2
    assert list(tmp_path.iterdir()) == []


def test_errors_of_the_source_are_passed_on(tmp_path: Path) -> None:
    class Throttled:
        def read(self, version: ModelVersion, file: str, digest: str) -> bytes:
            raise StoreThrottled(file, "slow down")

    with pytest.raises(StoreThrottled):
        CachedSource(Throttled(), tmp_path).read(VERSION, "model.onnx", DIGEST)
