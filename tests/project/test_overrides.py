"""What a deployment sets of the template's parameters."""

import subprocess
import sys

from mlops.cli.samconfig import Samconfig
from tests.project.files import ROOT
from tests.tools.overrides import SAMCONFIG, merged

PIN = f"Pins=churn-model-v1.0.0@sha256:{'0' * 64}"


def test_what_is_named_takes_the_place_of_the_file_s() -> None:
    assert merged([PIN, "CodeSha=old"], ["CodeSha=new"]) == [PIN, "CodeSha=new"]


def test_what_is_named_without_a_value_changes_nothing() -> None:
    """Outside of git there is no commit."""
    assert merged([PIN, "CodeSha=old"], ["CodeSha="]) == [PIN, "CodeSha=old"]


def test_whatever_sam_takes_is_left_as_it_is() -> None:
    odd = ["file://more.yaml", 'Words="a b"', "ParameterKey=A,ParameterValue=b"]
    assert merged(odd, ["CodeSha=new"]) == [*odd, "CodeSha=new"]


def test_each_ends_with_a_byte_that_none_can_have() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.tools.overrides", "CodeSha=c0ffee1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    kept = Samconfig.read(SAMCONFIG).overrides()
    assert ran.stdout == "".join(f"{text}\0" for text in [*kept, "CodeSha=c0ffee1"])
