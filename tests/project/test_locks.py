"""The requirements files keep what pyproject.toml asks for, offline and without resolving."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.project.files import ROOT
from tests.tools.lock import LOCKS, MAIN, PEERS, Lock

PYTHONS = ("3.11", "3.13")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

each_lock = pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.path)


@dataclass(frozen=True)
class Entry:
    requirement: Requirement
    hashes: tuple[str, ...]


def entries(lock: Lock) -> list[Entry]:
    joined = (ROOT / lock.path).read_text().replace("\\\n", " ")
    lines = [line for line in joined.splitlines() if not line.lstrip().startswith("#")]
    found = []
    for line in lines:
        requirement, *options = line.split(" --hash=")
        found.append(Entry(Requirement(requirement), tuple(option.strip() for option in options)))
    return found


def versions(lock: Lock, python: str) -> dict[str, str]:
    """What pip would install from this lock on that version of Python."""
    environment = {key: str(value) for key, value in default_environment().items()} | {
        "python_version": python,
        "python_full_version": f"{python}.0",
    }
    return {
        canonicalize_name(entry.requirement.name): str(entry.requirement.specifier)[2:]
        for entry in entries(lock)
        if entry.requirement.marker is None or entry.requirement.marker.evaluate(environment)
    }


def declared(lock: Lock) -> list[Requirement]:
    texts = list(PROJECT["project"]["dependencies"]) if lock.holds_project else []
    for extra in lock.extras:
        texts += PROJECT["project"]["optional-dependencies"][extra]
    for group in lock.groups:
        texts += PROJECT["dependency-groups"][group]
    return [Requirement(text) for text in texts]


def pythons(lock: Lock) -> tuple[str, ...]:
    return tuple(python for python in PYTHONS if python >= lock.python)


@each_lock
def test_every_entry_is_one_version_with_hashes(lock: Lock) -> None:
    for entry in entries(lock):
        assert re.fullmatch(r"==[^,*]+", str(entry.requirement.specifier)), entry
        assert entry.hashes, entry
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest) for digest in entry.hashes), entry


@each_lock
def test_it_names_no_place_to_install_from(lock: Lock) -> None:
    text = (ROOT / lock.path).read_text()
    assert "://" not in text
    assert not re.search(r"^\s*-", text.replace("    --hash=", ""), re.MULTILINE)


@each_lock
def test_it_holds_all_that_pyproject_declares(lock: Lock) -> None:
    for python in pythons(lock):
        installed = versions(lock, python)
        for requirement in declared(lock):
            version = installed.get(canonicalize_name(requirement.name))
            assert version, f"{requirement} is not in {lock.path}; run make lock"
            assert requirement.specifier.contains(version, prereleases=True), requirement


def test_all_that_is_locked_within_the_main_file_agrees_with_it() -> None:
    (main,) = (lock for lock in LOCKS if lock.path == MAIN)
    for lock in (lock for lock in LOCKS if lock.within == MAIN):
        for python in pythons(lock):
            ours, theirs = versions(main, python), versions(lock, python)
            both = ours.keys() & theirs.keys()
            assert {name: ours[name] for name in both} == {name: theirs[name] for name in both}


@each_lock
def test_its_updates_are_asked_for(lock: Lock) -> None:
    updates = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text())["updates"]
    (pip,) = (update for update in updates if update["package-ecosystem"] == "pip")
    assert f"/{Path(lock.path).parent}".rstrip(".") in pip["directories"]


@each_lock
def test_it_is_resolved_by_the_command_that_it_names(lock: Lock) -> None:
    """Whether with or without upgrades: its head tells how it can be made again."""
    command = " ".join(lock.command(upgrade=False))
    assert command == " ".join(lock.command(upgrade=True)).replace(" --upgrade", "")
    assert f"#    {command}\n" in (ROOT / lock.path).read_text()


def test_the_bench_has_an_environment_for_each_peer() -> None:
    named = re.search(r"^BENCH_PEERS := (.*)$", (ROOT / "bench.mk").read_text(), re.MULTILINE)
    assert named
    assert tuple(named[1].split()) == PEERS
