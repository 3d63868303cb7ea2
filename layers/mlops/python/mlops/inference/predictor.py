"""The one predictor: ONNX in, probabilities out. Online, batch and training use it."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as onnx_errors

from mlops.errors import ModelUnusable
from mlops.inference.structure import check_structure
from mlops.models.columns import Columns
from mlops.models.contract import Contract

INPUT = "columns"
OUTPUT = "probabilities"
LAYOUT = "layout"
"""Key of the model's metadata under which it says what columns it was trained on."""
DECIMALS = 6
NO_PROBABILITY = "it predicts what is not between 0 and 1"
_SCALE = 10.0**DECIMALS

MEMORY_BYTES = 256 * 2**20
"""What all models of a process may take for their tensors, whatever they are asked."""
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
    """Predicts the probability of a model's positive class."""

    def __init__(self, version: str, model: bytes, contract: Contract) -> None:
        """Load `model`.

        Raises ModelUnusable where it is no ONNX model of this contract, has anything that is not
        served (see `structure`), or needs too much memory.
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
        inputs = _described(self._session.get_inputs())
        width = len(contract.numeric) + len(contract.categorical)
        if inputs != {INPUT: ("tensor(float)", [width])}:
            raise ModelUnusable(version, f"its inputs are {inputs}, not those of the contract")
        layout = self._session.get_modelmeta().custom_metadata_map.get(LAYOUT)
        if layout != contract.layout:
            raise ModelUnusable(
                version,
                f"it was trained on the columns {layout}; those of the contract are"
                f" {contract.layout}: train it again",
            )
        outputs = _described(self._session.get_outputs())
        if outputs.get(OUTPUT) != ("tensor(float)", [2]):
            raise ModelUnusable(
                version, f"its outputs are {outputs}, without {OUTPUT} of two classes"
            )

    def predict(self, columns: Columns) -> NDArray[np.float64]:
        """Probabilities of shape (n,), rounded to six decimals.

        Rounded here, for everybody: a category that is derived from the number then agrees with
        the number the client sees. A broken model may say what is no probability: see
        `are_probabilities`. Raises ModelUnusable where the model fails on such columns.
        """
        return self._run(columns)[:, 1].astype(np.float64).round(DECIMALS)

    def predict_one(self, columns: Columns) -> float:
        """The probability of a single row, to the bit what `predict` says of it.

        Raises ModelUnusable where the model fails on it, or says what is no probability.
        """
        found = self._run(columns).item(1)
        if not 0 <= found <= 1:
            raise ModelUnusable(self._version, NO_PROBABILITY)
        # As numpy rounds, but without it: its calls would take half as long as the model.
        return round(found * _SCALE) / _SCALE

    def _run(self, columns: Columns) -> NDArray[np.float32]:
        """Both classes' probabilities, of shape (n, 2)."""
        try:
            found: list[NDArray[np.float32]] = self._session.run([OUTPUT], {INPUT: columns.values})
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


def are_probabilities(predictions: NDArray[np.float64]) -> bool:
    """Whether all lie between 0 and 1; NaN does not."""
    return bool(((predictions >= 0) & (predictions <= 1)).all())


def _described(nodes: Iterable[onnxruntime.NodeArg]) -> dict[str, tuple[str, list[Any]]]:
    """Type and last dimension, by name."""
    return {node.name: (node.type, node.shape[-1:]) for node in nodes}
