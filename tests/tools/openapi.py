"""`make openapi`: write the API's description, as it is, to docs/openapi.json."""

import json
from pathlib import Path

from functions.api.app import create_app
from functions.api.settings import Settings
from mlops.files import write_file

COMMITTED = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"


def described() -> str:
    """The same with any models, and with none."""
    return json.dumps(create_app(Settings()).openapi(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    write_file(COMMITTED, described())
