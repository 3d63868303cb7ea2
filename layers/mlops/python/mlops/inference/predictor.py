"""The one predictor: tensors in, numbers out. The API, batch jobs and training use it."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as onnx_errors

from mlops.errors import ModelUnusable
from mlops.inference.structure import check_structure
from mlops.models.contract import Contract
from mlops.models.inputs import Tensors
from mlops.models.tasks import Numbers

LAYOUT = "layout"
"""Key of the model's metadata under which it says what columns it was trained on."""

MEMORY_BYTES = 256 * 2**20
"""What all models of a process may take for their tensors, whatever they are asked."""
_CELLS_AT_ONCE = 2**21
"""Numbers of the inputs that a graph gets at once; it may compute several results of that size."""
_FOLDED_BYTES = 2**20
"""What ONNX Runtime may compute ahead while it loads a model, for each result."""

# The binding raises one class a status code, without a common base.
_REFUSED = (
    onnx_errors.EngineError,
    onnx_errors.EPFail,
    onnx_errors.Fail,
    onnx_errors.InvalidArgument,
    onnx_errors.InvalidGraph,
    onnx_errors.InvalidProtobuf,
    onnx_errors.NoSuchFile,
    onnx_errors.NotFound,
    onnx_errors.NotImplemented,
    onnx_errors.RuntimeException,
)


class Predictor:
    """Predicts the numbers whose meaning the contract's task knows."""

    def __init__(self, version: str, model: bytes, contract: Contract) -> None:
        """Load `model`.

        Raises:
            ModelUnusable: It is no ONNX model of this contract, has anything that is not served
                (see `structure`), or needs too much memory.
        """
        check_structure(version, model)
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.use_env_allocators", "1")  # see _limit_memory
        options.add_session_config_entry(
            "optimization.constant_folding_max_output_size_in_bytes", str(_FOLDED_BYTES)
        )
        # The other format is not protobuf: nothing would have checked it.
        options.add_session_config_entry("session.load_model_format", "ONNX")
        # A single row is predicted in less time than it takes to wake a thread. And ONNX Runtime's
        # own threads share the trees, too: their sum, and its last digit, would depend on how
        # many there are. With one, a row's prediction is the same bits in whatever company.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(
                model, options, providers=["CPUExecutionProvider"]
            )
        except _REFUSED as error:
            raise ModelUnusable(version, f"not a model that can be loaded: {error}") from error
        self._version = version
        self._output = contract.outcome.output
        self._outputs = [self._output.name]
        self._scale = 10.0**self._output.decimals
        self._require_contract(contract)

    def _require_contract(self, contract: Contract) -> None:
        """Raise ModelUnusable unless the graph has the contract's inputs and outputs."""
        encoder, output = contract.encoder, self._output
        inputs = _describe(self._session.get_inputs())
        if inputs != encoder.signature:
            raise ModelUnusable(
                self._version, f"its inputs are {inputs}, not those of the contract"
            )
        layout = self._session.get_modelmeta().custom_metadata_map.get(LAYOUT)
        if layout != encoder.layout:
            raise ModelUnusable(
                self._version,
                f"it was trained on the columns {layout}; those of the contract are"
                f" {encoder.layout}: train it again",
            )
        outputs = _describe(self._session.get_outputs())
        if outputs.get(output.name) != ("tensor(float)", output.width):
            raise ModelUnusable(
                self._version,
                f"its outputs are {outputs}, without {output.name} of width {output.width}",
            )

    def predict(self, tensors: Tensors) -> Numbers:
        """Return the numbers of each row, rounded as the task says; shape (n, k).

        They are rounded here, for everybody: a label that is derived from a number then agrees with
        the number that the client sees.

        Raises:
            ModelUnusable: The model fails on such tensors, or predicts what cannot be.
        """
        output = self._output
        numbers = self._run_in_parts(tensors)[:, output.skipped :].astype(np.float64)
        # NaN is neither above nor below.
        if not bool(((numbers >= output.low) & (numbers <= output.high)).all()):
            raise ModelUnusable(self._version, output.impossible)
        return numbers.round(output.decimals)

    def predict_one(self, tensors: Tensors) -> list[float]:
        """Return the numbers of a single row, to the bit what `predict` says of it; k of them.

        Raises:
            ModelUnusable: As of `predict`.
        """
        output = self._output
        numbers = self._run(tensors)[0].tolist()[output.skipped :]
        if not all(output.low <= number <= output.high for number in numbers):
            raise ModelUnusable(self._version, output.impossible)
        # As NumPy rounds, but without it: its calls would take half as long as the model.
        return [round(number * self._scale) / self._scale for number in numbers]

    def _run_in_parts(self, tensors: Tensors) -> NDArray[np.float32]:
        """Return the output of the graph, which takes as many rows at once as memory allows."""
        rows = len(next(iter(tensors.values())))
        cells = sum(values.size for values in tensors.values())
        step = max(1, rows * _CELLS_AT_ONCE // max(1, cells))
        if rows <= step:
            return self._run(tensors)
        return np.concatenate(
            [
                self._run({name: values[at : at + step] for name, values in tensors.items()})
                for at in range(0, rows, step)
            ]
        )

    def _run(self, tensors: Tensors) -> NDArray[np.float32]:
        """Return the output of the graph, shape (n, width)."""
        try:
            found: list[NDArray[np.float32]] = self._session.run(self._outputs, dict(tensors))
        except _REFUSED as error:
            raise ModelUnusable(self._version, f"it cannot predict: {error}") from error
        return found[0]


def _limit_memory() -> None:
    """Give the sessions of this process one arena: what would not fit in is an error, not memory.

    Tensors, and what operators need to compute them, come from it.
    """
    cpu = onnxruntime.OrtMemoryInfo(
        "Cpu",
        onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR,
        0,
        onnxruntime.OrtMemType.DEFAULT,
    )
    # -1: as ONNX Runtime does without settings.
    arena = onnxruntime.OrtArenaCfg(MEMORY_BYTES, -1, -1, -1)
    onnxruntime.create_and_register_allocator(cpu, arena)


_limit_memory()


def _describe(nodes: Iterable[onnxruntime.NodeArg]) -> dict[str, tuple[str, int | None]]:
    """Return by name the type and the last dimension, which is None where it may vary."""
    return {node.name: (node.type, _last(node.shape)) for node in nodes}


def _last(shape: list[Any]) -> int | None:
    return shape[-1] if shape and isinstance(shape[-1], int) else None
