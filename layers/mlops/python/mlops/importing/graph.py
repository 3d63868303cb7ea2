"""A graph of ONNX operators, written node by node."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 21
ML_OPSET = 3
"""The later ones have the tree operator that is not served; see `inference.structure`."""
_IR_VERSION = 10

Operand = str | NDArray[Any] | float
"""The name of a tensor, or a constant."""


class Graph:
    """Nodes and constants; every method returns the name of a tensor.

    Numbers are float64 unless a method says otherwise.
    """

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._initializers: list[onnx.TensorProto] = []
        self._domains = {"": OPSET}

    def constant(self, value: NDArray[Any] | float) -> str:
        """Return a constant; Python's floats are float64. Equal ones are kept once."""
        array = np.ascontiguousarray(value).reshape(np.shape(value))
        key = array.dtype.str, array.shape, array.tobytes()
        if key not in self._constants:
            self._constants[key] = f"c{len(self._constants)}"
            self._initializers.append(numpy_helper.from_array(array, self._constants[key]))
        return self._constants[key]

    def add(self, operator: str, *inputs: Operand, domain: str = "", **attributes: Any) -> str:
        """Add a node of one output."""
        return self.add_several(operator, 1, *inputs, domain=domain, **attributes)[0]

    def add_several(
        self, operator: str, outputs: int, *inputs: Operand, domain: str = "", **attributes: Any
    ) -> list[str]:
        """Add a node of several outputs."""
        names = [item if isinstance(item, str) else self.constant(item) for item in inputs]
        found = [f"t{len(self._nodes)}_{place}" for place in range(outputs)]
        self._nodes.append(helper.make_node(operator, names, found, domain=domain, **attributes))
        self._domains.setdefault(domain, ML_OPSET if domain == "ai.onnx.ml" else 1)
        return found

    def cast(self, tensor: str, dtype: Any) -> str:
        return self.add("Cast", tensor, to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def gather(self, tensor: Operand, places: Iterable[int] | int, axis: int = 1) -> str:
        """Return columns of a matrix; one number instead of a list drops the dimension."""
        wanted = np.int64(places) if isinstance(places, int) else np.array([*places], np.int64)
        return self.add("Gather", tensor, np.asarray(wanted), axis=axis)

    def gather_rows(self, table: NDArray[np.float64], positions: str) -> str:
        """Return a row of the table for each position."""
        return self.add("Gather", table, positions, axis=0)

    def concat(self, tensors: Iterable[str]) -> str:
        """Return matrices side by side."""
        found = [*tensors]
        return found[0] if len(found) == 1 else self.add("Concat", *found, axis=1)

    def reshape(self, tensor: str, *shape: int) -> str:
        return self.add("Reshape", tensor, np.array(shape, np.int64))

    def total(self, tensor: str, axis: int = 1, *, keep: bool = True) -> str:
        """Return sums along an axis."""
        return self.add("ReduceSum", tensor, np.array([axis], np.int64), keepdims=int(keep))

    def truth(self, tensor: str) -> str:
        """Return 1.0 for true and 0.0 for false."""
        return self.cast(tensor, np.float64)

    def embed(self, model: onnx.ModelProto, tensor: str) -> list[str]:
        """Add the nodes of another model of one input, and return its outputs."""
        prefix = f"m{len(self._nodes)}_"
        names = {model.graph.input[0].name: tensor}

        def renamed(name: str) -> str:
            return names.setdefault(name, f"{prefix}{name}") if name else name

        for initializer in model.graph.initializer:
            copy = onnx.TensorProto()
            copy.CopyFrom(initializer)
            copy.name = renamed(initializer.name)
            self._initializers.append(copy)
        for node in model.graph.node:
            copied = onnx.NodeProto()
            copied.CopyFrom(node)
            copied.input[:] = [*map(renamed, node.input)]
            copied.output[:] = [*map(renamed, node.output)]
            copied.name = ""
            self._nodes.append(copied)
        for entry in model.opset_import:
            known = self._domains.get(entry.domain, 0)
            self._domains[entry.domain] = max(entry.version, known)
        return [renamed(output.name) for output in model.graph.output]

    def to_bytes(
        self,
        name: str,
        inputs: Mapping[str, tuple[Any, int]],
        outputs: Mapping[str, tuple[str, int | None]],
        properties: Mapping[str, str],
    ) -> bytes:
        """Return the model: the same nodes give the same bytes.

        inputs: dtype and width of each, by name. outputs: a float32 tensor and
        its width for each name that they get.
        """
        nodes = [
            *self._nodes,
            *(
                helper.make_node("Identity", [found], [wanted])
                for wanted, (found, _) in outputs.items()
            ),
        ]
        graph = helper.make_graph(
            nodes,
            name,
            [
                helper.make_tensor_value_info(
                    place, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), [None, width]
                )
                for place, (dtype, width) in inputs.items()
            ],
            [
                helper.make_tensor_value_info(place, TensorProto.FLOAT, [None, width])
                for place, (_, width) in outputs.items()
            ],
            self._initializers,
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid(*entry) for entry in sorted(self._domains.items())],
            ir_version=_IR_VERSION,
        )
        helper.set_model_props(model, dict(properties))
        content: bytes = model.SerializeToString(deterministic=True)
        return content
