"""The Makefile's care for local state."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mlops.inference.version import Pin
from tests.integration.making import calls, copy_makefiles, make, noting, script

REGISTRY = ".mlops/registry/registry.sqlite"


def test_a_lost_registry_is_made_from_the_models(
    tmp_path: Path, trained_store: Path, churn_pin: Pin
) -> None:
    copy_makefiles(tmp_path)
    for needed in ("requirements.txt", "pyproject.toml"):
        (tmp_path / needed).touch()
    tools = tmp_path / ".venv/bin"
    tools.mkdir(parents=True)
    for tool in ("python", "mlops"):
        (tools / tool).symlink_to(Path(sys.executable).with_name(tool))
    (tmp_path / ".venv/.run").touch()
    shutil.copytree(trained_store / "models", tmp_path / ".mlops/models")
    subprocess.run(["make", "MODELS=churn", REGISTRY], cwd=tmp_path, check=True, timeout=120)
    shown = [str(tools / "mlops"), "show", str(churn_pin.version)]
    ran = subprocess.run(
        shown, cwd=tmp_path, check=True, timeout=120, capture_output=True, text=True
    )
    assert str(churn_pin) in ran.stdout


MODELS = "churn", "ridership", "sentiment"
TRAIN = [f"mlops train {model}" for model in MODELS]
REGISTER = [
    f"mlops register {model} --version {model}-model-v1.0.0 --store .mlops" for model in MODELS
]
FIRST = [*TRAIN, *REGISTER]
PIN_FIRST = [f"mlops pin {model} {model}-model-v1.0.0 --store .mlops" for model in MODELS]
BUILD = ["mlops bake", "sam build"]
SERVE = "python -m functions.api --port 8000"
PINNED = f'    "Pins=churn-model-v1.0.0@sha256:{"0" * 64}",'
ELSEWHERE = "s3://elsewhere"


@pytest.fixture
def noted(tmp_path: Path) -> Path:
    return noting(tmp_path)


@pytest.mark.parametrize(
    ("target", "pinned", "store", "called"),
    [
        ("build", "", None, [*FIRST, *PIN_FIRST, *BUILD]),
        ("build", "# Pins=churn-model-v1.0.0@sha256:...", None, [*FIRST, *PIN_FIRST, *BUILD]),
        ("build", PINNED, None, BUILD),
        ("build", "", ELSEWHERE, BUILD),
        ("build", PINNED, ELSEWHERE, BUILD),
        ("run", "", None, [*FIRST, SERVE]),
        ("run", "", "", [*FIRST, SERVE]),
        ("run", "", ELSEWHERE, [SERVE]),
    ],
)
def test_a_first_version_is_made_where_there_is_no_other(
    noted: Path, target: str, pinned: str, store: str | None, called: list[str]
) -> None:
    (noted / "samconfig.toml").write_text(f"{pinned}\n")
    settings = {} if store is None else {"MLOPS_STORE": store}
    ran = make(noted, target, **settings)
    assert ran.returncode == 0, ran.stderr
    found = calls(noted)
    trained = len([call for call in called if call in TRAIN])
    # They are trained side by side, in any order.
    assert [*sorted(found[:trained]), *found[trained:]] == called


def test_an_empty_port_reaches_the_server_that_refuses_it(noted: Path) -> None:
    script(noted / ".venv/bin/python", '#!/bin/sh\nprintf "<%s>" "$@"\n')
    assert "<--port><>" in make(noted, "run", "PORT=").stdout


# Makes an environment as Debian's Python does without its package for that: one without pip.
WITHOUT_PIP = """#!/bin/sh
[ "$1" = -m ] || exec {python} "$@"
mkdir -p "$3/bin"; printf '#!/bin/sh\\nexit 1\\n' >"$3/bin/python"
chmod +x "$3/bin/python"; exit {code}
"""


@pytest.mark.parametrize("code", [0, 1])
def test_an_environment_without_pip_does_not_stay(tmp_path: Path, code: int) -> None:
    copy_makefiles(tmp_path)
    for needed in ("requirements.txt", "pyproject.toml"):
        (tmp_path / needed).touch()
    script(tmp_path / "python", WITHOUT_PIP.format(python=sys.executable, code=code))
    ran = make(tmp_path, ".venv/.run", "PYTHON=./python")
    assert ran.returncode != 0
    assert "python3-venv" in ran.stdout
    assert not (tmp_path / ".venv").exists()


def test_an_environment_that_was_interrupted_is_finished(noted: Path) -> None:
    """It has a Python already, but no pip yet."""
    (noted / ".venv/.run").unlink()
    script(noted / ".venv/bin/python", '#!/bin/sh\ntest -e pip && echo "$*" >>calls\n')
    script(
        noted / "python", f'#!/bin/sh\n[ "$1" = -m ] && touch pip || exec {sys.executable} "$@"\n'
    )
    ran = make(noted, ".venv/.run", "PYTHON=./python")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == "Setting up .venv, once ...\n"
    assert calls(noted)[0] == "-m pip --version"
    assert calls(noted)[1].endswith("--require-hashes -r requirements.txt")


@pytest.mark.parametrize("python", ["nowhere/python", "./old"])
def test_a_python_that_will_not_do_is_named(tmp_path: Path, python: str) -> None:
    copy_makefiles(tmp_path)
    for needed in ("requirements.txt", "pyproject.toml"):
        (tmp_path / needed).touch()
    script(tmp_path / "old", '#!/bin/sh\n[ "$1" = --version ] && exec echo Python 3.9.1\nexit 1\n')
    ran = make(tmp_path, "run", f"PYTHON={python}")
    assert ran.returncode != 0
    version = "Python 3.9.1" if python == "./old" else "not there"
    assert ran.stdout == (
        f"Python 3.11 or later is needed; '{python}' is {version}."
        " Name another: make PYTHON=python3.13 run\n"
    )


SLOW_TOOL = """#!/bin/sh
echo "${0##*/} $1 $2" >>calls
sleep 1
case $1 in
  train) file=.mlops/candidates/$2/candidate.json;;
  register) file=.mlops/models/$2-model-v1.0.0/manifest.json;;
esac
mkdir -p ${file%/*} .mlops/registry && touch $file .mlops/registry/registry.sqlite
"""


def test_two_first_runs_at_once_make_one_first_version(noted: Path) -> None:
    script(noted / ".venv/bin/mlops", SLOW_TOOL)
    with ThreadPoolExecutor(2) as threads:
        both = list(threads.map(lambda port: make(noted, "run", f"PORT={port}"), (8001, 8002)))
    assert [ran.returncode for ran in both] == [0, 0]
    assert sorted(calls(noted)) == [
        *(f"mlops register {model}" for model in MODELS),
        *(f"mlops train {model}" for model in MODELS),
        "python -m functions.api --port 8001",
        "python -m functions.api --port 8002",
    ]
    waiting = "Another make is setting up this folder. Waiting until it is done ...\n"
    assert sorted(ran.stdout for ran in both) == ["", waiting]


def test_a_model_that_has_no_version_yet_gets_one(noted: Path) -> None:
    """As after an update of the project, or a first run that was interrupted."""
    registered = noted / ".mlops/models/churn-model-v1.4.0/manifest.json"
    registered.parent.mkdir(parents=True)
    registered.touch()
    (noted / REGISTRY).parent.mkdir()
    (noted / REGISTRY).touch()
    assert make(noted, "run").returncode == 0
    found = calls(noted)
    assert [*sorted(found[:2]), *found[2:]] == [*TRAIN[1:], *REGISTER[1:], SERVE]


def test_a_killed_run_does_not_keep_the_next_one_waiting(noted: Path) -> None:
    script(noted / ".venv/bin/mlops", SLOW_TOOL.replace("sleep 1", "sleep 60"))
    with subprocess.Popen(["make", "run"], cwd=noted, start_new_session=True) as killed:
        while not (noted / "calls").exists():
            time.sleep(0.05)
        os.killpg(killed.pid, signal.SIGKILL)
    script(noted / ".venv/bin/mlops", SLOW_TOOL)
    ran = make(noted, "run")
    assert (ran.returncode, ran.stdout) == (0, "")


# Each of them, alone, keeps pip from installing into the environment, or Python from starting.
HOSTILE = {
    "PIP_USER": "1",
    "PIP_TARGET": "elsewhere",
    "PIP_PREFIX": "elsewhere",
    "PIP_ROOT": "elsewhere",
    "PIP_DRY_RUN": "1",
    "PIP_PYTHON": "elsewhere",
    "PIP_PLATFORM": "win_amd64",
    "PIP_CONSTRAINT": "nowhere.txt",
    "PIP_REQUIREMENT": "nowhere.txt",
    "PIP_EDITABLE": "nowhere",
    "PYTHONHOME": "/usr",
    "PYTHONPATH": "shadows",
    "PYTHONWARNINGS": "error",
    "PYTHONOPTIMIZE": "2",
    "PYTHONINSPECT": "1",
    "MAKEFLAGS": "-j4",
}


@pytest.fixture
def wheel_user(tmp_path: Path) -> Path:
    """A project, in a folder with a space, whose only requirement lies in a folder of its own."""
    project = tmp_path / "my project"
    project.mkdir()
    copy_makefiles(project)
    (tmp_path / "wheels").mkdir()
    wheel = tmp_path / "wheels/tiny-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        about = "tiny-1.dist-info"
        archive.writestr("tiny.py", "")
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1\n")
        archive.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{about}/entry_points.txt", "[console_scripts]\ntiny = os:getcwd\n")
        archive.writestr(f"{about}/RECORD", "tiny.py,,\n")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (project / "tests/tools/tiny.txt").write_text(f"tiny==1 --hash=sha256:{digest}\n")
    (project / "shadows").mkdir()
    (project / "shadows/zipfile.py").write_text("raise SystemExit('the wrong module')")
    return project


@pytest.mark.parametrize("option", ["user = true", "target = elsewhere", "prefix = elsewhere"])
def test_settings_of_pip_and_python_do_not_break_the_environments(
    wheel_user: Path, option: str
) -> None:
    """Those that say where packages come from are kept."""
    configured = wheel_user / "pip.conf"
    configured.write_text(f"[global]\nno-index = true\n[install]\n{option}\n")
    sources = {
        "PIP_CONFIG_FILE": str(configured),
        "PIP_FIND_LINKS": str(wheel_user.parent / "wheels"),
    }
    ran = make(wheel_user, ".tools/tiny/.done", **HOSTILE, **sources)
    assert ran.returncode == 0, ran.stderr
    installed = wheel_user / ".tools/tiny"
    assert len(list(installed.glob("lib/python3.*/site-packages/tiny.py"))) == 1
    assert not list(wheel_user.rglob("elsewhere"))
    ran_tiny = subprocess.run(
        [installed / "bin/tiny"], cwd=wheel_user, capture_output=True, text=True, timeout=120
    )
    assert ran_tiny.stderr == f"{wheel_user}\n"  # what it returns is its exit message
