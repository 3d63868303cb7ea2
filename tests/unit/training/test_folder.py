"""A candidate's folder: read as it was saved, never half, never in place of something else."""

import json
from pathlib import Path

import pytest

from mlops.errors import ConfigInvalid, DataInvalid
from mlops.training.folder import Candidate, read, replacing, save
from tests.unit.inference.building import provenance, version_files

CANDIDATE = Candidate(
    "churn", version_files(), provenance(), metrics={"holdout": {"roc_auc": 0.84}}
)


def test_it_is_read_as_it_was_saved(tmp_path: Path) -> None:
    save(CANDIDATE, tmp_path / "a" / "b")
    assert read(tmp_path / "a" / "b") == CANDIDATE
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]


def test_it_replaces_the_one_before(tmp_path: Path) -> None:
    folder = tmp_path / "candidate"
    before = {**CANDIDATE.files, "notes.txt": b"of the candidate before"}
    save(Candidate("churn", before, provenance(), CANDIDATE.metrics), folder)
    save(CANDIDATE, folder)
    assert read(folder) == CANDIDATE
    assert not (folder / "notes.txt").exists()


def test_a_stray_file_is_no_part_of_it(tmp_path: Path) -> None:
    save(CANDIDATE, tmp_path / "candidate")
    (tmp_path / "candidate" / ".DS_Store").write_bytes(b"of a desktop")
    assert read(tmp_path / "candidate") == CANDIDATE


def test_it_may_go_into_an_empty_folder(tmp_path: Path) -> None:
    save(CANDIDATE, tmp_path)
    assert read(tmp_path) == CANDIDATE


def test_nobody_elses_folder_is_replaced(tmp_path: Path) -> None:
    precious = tmp_path / "thesis.tex"
    precious.write_text("years of work")
    for target in (tmp_path, precious):
        with pytest.raises(ConfigInvalid, match="it exists and holds no candidate"):
            save(CANDIDATE, target)
    assert precious.read_text() == "years of work"
    assert list(tmp_path.iterdir()) == [precious]


def test_an_error_on_the_way_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "old").touch()
    with pytest.raises(KeyError), replacing(folder) as new:
        (new / "half").touch()
        raise KeyError
    assert [path.name for path in tmp_path.rglob("*")] == ["folder", "old"]


@pytest.mark.parametrize("lost", ["candidate.json", "model.onnx", "metrics.json"])
def test_an_incomplete_one_is_refused(tmp_path: Path, lost: str) -> None:
    save(CANDIDATE, tmp_path)
    (tmp_path / lost).unlink()
    with pytest.raises(DataInvalid, match="no whole candidate") as caught:
        read(tmp_path)
    assert caught.value.source == str(tmp_path)
    assert lost in caught.value.reason


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "3",
        '{"files": [], "model": "churn", "trained_at": "yesterday"}',
        '{"files": [], "model": "churn", "trained_at": "2026-01-01T00:00:00+00:00", "new": 1}',
    ],
)
def test_a_damaged_one_is_refused(tmp_path: Path, text: str) -> None:
    save(CANDIDATE, tmp_path)
    (tmp_path / "candidate.json").write_text(text)
    with pytest.raises(DataInvalid, match="no whole candidate"):
        read(tmp_path)


@pytest.mark.parametrize("name", ["../x", "a/b", "/etc/passwd", ".hidden", "", "manifest.json", 3])
def test_a_name_that_no_version_may_have_is_refused(tmp_path: Path, name: object) -> None:
    save(CANDIDATE, tmp_path / "candidate")
    (tmp_path / "x").touch()
    (tmp_path / "candidate/a").mkdir()
    for path in ("a/b", ".hidden", "manifest.json"):
        (tmp_path / "candidate" / path).touch()
    origin = tmp_path / "candidate/candidate.json"
    document = json.loads(origin.read_text())
    origin.write_text(json.dumps({**document, "files": [*document["files"], name]}))
    with pytest.raises(DataInvalid, match="no whole candidate") as caught:
        read(tmp_path / "candidate")
    assert caught.value.field == "candidate.json"


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"3", b'{"a": NaN}', b"\xff", b"[" * 100_000, b'{"a": 1, "a": 2}']
)
def test_metrics_that_are_no_object_are_refused(tmp_path: Path, content: bytes) -> None:
    save(CANDIDATE, tmp_path)
    (tmp_path / "metrics.json").write_bytes(content)
    with pytest.raises(DataInvalid) as caught:
        read(tmp_path)
    assert (caught.value.source, caught.value.field) == (str(tmp_path), "metrics.json")
