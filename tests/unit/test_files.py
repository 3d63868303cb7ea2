"""A user's file is replaced as a whole, or stays as it was."""

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mlops.cli.samconfig import Samconfig
from mlops.files import replacing_file, write_file
from mlops.inference.version import Pin
from mlops.training.folder import replacing

OLD, NEW = "what was there\n", "what comes instead\n"
SAMCONFIG = '[default.global.parameters]\nparameter_overrides = ["Pins="]\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file.toml"
    path.write_text(OLD)
    return path


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_new_content_replaces_the_old_and_nothing_else_is_left(file: Path) -> None:
    write_file(file, NEW)
    assert file.read_text() == NEW
    assert names(file.parent) == {"file.toml"}


def test_a_new_file_gets_the_mode_of_the_umask(tmp_path: Path) -> None:
    previous = os.umask(0o027)
    try:
        write_file(tmp_path / "new", NEW.encode())
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


@pytest.mark.parametrize("mode", [0o600, 0o664, 0o755])
def test_a_file_keeps_its_mode(file: Path, mode: int) -> None:
    file.chmod(mode)
    write_file(file, NEW)
    assert stat.S_IMODE(file.stat().st_mode) == mode


def test_a_symbolic_link_stays_one_and_its_file_is_replaced(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "folder" / "link.toml"
    link.parent.mkdir()
    link.symlink_to("../file.toml")
    write_file(link, NEW)
    assert link.readlink() == Path("../file.toml")
    assert file.read_text() == NEW
    assert names(link.parent) == {"link.toml"}


def test_a_name_of_255_bytes_is_written(tmp_path: Path) -> None:
    path = tmp_path / ("n" * 255)
    write_file(path, NEW)
    assert path.read_text() == NEW


def test_a_file_that_may_not_be_written_is_not_replaced(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)  # root may everything
    with pytest.raises(PermissionError, match=r"Permission denied: .*file\.toml"):
        write_file(file, NEW)
    assert file.read_text() == OLD


def test_an_error_while_the_content_is_made_leaves_the_old(file: Path) -> None:
    with pytest.raises(ZeroDivisionError), replacing_file(file) as new:
        new.write(b"half")
        raise ZeroDivisionError
    assert file.read_text() == OLD
    assert names(file.parent) == {"file.toml"}


@pytest.mark.parametrize("call", ["fsync", "fchmod"])
def test_an_error_of_the_disk_leaves_the_old(
    file: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="No space left"):
        write_file(file, NEW)
    assert file.read_text() == OLD
    assert names(file.parent) == {"file.toml"}


FULL_DISK = """
import resource, sys
from pathlib import Path
from mlops.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
main(sys.argv[1:])
"""


def pin_arguments(tmp_path: Path) -> list[str]:
    """The arguments of a `mlops pin` that works, with a samconfig.toml to write to."""
    from mlops.bootstrap.registry import open_registry
    from tests.unit.inference.building import V1, provenance, version_files

    store = tmp_path / "store"
    open_registry(str(store)).register(V1, version_files(), provenance())
    (tmp_path / "samconfig.toml").write_text(SAMCONFIG)
    return ["pin", "churn", str(V1), "--store", str(store)]


def test_pin_on_a_full_disk_leaves_samconfig_as_it_was(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", FULL_DISK, *pin_arguments(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ran.returncode, ran.stderr) == (1, "mlops: samconfig.toml: File too large\n")
    assert (tmp_path / "samconfig.toml").read_text() == SAMCONFIG
    assert names(tmp_path) == {"samconfig.toml", "store"}


KILLED = """
import os, signal, sys
from pathlib import Path
from mlops.cli import main
Path.replace = lambda self, target: os.kill(os.getpid(), signal.SIGKILL)
main(sys.argv[1:])
"""


def test_pin_that_is_killed_before_the_rename_leaves_samconfig_as_it_was(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", KILLED, *pin_arguments(tmp_path)], cwd=tmp_path, timeout=60
    )
    assert ran.returncode == -signal.SIGKILL
    assert (tmp_path / "samconfig.toml").read_text() == SAMCONFIG


def test_samconfig_is_written_through_its_link(tmp_path: Path) -> None:
    (tmp_path / "shared.toml").write_text(SAMCONFIG)
    (tmp_path / "samconfig.toml").symlink_to("shared.toml")
    config = Samconfig.read(tmp_path / "samconfig.toml")
    pin = Pin.parse(f"churn-model-v1.0.0@sha256:{'0' * 64}")
    config.set_pin(pin)
    config.write()
    assert (tmp_path / "samconfig.toml").is_symlink()
    assert Samconfig.read(tmp_path / "shared.toml").pins() == [pin]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "candidates" / "churn"
    path.mkdir(parents=True)
    (path / "old").write_text(OLD)
    return path


def test_a_folder_comes_back_when_the_new_one_cannot_take_its_place(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def fail_for_new(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_for_new)
    with pytest.raises(OSError, match="Input/output error"), replacing(folder) as new:
        (new / "new").write_text(NEW)
    assert names(folder) == {"old"}
    assert names(folder.parent) == {"churn"}


def test_a_folder_behind_a_link_is_replaced_and_the_link_stays(
    folder: Path, tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(folder)
    with replacing(link) as new:
        (new / "new").write_text(NEW)
    assert link.is_symlink()
    assert names(folder) == {"new"}
