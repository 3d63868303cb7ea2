"""The base of the documents that people write."""

from pydantic import BaseModel, ConfigDict


class Document(BaseModel):
    """Exact types, no unknown keys, and no change after it was read."""

    model_config = ConfigDict(
        frozen=True, strict=True, extra="forbid", allow_inf_nan=False, protected_namespaces=()
    )
