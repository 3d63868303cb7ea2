"""`mlops bake`: verified files for the image, all of them or none."""

import hashlib
import json
from pathlib import Path

import pytest

from mlops.inference.loading import SERVED_FILES
from tests.unit.cli.conftest import Mlops, trained

V1 = Path(".mlops/models/churn-model-v1.0.0")
IMAGE = Path(".mlops/image")


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def served(folder: Path) -> dict[str, bytes]:
    """Not what it was trained and judged with: no pickles, and no data, are part of an image."""
    names = {"manifest.json", *SERVED_FILES}
    return {key: it for key, it in contents(folder).items() if key.rpartition("/")[2] in names}


def pins_file(path: Path, *parameters: str) -> Path:
    path.write_text(
        f"[default.global.parameters]\nparameter_overrides = {json.dumps(parameters)}\n"
    )
    return path


def test_what_is_pinned_is_baked_as_far_as_it_is_served(
    mlops: Mlops, registered: str, tmp_path: Path
) -> None:
    pins_file(tmp_path / "samconfig.toml", f"Pins={registered}")
    ran = mlops("bake", "--json")
    assert ran.document == {
        "pins": [registered],
        "left_out": [],
        "folder": str(IMAGE / "models"),
    }
    assert contents(IMAGE / "models") == served(V1.parent)


def test_pins_on_the_command_line_come_first(mlops: Mlops, registered: str, tmp_path: Path) -> None:
    wrong = registered.partition("@")[0] + f"@sha256:{'0' * 64}"
    pins_file(tmp_path / "samconfig.toml", f"Pins={wrong}")
    assert mlops("bake", "--pin", registered).out == f"Baked {registered}\n"
    assert mlops("bake", "--pin", "churn").refusal.startswith("'churn' is not a pin")


def test_it_needs_no_registry_and_no_samconfig(
    mlops: Mlops, registered: str, tmp_path: Path
) -> None:
    (tmp_path / ".mlops/registry/registry.sqlite").unlink()
    assert mlops("bake", "--pin", registered, "--output", tmp_path / "out").code == 0
    assert (tmp_path / "out/models/churn-model-v1.0.0/model.onnx").is_file()


def test_nothing_pinned_is_said_and_no_error(mlops: Mlops, tmp_path: Path) -> None:
    pins_file(tmp_path / "samconfig.toml")
    ran = mlops("bake", "--json")
    assert ran.document["pins"] == []
    assert ran.err == "Nothing is pinned, so the image will contain no model.\n"
    assert list((tmp_path / IMAGE / "models").iterdir()) == []


def test_a_missing_samconfig_is_named(mlops: Mlops) -> None:
    assert mlops("bake").refusal == "samconfig.toml: No such file or directory"


def test_what_is_pinned_but_not_in_the_store_is_said_and_left_out(
    mlops: Mlops, registered: str, tmp_path: Path
) -> None:
    """As in a fresh clone of a project whose pin is committed."""
    elsewhere = f"churn-model-v9.0.0@sha256:{'0' * 64}"
    ran = mlops("bake", "--pin", registered, "--pin", elsewhere, "--json")
    assert ran.code == 0
    assert (ran.document["pins"], ran.document["left_out"]) == ([registered], [elsewhere])
    assert ran.err == (
        f"Not baked, because it is not in .mlops: {elsewhere}."
        " The image will read it from the store of its stack when it starts.\n"
    )
    assert contents(IMAGE / "models") == served(V1.parent)
    pins_file(tmp_path / "samconfig.toml", f"Pins={elsewhere}")
    assert mlops("bake", "--store", "nowhere").code == 0
    assert contents(IMAGE) == {}


def test_a_version_of_the_same_name_from_elsewhere_is_an_error(
    mlops: Mlops, registered: str
) -> None:
    name, _, digest = registered.partition("@")
    pinned = f"sha256:{'0' * 64}"
    assert mlops("bake", "--pin", f"{name}@{pinned}").refusal == (
        f"{name}: the pin says {pinned}, the manifest is {digest} in .mlops;"
        " is MLOPS_STORE the store where it was registered?"
    )


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("manifest.json", "changed"),
        *(
            (file, damage)
            for file in ("model.onnx", "model_card.md")
            for damage in ("changed", "lost")
        ),
    ],
)
def test_what_is_damaged_changes_nothing(
    mlops: Mlops, registered: str, tmp_path: Path, file: str, damage: str
) -> None:
    mlops("bake", "--pin", registered)
    before = contents(IMAGE)
    trained(tmp_path / "other", "b")
    arguments = ["register", "churn", "--candidate", tmp_path / "other", "--json"]
    second = mlops(*arguments).document["pin"]
    path = V1.with_name("churn-model-v1.1.0") / file
    if damage == "lost":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes() + b" ")
    assert "churn-model-v1.1.0" in mlops("bake", "--pin", registered, "--pin", second).refusal
    assert contents(IMAGE) == before
    assert [path.name for path in IMAGE.iterdir()] == ["models"]


def test_the_former_versions_go(mlops: Mlops, registered: str, tmp_path: Path) -> None:
    mlops("bake", "--pin", registered)
    pins_file(tmp_path / "samconfig.toml")
    mlops("bake")
    assert contents(IMAGE) == {}


def test_a_manifest_cannot_write_elsewhere(mlops: Mlops, registered: str, tmp_path: Path) -> None:
    """Even if somebody has pinned it."""
    manifest = json.loads((V1 / "manifest.json").read_bytes())
    manifest["files"]["../../escaped"] = manifest["files"]["metrics.json"]
    hostile = json.dumps(manifest).encode()
    (V1 / "manifest.json").write_bytes(hostile)
    (V1.parent.parent / "escaped").write_bytes((V1 / "metrics.json").read_bytes())
    pin = f"churn-model-v1.0.0@sha256:{hashlib.sha256(hostile).hexdigest()}"
    assert "churn-model-v1.0.0" in mlops("bake", "--pin", pin).refusal
    assert not (tmp_path / IMAGE).exists() or contents(IMAGE) == {}
    assert list(tmp_path.rglob("escaped")) == [tmp_path / ".mlops/escaped"]


def test_certificates_come_along_and_go_again(
    mlops: Mlops, registered: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "proxy.pem"
    bundle.write_text("certificates")
    monkeypatch.setenv("MLOPS_CA_BUNDLE", str(bundle))
    mlops("bake", "--pin", registered)
    assert (IMAGE / "ca.crt").read_text() == (
        "# Written by mlops bake, which may replace or delete this file.\ncertificates"
    )
    bundle.write_text("others")
    mlops("bake", "--pin", registered)
    assert (IMAGE / "ca.crt").read_text().endswith("\nothers")
    monkeypatch.setenv("MLOPS_CA_BUNDLE", "")
    mlops("bake", "--pin", registered)
    assert not (IMAGE / "ca.crt").exists()


def test_certificates_may_be_those_that_are_there(
    mlops: Mlops, registered: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = Path("image")
    image.mkdir()
    (image / "ca.crt").write_text("certificates")
    monkeypatch.setenv("MLOPS_CA_BUNDLE", "image/ca.crt")
    for _ in range(2):
        assert mlops("bake", "--pin", registered, "--output", image).code == 0
        assert (image / "ca.crt").read_text() == "certificates"


@pytest.mark.parametrize("bundle", ["", "proxy.pem"])
def test_nobody_elses_certificates_go_from_beside_a_bake(
    mlops: Mlops, registered: str, monkeypatch: pytest.MonkeyPatch, bundle: str
) -> None:
    assert mlops("bake", "--pin", registered, "--output", ".").code == 0
    Path("proxy.pem").write_text("others")
    Path("ca.crt").write_text("certificates")
    monkeypatch.setenv("MLOPS_CA_BUNDLE", bundle)
    assert mlops("bake", "--pin", registered, "--output", ".").refusal.startswith("ca.crt: ")
    assert Path("ca.crt").read_text() == "certificates"


@pytest.mark.parametrize("bundle", ["", "proxy.pem"])
def test_nobody_elses_certificates_go(
    mlops: Mlops, registered: str, monkeypatch: pytest.MonkeyPatch, bundle: str
) -> None:
    Path("proxy.pem").write_text("others")
    Path("ca.crt").write_text("certificates")
    monkeypatch.setenv("MLOPS_CA_BUNDLE", bundle)
    assert mlops("bake", "--pin", registered, "--output", ".").refusal == (
        "ca.crt: it exists and is not from an earlier bake; move it, or name another --output"
    )
    assert Path("ca.crt").read_text() == "certificates"
    assert not Path("models").exists()


@pytest.mark.parametrize(
    ("output", "store"),
    [(".mlops", ".mlops"), ("../{here}/.mlops/", ".mlops"), ("empty", "empty")],
)
def test_the_stores_own_versions_stay(
    mlops: Mlops, registered: str, tmp_path: Path, output: str, store: str
) -> None:
    before = contents(tmp_path)
    arguments = ["--output", output.format(here=tmp_path.name), "--store", store]
    assert mlops("bake", "--pin", registered, *arguments).refusal.endswith(
        "models: the store keeps its versions here; name another folder with --output"
    )
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    "file",
    [
        "models",
        "models/mine.pkl",
        "models/mine/model.onnx",
        "models/churn-model-v1.0.0",
        "models/churn-model-v1.0.0/metrics.json",  # as in a store
    ],
)
def test_nobody_elses_models_go(mlops: Mlops, registered: str, file: str) -> None:
    mine = Path("project", file)
    mine.parent.mkdir(parents=True)
    mine.write_text("years of work")
    assert mlops("bake", "--pin", registered, "--output", "project").refusal == (
        "project/models: it exists and is not from an earlier bake;"
        " move it, or name another --output"
    )
    assert contents(Path("project")) == {file: b"years of work"}


def test_missing_certificates_are_named_before_anything_is_written(
    mlops: Mlops, registered: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLOPS_CA_BUNDLE", "nowhere.pem")
    ran = mlops("bake", "--pin", registered)
    assert ran.code == 2
    assert "MLOPS_CA_BUNDLE" in ran.err
    assert "nowhere.pem" in ran.err
    assert not IMAGE.exists()
