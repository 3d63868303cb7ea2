"""The JSON Schema of what a submitter puts on the queue; `make openapi` writes it to docs/."""

import json
from pathlib import Path

from functions.batch.messages import SubmissionMessage
from mlops.files import write_file

COMMITTED = Path(__file__).resolve().parents[2] / "docs" / "batch-message.schema.json"
_DRAFT = {"$schema": "https://json-schema.org/draft/2020-12/schema"}


def described() -> str:
    document = _DRAFT | SubmissionMessage.model_json_schema()
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    write_file(COMMITTED, described())
