"""`make openapi`: write the API's description, as it is, to docs/openapi.json."""

import json
from pathlib import Path

from mlops.files import write_file
from tests.unit.api.service import service

COMMITTED = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"


def described() -> str:
    """Return the description of an API that serves the churn model."""
    return json.dumps(service().app.openapi(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    write_file(COMMITTED, described())
