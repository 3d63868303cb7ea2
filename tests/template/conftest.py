from typing import Any

import pytest
from cfnlint.decode import decode

from tests.project.files import ROOT
from tests.template.resources import Resources


@pytest.fixture(scope="session")
def template() -> dict[str, Any]:
    decoded, problems = decode(str(ROOT / "template.yaml"))
    assert not problems
    assert isinstance(decoded, dict)
    return decoded


@pytest.fixture(scope="session")
def resources(template: dict[str, Any]) -> Resources:
    return dict(template["Resources"])
