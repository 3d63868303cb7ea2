"""What is measured runs Python as the image does."""

from pathlib import Path

import pytest

from bench.interpreter import COMPILED, ONE_THREAD, settings
from tests.project.files import ROOT


def test_the_settings_are_those_of_the_image() -> None:
    serve, _, _ = (ROOT / "functions/Dockerfile").read_text().partition("AS batch")
    for name, value in (COMPILED | ONE_THREAD).items():
        assert f"{name}={value}" in serve


def test_ours_is_compiled_as_in_the_image_and_a_peer_as_usual(tmp_path: Path) -> None:
    assert settings({}, bytecode=tmp_path).items() >= COMPILED.items()
    assert settings({}, bytecode=None) == ONE_THREAD


@pytest.mark.parametrize("name", ["PYTHONDONTWRITEBYTECODE", "PYTHONOPTIMIZE"])
def test_a_setting_of_the_caller_changes_no_figure(name: str) -> None:
    assert name not in settings({name: "1"}, bytecode=None)
