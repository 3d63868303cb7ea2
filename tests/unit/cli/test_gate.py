"""`mlops gate`: what is pinned against what was pinned before."""

import gzip
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from mlops.bootstrap.registry import open_registry
from mlops.inference.golden import golden_to_bytes
from mlops.inference.manifest import HOLDOUT
from mlops.inference.version import Pin
from mlops.training.folder import Candidate, save
from tests.unit.cli.conftest import Mlops, Ran
from tests.unit.inference.building import V1, failing_model, golden_rows, provenance
from tests.unit.release.gating import SLOPE, model_files

SAMCONFIG = "[default.global.parameters]\nparameter_overrides = []\n"
WORSE = 0.05
FIRST, SECOND = "churn-model-v1.0.0", "churn-model-v1.1.0"
Register = Callable[[Mapping[str, bytes]], str]


@pytest.fixture
def register(mlops: Mlops, tmp_path: Path) -> Register:
    """Register a version with these files, whatever they are worth; its pin."""

    def registered(files: Mapping[str, bytes]) -> str:
        whole = {**files, "model_card.md": b"# Churn\n"}
        save(Candidate("churn", whole, provenance(), {}), tmp_path / "candidate")
        arguments = ("register", "churn", "--candidate", tmp_path / "candidate", "--json")
        pin: str = mlops(*arguments).document["pin"]
        return pin

    return registered


def config(name: str, pin: str | None) -> str:
    """A samconfig.toml with that pin."""
    overrides = "" if pin is None else f'"Pins={pin}"'
    Path(name).write_text(SAMCONFIG.replace("[]", f"[{overrides}]"))
    return name


@pytest.fixture
def gated(mlops: Mlops) -> Callable[..., Ran]:
    def ran(pin: str | None, before: str | None, *arguments: str) -> Ran:
        config("samconfig.toml", pin)
        return mlops("gate", "--against", config("before.toml", before), *arguments)

    return ran


def refusal(ran: Ran) -> str:
    """Why it was refused, which is no failure of the command."""
    assert ran.code == 3
    (line,) = ran.err.splitlines()
    prefix = "mlops: The gate refuses this churn candidate: "
    assert line.startswith(prefix)
    return line.removeprefix(prefix)


def test_one_that_is_as_good_passes(register: Register, gated: Callable[..., Ran]) -> None:
    first, second = register(model_files()), register(model_files(name="second"))
    ran = gated(second, first)
    assert (ran.code, ran.err) == (0, "")
    verdict, heading, *rows = ran.out.splitlines()
    assert verdict == f"{SECOND}: passed, compared with {FIRST}"
    assert heading.split("  ")[0] == "holdout"
    assert [row.split()[:2] for row in rows] == [
        ["full", "wrong"],
        ["full", "Brier"],
        ["three_fields", "wrong"],
        ["three_fields", "Brier"],
    ]
    found = gated(second, first, "--json").document[second]
    assert (found["passed"], found["reasons"]) == (True, [])
    assert found["holdout"]["full"]["Brier score"]["loss_at_most"] < 0.01


def test_one_that_is_worse_is_refused_with_its_figures(
    register: Register, gated: Callable[..., Ran]
) -> None:
    good, worse = register(model_files()), register(model_files(WORSE))
    ran = gated(worse, good, "--json")
    assert refusal(ran).startswith("holdout, full: wrong decisions ")
    found = ran.document[worse]
    assert found["passed"] is False
    assert len(found["reasons"]) == 4
    assert gated(worse, good).out.startswith(f"{SECOND}: refused, compared with {FIRST}\n")
    assert gated(good, worse).code == 0


def test_nothing_pinned_is_said(gated: Callable[..., Ran]) -> None:
    ran = gated(None, None, "--json")
    assert (ran.code, ran.document) == (0, {})
    assert ran.err == "Nothing is pinned, so there is nothing to check.\n"


def test_the_same_pin_is_said(register: Register, gated: Callable[..., Ran]) -> None:
    pin = register(model_files())
    assert gated(pin, pin).out == f"{FIRST}: passed, pinned as before\n"


def test_a_first_one_only_has_to_work(
    mlops: Mlops, register: Register, gated: Callable[..., Ran]
) -> None:
    pin = register(model_files())
    assert gated(pin, None).out == f"{FIRST}: passed, nothing was pinned before\n"
    assert mlops("gate").out == f"{FIRST}: passed, nothing was pinned before\n"


def test_the_same_pin_that_the_store_has_not_is_only_noticed(
    register: Register, gated: Callable[..., Ran]
) -> None:
    """As in a fork, which is not let in to the store."""
    pin = register(model_files())
    ran = gated(pin, pin, "--store", "empty", "--json")
    assert (ran.code, ran.document) == (0, {})
    assert ran.err == f"{pin} is pinned as before and not in empty: it was not checked.\n"


@pytest.mark.parametrize("before", [True, False])
def test_a_new_pin_that_the_store_has_not_is_an_error(
    register: Register, gated: Callable[..., Ran], before: bool
) -> None:
    first, second = register(model_files()), register(model_files(name="second"))
    ran = gated(second, first if before else None, "--store", "empty")
    assert ran.refusal == f"MLOPS_STORE: empty does not have {second}"


def test_a_version_of_another_content_is_an_error(
    register: Register, gated: Callable[..., Ran]
) -> None:
    pin = register(model_files())
    other = str(Pin(Pin.parse(pin).version, f"sha256:{'0' * 64}"))
    assert f"the pin says sha256:{'0' * 64}" in gated(other, pin).refusal


def test_a_file_that_was_tampered_with_is_refused(
    register: Register, gated: Callable[..., Ran]
) -> None:
    pin = register(model_files())
    path = Path(".mlops/models", FIRST, "model.onnx")
    path.write_bytes(path.read_bytes() + b" ")
    ran = gated(pin, pin)
    assert "the manifest lists sha256:" in refusal(ran)
    assert ran.out == f"{FIRST}: refused\n"


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("model.onnx", failing_model(), "Input shape:{2,19}"),
        ("golden.json", golden_to_bytes(golden_rows(WORSE)), "a golden row is off by"),
        (HOLDOUT, b"no gzip", "its holdout cannot be read"),
    ],
)
def test_one_that_does_not_work_is_refused(
    mlops: Mlops,
    gated: Callable[..., Ran],
    file: str,
    content: bytes,
    reason: str,
) -> None:
    """`mlops register` would not have let it in; whoever writes into a bucket needs no `mlops`."""
    files = model_files(replaced={file: content})
    pin = str(open_registry(".mlops").register(V1, files, provenance()))
    assert reason in refusal(gated(pin, None))


def test_one_that_cannot_be_compared_is_refused(
    register: Register, gated: Callable[..., Ran]
) -> None:
    first = register(model_files(replaced={HOLDOUT: None}))
    second = register(model_files(name="second"))
    assert refusal(gated(first, second)) == f"it has no {HOLDOUT}"
    for path in Path(".mlops/models", FIRST).iterdir():
        path.unlink()
    said = (
        "the previous version cannot be used: There is no version churn-model-v1.0.0 in the store"
    )
    assert refusal(gated(second, first)) == said


def test_figures_without_a_number_are_shown(register: Register, gated: Callable[..., Ran]) -> None:
    """A bound that cannot be had, as of a single row, passes nothing."""
    line = {"request": {"customer_id": "1", "tenure": 1, "monthly_charges": 1.0}, "label": 1}
    one = gzip.compress(json.dumps(line).encode())
    first = register(model_files())
    second = register(model_files(SLOPE, "second", {HOLDOUT: one}))
    ran = gated(second, first)
    assert ran.code == 3
    assert ran.out.splitlines()[2].split()[:2] == ["full", "wrong"]
