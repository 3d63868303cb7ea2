"""How requests become the inputs of a graph: one implementation for each input format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from numpy.typing import NDArray

if TYPE_CHECKING:
    from mlops.models.contract import RequestField

Tensors = Mapping[str, NDArray[Any]]
"""The inputs of a graph by name, all of the same number of rows."""


class Encoder(Protocol):
    """Turns validated requests into tensors, as one input format says."""

    @property
    def fields(self) -> tuple[RequestField, ...]:
        """The fields that are columns of a matrix; none where the format has no matrix."""

    @property
    def signature(self) -> Mapping[str, tuple[str, int | None]]:
        """By name, ONNX Runtime's type and the last dimension of each input of the graph.

        None: the last dimension differs from call to call.
        """

    @property
    def layout(self) -> str:
        """What the inputs mean, as text.

        It is written into a model when it is trained, and compared when it is loaded.
        """

    def tensors(self, requests: Sequence[object]) -> Tensors:
        """Return the inputs of the graph for validated requests."""
