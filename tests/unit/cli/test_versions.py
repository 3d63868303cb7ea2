"""`mlops register | models | show | registry rebuild`."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mlops.bootstrap.registry import open_registry
from mlops.inference.version import ModelVersion
from mlops.training.folder import Candidate, save
from tests.unit.cli.conftest import CARD, Mlops, trained
from tests.unit.inference.building import provenance, version_files

V1 = Path(".mlops/models/churn-model-v1.0.0")
CATALOG = Path(".mlops/registry/registry.sqlite")


def test_the_first_version_is_1_0_0(mlops: Mlops, candidate: Candidate) -> None:
    ran = mlops("register", "churn")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("Registered churn-model-v1.0.0. ")
    assert {path.name for path in V1.iterdir()} == {*candidate.files, "manifest.json"}


def test_registering_again_says_the_same(mlops: Mlops, registered: str) -> None:
    again = mlops("register", "churn", "--json").document
    assert again == {"version": "churn-model-v1.0.0", "pin": registered}
    assert len(mlops("models", "--json").document) == 1


def test_another_candidate_is_the_next_version(
    mlops: Mlops, registered: str, tmp_path: Path
) -> None:
    trained(tmp_path / "other", "b")
    ran = mlops("register", "churn", "--candidate", tmp_path / "other", "--json")
    assert ran.document["version"] == "churn-model-v1.1.0"


def test_a_taken_version_is_not_written_over(mlops: Mlops, registered: str, tmp_path: Path) -> None:
    trained(tmp_path / "other", "b")
    before = (V1 / "metrics.json").read_bytes()
    refusal = mlops(
        "register", "churn", "--version", "churn-model-v1.0.0", "--candidate", tmp_path / "other"
    ).refusal
    assert refusal.startswith(f"{V1.name} has another manifest.json in the registry already")
    assert (V1 / "metrics.json").read_bytes() == before


def test_a_version_whose_files_are_gone_is_taken_by_the_same_only(
    mlops: Mlops, registered: str, tmp_path: Path
) -> None:
    trained(tmp_path / "other", "b")
    shutil.rmtree(V1)
    arguments = ["register", "churn", "--version", V1.name]
    refusal = mlops(*arguments, "--candidate", tmp_path / "other").refusal
    assert refusal.startswith(f"{V1.name} has another manifest.json in the registry already")
    assert not V1.exists()
    next_one = mlops("register", "churn", "--candidate", tmp_path / "other", "--json").document
    assert next_one["version"] == "churn-model-v1.1.0"
    assert mlops(*arguments, "--json").document["pin"] == registered
    assert mlops("show", V1.name).code == 0


def test_a_candidate_of_another_model(mlops: Mlops, candidate: Candidate, tmp_path: Path) -> None:
    fraud = Candidate("fraud", candidate.files, provenance(), candidate.metrics)
    save(fraud, tmp_path / "fraud")
    refusal = mlops("register", "churn", "--candidate", tmp_path / "fraud").refusal
    assert refusal == (
        f"{tmp_path / 'fraud'}: this is a candidate of fraud, not of churn;"
        f" to register it: mlops register fraud --candidate {tmp_path / 'fraud'}"
    )


IMPORT_IT = (
    "The command that makes them all is: mlops import PIPELINE.joblib SAMPLE.csv --model churn"
)
MAKE_ONE = (
    "make one with mlops train churn, or import a trained model:"
    " mlops import PIPELINE.joblib SAMPLE.csv --model churn"
)


@pytest.mark.parametrize("name", ["model.joblib", "x.pkl", "x.pickle", "x.onnx", "x.json", "x"])
def test_a_file_is_no_candidate_and_the_refusal_says_what_to_do(
    mlops: Mlops, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_bytes(b"\x80\x04.")
    refusal = mlops("register", "churn", "--candidate", name).refusal
    assert refusal.startswith(f"{name}: this is a file, but a candidate is a folder.")
    assert refusal.endswith(IMPORT_IT)


@pytest.mark.parametrize("name", ["candidate.json", "model.onnx", "metrics.json"])
def test_a_file_of_a_candidate_leads_to_its_folder(
    mlops: Mlops, candidate: Candidate, name: str
) -> None:
    folder = ".mlops/candidates/churn"
    refusal = mlops("register", "churn", "--candidate", f"{folder}/{name}").refusal
    assert refusal.endswith(f"this is a file of a candidate; name its folder: {folder}")


def test_without_a_candidate_the_refusal_says_how_to_make_one(mlops: Mlops) -> None:
    for arguments in ([], ["--candidate", "nowhere"]):
        refusal = mlops("register", "churn", *arguments).refusal
        assert refusal.endswith(f"there is no trained candidate here; {MAKE_ONE}")


def test_a_folder_of_something_else_is_no_candidate(
    mlops: Mlops, registered: str, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    for folder, reason in {
        "empty": "this folder holds no trained candidate, since it has no candidate.json;"
        f" {MAKE_ONE}",
        ".mlops/candidates": "this folder holds several candidates;"
        " name one of them: .mlops/candidates/churn",
        str(V1): "this version is registered already; to copy it to another store: mlops copy",
    }.items():
        refusal = mlops("register", "churn", "--candidate", folder).refusal
        assert refusal == f"{folder}: {reason}"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"a": 1}', "it lacks 'files'"),
        ("[1]", "it has another structure"),
        ("{", "EOF while parsing an object at line 1 column 1"),
    ],
)
def test_json_that_is_no_candidate_is_refused(
    mlops: Mlops, candidate: Candidate, content: str, reason: str
) -> None:
    Path(".mlops/candidates/churn/candidate.json").write_text(content)
    assert mlops("register", "churn").refusal == (
        ".mlops/candidates/churn, candidate.json:"
        f" this is no whole candidate ({reason}); make it again with mlops train or mlops import"
    )


def test_a_candidate_that_could_not_be_served_is_refused_before_anything_is_written(
    mlops: Mlops, candidate: Candidate, tmp_path: Path
) -> None:
    (tmp_path / ".mlops/candidates/churn/model.onnx").write_bytes(b"no model")
    refusal = mlops("register", "churn").refusal
    assert refusal.startswith(".mlops/candidates/churn, model.onnx: not a model that can be loaded")
    assert not (tmp_path / ".mlops/models").exists()
    assert not CATALOG.exists()


@pytest.mark.parametrize(
    "lost",
    [
        [V1 / "manifest.json", CATALOG],  # died while the files were written
        [V1 / "model.onnx", V1 / "model_card.md", V1 / "manifest.json", CATALOG],
        [CATALOG],  # died between the version and the registry
    ],
)
def test_an_interrupted_registration_is_mended_by_another(
    mlops: Mlops, registered: str, lost: list[Path]
) -> None:
    for path in lost:
        path.unlink()
    arguments = ["register", "churn", "--version", "churn-model-v1.0.0", "--json"]
    assert mlops(*arguments).document["pin"] == registered
    assert mlops("show", "churn-model-v1.0.0").code == 0


def test_models(mlops: Mlops, registered: str) -> None:
    ran = mlops("models", "churn")
    heading, line = ran.out.splitlines()
    assert heading.split() == [*("version", "stage", "trained", "figures", "commit", "deployed")]
    assert line.split() == [
        *("churn-model-v1.0.0", "candidate", "2026-01-02", "03:04"),
        *("brier", "0.1345,", "ece", "0.02,", "roc_auc", "0.8467"),
        *("c0ffee", "-"),
    ]
    (document,) = mlops("models", "--json").document
    assert document["pin"] == registered
    assert document["metrics"]["cross_validation"]["full"]["mean"]["roc_auc"] == 0.8467


def test_an_empty_store_stays_empty(mlops: Mlops, tmp_path: Path) -> None:
    assert mlops("models").out == "No version is registered in .mlops.\n"
    assert mlops("models", "--json").document == []
    assert list(tmp_path.iterdir()) == []


def test_an_empty_setting_of_the_store_is_none(
    mlops: Mlops, registered: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLOPS_STORE", "")
    assert registered in mlops("models", "--json").out


def test_show(mlops: Mlops, registered: str) -> None:
    ran = mlops("show", "churn-model-v1.0.0")
    assert CARD.decode() in ran.out
    assert registered in ran.out
    assert mlops("show", "churn-model-v1.0.0", "--json").document["model_card"] == CARD.decode()


@pytest.fixture
def two_versions(mlops: Mlops, registered: str, tmp_path: Path) -> str:
    """The pin of churn-model-v1.10.0, registered before v1.9.0."""
    trained(tmp_path / "other", "b")
    arguments = ("register", "churn", "--candidate", tmp_path / "other", "--json", "--version")
    pin: str = mlops(*arguments, "churn-model-v1.10.0").document["pin"]
    mlops(*arguments, "churn-model-v1.9.0")
    return pin


def test_a_model_stands_for_its_newest_version(mlops: Mlops, two_versions: str) -> None:
    assert mlops("show", "churn", "--json").document["pin"] == two_versions
    Path("samconfig.toml").write_text("[default.global.parameters]\nparameter_overrides = []\n")
    assert mlops("pin", "churn", "--json").document["pin"] == two_versions


def test_a_model_without_versions_is_named(mlops: Mlops) -> None:
    for command in ("show", "pin"):
        assert mlops(command, "churn").refusal == "There is no version of churn in the store"


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR")


def test_on_a_terminal_the_card_is_rendered(mlops: Mlops, registered: str, terminal: None) -> None:
    shown = mlops("show", "churn").out
    assert "# Customer churn" not in shown
    assert "Customer churn" in shown
    assert registered in shown
    assert CARD.decode() in mlops("show", "churn", "--raw").out
    assert mlops("show", "churn", "--json").document["model_card"] == CARD.decode()


HOSTILE_CARD = (
    b"# Title\x1b]0;owned\x07 \x9b31m\xc2\x9b2J \xe2\x80\xaetxt\n[home](http://elsewhere)\n"
)


@pytest.mark.parametrize("arguments", [[], ["--raw"]])
@pytest.mark.parametrize("rendered", [True, False])
def test_a_card_gives_the_terminal_no_orders(
    mlops: Mlops,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    arguments: list[str],
    rendered: bool,
) -> None:
    whole = trained(tmp_path / "candidate")
    hostile = Candidate(
        "churn", {**whole.files, "model_card.md": HOSTILE_CARD}, provenance(), whole.metrics
    )
    save(hostile, tmp_path / "candidate")
    assert mlops("register", "churn", "--candidate", tmp_path / "candidate").code == 0
    if rendered:
        request.getfixturevalue("terminal")
    shown = mlops("show", "churn", *arguments).out
    assert "\x1b]" not in shown
    assert not set(shown) & {"\x07", "\x9b", "\u202e"}
    assert "http://elsewhere" in shown


def test_a_version_with_few_files_shows_what_it_has(mlops: Mlops, tmp_path: Path) -> None:
    whole = trained(tmp_path / "candidate")
    odd = {"cross_validation": {"full": 3}}
    for number, metrics in enumerate([{}, odd]):
        files = {**whole.files, "metrics.json": json.dumps(metrics).encode()}
        save(Candidate("churn", files, provenance(), metrics), tmp_path / "candidate")
        assert mlops("register", "churn", "--candidate", tmp_path / "candidate").code == 0
        assert mlops("models").out.splitlines()[1 + number].split()[4] == "-"


@pytest.mark.parametrize("file", ["model_card.md", "manifest.json"])
def test_what_was_tampered_with_is_not_shown(mlops: Mlops, registered: str, file: str) -> None:
    path = V1 / file
    path.write_bytes(path.read_bytes() + b" ")
    refusal = mlops("show", "churn-model-v1.0.0").refusal
    assert refusal.startswith("churn-model-v1.0.0: ")
    assert "sha256:" in refusal


@pytest.mark.parametrize("damage", [b"", b"not a database", None])
def test_the_registry_is_rebuilt_from_the_store(
    mlops: Mlops, registered: str, tmp_path: Path, damage: bytes | None
) -> None:
    trained(tmp_path / "other", "b")
    mlops("register", "churn", "--candidate", tmp_path / "other")
    before = mlops("models", "--json").out
    if damage is None:
        CATALOG.unlink()
    else:
        CATALOG.write_bytes(damage)
    assert mlops("models", "--json").out != before
    ran = mlops("registry", "rebuild", "--json")
    assert ran.document == {
        "versions": ["churn-model-v1.0.0", "churn-model-v1.1.0"],
        "left_out": [],
    }
    assert mlops("models", "--json").out == before


IN_ITS_PLACE: dict[str, tuple[Callable[[Path], None], str]] = {
    "a folder": (
        Path.mkdir,
        ".mlops/registry/registry.sqlite: Is a directory; a file belongs here, so name one, or move"
        " the folder away",
    ),
    "a link that leads nowhere": (
        lambda path: path.symlink_to("elsewhere.sqlite"),
        ".mlops/registry/registry.sqlite: it is a link to a file that is not there; restore that"
        " file",
    ),
    "a link that leads to itself": (
        lambda path: path.symlink_to(path.name),
        ".mlops/registry/registry.sqlite: Too many levels of symbolic links; a link leads to"
        " itself, so remove it",
    ),
}


@pytest.mark.parametrize("command", ["models", "show", "pin", "register"])
@pytest.mark.parametrize("kind", IN_ITS_PLACE)
def test_a_registry_that_cannot_be_read_is_no_empty_one(
    mlops: Mlops, registered: str, kind: str, command: str
) -> None:
    CATALOG.unlink()
    put, reason = IN_ITS_PLACE[kind]
    put(CATALOG)
    refusal = mlops(command, "churn").refusal
    assert refusal == f"registry/registry.sqlite: {reason}"


@pytest.mark.parametrize("place", [".mlops/registry", ".mlops"])
def test_a_file_in_place_of_the_registrys_folder_is_no_empty_registry(
    mlops: Mlops, place: str
) -> None:
    Path(place).parent.mkdir(exist_ok=True)
    Path(place).write_text("")
    assert mlops("models").refusal == (
        "registry/registry.sqlite: .mlops/registry/registry.sqlite: Not a directory; a part of this"
        " path is a file, so name another place"
    )


def test_a_rebuild_says_what_it_leaves_out(mlops: Mlops, registered: str) -> None:
    (V1 / "manifest.json").write_bytes(b"[]")
    ran = mlops("registry", "rebuild")
    assert ran.code == 1
    assert ran.out == "Versions in the registry: 0\n"
    assert ran.err.startswith("Left out: churn-model-v1.0.0: the manifest cannot be read")


def test_a_rebuild_is_not_stopped_by_what_somebody_put_there(mlops: Mlops, registered: str) -> None:
    for folder in (Path(".mlops/registry/releases"), Path(".mlops/registry/journal", V1.name)):
        folder.mkdir(parents=True)
        (folder / "notes.txt").write_text("notes")
    ran = mlops("registry", "rebuild")
    assert (ran.code, ran.err) == (0, "")
    assert registered in mlops("models", "--json").out


def test_no_rebuild_enters_what_was_tampered_with(mlops: Mlops, registered: str) -> None:
    path = V1 / "manifest.json"
    path.write_bytes(path.read_bytes() + b" ")
    for _ in range(2):
        ran = mlops("registry", "rebuild")
        assert (ran.code, ran.out) == (1, "Versions in the registry: 0\n")
        assert f"registered was {registered.partition('@')[2]}" in ran.err
    assert mlops("pin", "churn", V1.name).code == 1
    path.unlink()
    assert mlops("register", "churn", "--version", V1.name, "--json").document["pin"] == registered
    assert mlops("registry", "rebuild").code == 0
    assert registered in mlops("models", "--json").out


def test_versions_of_a_model_that_is_not_known_here_are_kept(mlops: Mlops, registered: str) -> None:
    store = open_registry(".mlops")
    store.register(ModelVersion("fraud", 1, 0, 0), version_files(), provenance())
    before = mlops("models", "--json").out
    assert mlops("registry", "rebuild").code == 0
    assert mlops("models", "--json").out == before


def test_a_rebuild_names_what_was_never_finished(mlops: Mlops, registered: str) -> None:
    (V1 / "manifest.json").unlink()
    ran = mlops("registry", "rebuild", "--json")
    left_out = f"{V1.name}: its manifest is missing: never finished, or damaged"
    assert (ran.code, ran.err) == (1, f"Left out: {left_out}\n")
    assert ran.document == {"versions": [], "left_out": [left_out]}
