"""What happens to the images on their way to a deployment, and what is told of a pin."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from mlops.inference.version import Pin
from tests.project.files import ROOT
from tests.tools import images as tools
from tests.tools.changed_pins import summary, table
from tests.tools.images import by_digest, images, missing

CLIENT = re.compile(r'[.]client[(]\s*"(\w+)"')
TEMPLATE = """\
Resources:
  ApiFunction:
    Properties:
      ImageUri: example.com/ours:apifunction-ca3217cf9976-latest
  BatchFunction:
    Properties:
      ImageUri: example.com/ours:batchfunction-56347e423537-latest
      MemorySize: 128
  DriftFunction:
    Properties:
      ImageUri: example.com/ours:batchfunction-56347e423537-latest
"""
API, BATCH = images(TEMPLATE)
DIGEST = {API: f"sha256:{'a' * 64}", BATCH: f"sha256:{'b' * 64}"}
V1, V2 = (Pin.parse(f"churn-model-v1.{minor}.0@sha256:{str(minor) * 64}") for minor in (1, 2))


def test_an_image_that_functions_share_is_one() -> None:
    assert images(TEMPLATE) == [
        "example.com/ours:apifunction-ca3217cf9976-latest",
        "example.com/ours:batchfunction-56347e423537-latest",
    ]


def test_images_are_named_by_digest_and_the_rest_stays() -> None:
    named = by_digest(
        TEMPLATE,
        lambda image: [f"elsewhere/x@{DIGEST[image]}", f"example.com/ours@{DIGEST[image]}"],
    )
    assert images(named) == [f"example.com/ours@{digest}" for digest in DIGEST.values()]
    for image, digest in DIGEST.items():
        named = named.replace(f"example.com/ours@{digest}", image)
    assert named == TEMPLATE


def test_an_image_that_was_pushed_elsewhere_only_is_refused() -> None:
    with pytest.raises(LookupError, match="has not been pushed to example.com/ours"):
        by_digest(TEMPLATE, lambda image: [f"example.com/theirs@{DIGEST[image]}"])


@pytest.fixture
def archived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Two archived images; the calls of Docker are noted and do nothing."""
    template = tmp_path / "template.yaml"
    template.write_text(TEMPLATE.replace("example.com/ours:", "").replace("-latest", ":latest"))
    monkeypatch.setattr(tools, "TEMPLATE", template)
    monkeypatch.setattr(tools, "ARCHIVES", tmp_path)
    for image in images(template.read_text()):
        tools._archive_of(image).write_text(f"layers of {image}")
    ran: list[list[str]] = []
    monkeypatch.setattr(tools, "_run", lambda *command: ran.append([*command]))
    monkeypatch.setenv("GITHUB_OUTPUT", str(tmp_path / "outputs"))
    return ran


@pytest.fixture
def built(archived: list[list[str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What `make archive` hands to later jobs."""
    tools.archive()
    archived.clear()
    printed = capsys.readouterr().out
    assert (tmp_path / "outputs").read_text() == printed
    name, _, digest = printed.strip().partition("=")
    assert name == "IMAGES_DIGEST"
    assert re.fullmatch("sha256:[0-9a-f]{64}", digest)
    return digest


def test_images_are_loaded_where_they_are_those_that_were_built(
    archived: list[list[str]], built: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGES_DIGEST", built)
    tools.unarchive()
    assert [command[:2] for command in archived] == [["docker", "load"]] * 2


@pytest.mark.parametrize("file", ["apifunction-ca3217cf9976.tar", "template.yaml"])
def test_an_image_or_a_template_that_was_swapped_is_not_loaded(
    archived: list[list[str]],
    built: str,
    file: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("IMAGES_DIGEST", built)
    with (tmp_path / file).open("a") as content:
        content.write(" ")
    with pytest.raises(SystemExit, match="These are not the images that were built"):
        tools.unarchive()
    assert not archived


def test_two_images_in_each_other_s_place_are_not_loaded(
    archived: list[list[str]], built: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IMAGES_DIGEST", built)
    first, second = sorted(tmp_path.glob("*.tar"))
    first.rename(tmp_path / "kept")
    second.rename(first)
    (tmp_path / "kept").rename(second)
    with pytest.raises(SystemExit, match="These are not the images that were built"):
        tools.unarchive()


@pytest.mark.parametrize("expected", [None, ""])
def test_images_are_not_loaded_without_a_digest_to_compare_with(
    archived: list[list[str]], built: str, expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("IMAGES_DIGEST", raising=False)
    if expected is not None:
        monkeypatch.setenv("IMAGES_DIGEST", expected)
    with pytest.raises(SystemExit, match="IMAGES_DIGEST is not set"):
        tools.unarchive()
    assert not archived


def test_a_list_with_a_gap_is_noticed() -> None:
    lock = "boto3==1.44.5 \\\n    --hash=sha256:0\nnumpy==2.4.6 ; python_version < '4'\n"
    purls = ["pkg:pypi/boto3@1.44.5", "pkg:deb/debian/python3.13@3.13.5?arch=amd64"]
    sbom = json.dumps({"components": [{"purl": purl} for purl in purls] + [{"type": "file"}]})
    assert missing(sbom, lock) == {"pkg:pypi/numpy@2.4.6"}
    assert missing("{}", lock) == {"pkg:pypi/boto3@1.44.5", "pkg:pypi/numpy@2.4.6"}


def test_pins_that_change_are_told() -> None:
    assert table([V1], [V1]) == "No pin changes.\n"
    assert table([V1], [V2]).splitlines()[2:] == [f"| churn | `{V1}` | `{V2}` |"]
    assert table([], [V2]).splitlines()[2:] == [f"| churn | - | `{V2}` |"]
    assert table([V2], []).splitlines()[2:] == [f"| churn | `{V2}` | - |"]


def test_pins_are_compared_with_those_of_a_commit(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.com"]
        command = ["git", *identity, *arguments]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)

    def pin(pin: Pin) -> None:
        parameters = f'parameter_overrides = ["Pins={pin}"]'
        (tmp_path / "samconfig.toml").write_text(f"[default.global.parameters]\n{parameters}\n")

    git("init")
    git("commit", "--allow-empty", "--message", "empty")
    pin(V1)
    assert summary("HEAD", tmp_path).startswith("Compared with nothing")
    git("add", ".")
    git("commit", "--message", "one")
    assert summary("HEAD", tmp_path) == "No pin changes.\n"
    pin(V2)
    assert summary("HEAD", tmp_path) == table([V1], [V2])


def test_the_services_that_are_called_are_described_in_the_images() -> None:
    """botocore's descriptions of all others are taken out of them."""
    dockerfile = (ROOT / "functions/Dockerfile").read_text()
    kept = re.search(r"find botocore/data .*?-exec rm", dockerfile, re.DOTALL)
    assert kept is not None
    sources = (ROOT / "layers/mlops/python/mlops/aws").glob("*.py")
    called = {name for path in sources for name in CLIENT.findall(path.read_text())}
    assert set(re.findall(r"! -name (\w+)", kept[0])) == called
