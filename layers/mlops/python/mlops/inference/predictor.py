"""The one predictor: ONNX in, probabilities out. Online, batch and training use it."""

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as onnx_errors

from mlops.errors import ModelUnusable
from mlops.models.columns import Columns

INPUTS = ("numeric", "categorical")
OUTPUT = "probabilities"
DECIMALS = 6

# The binding raises one class a status code, without a common base.
_REFUSED = (
    onnx_errors.EPFail,
    onnx_errors.Fail,
    onnx_errors.InvalidArgument,
    onnx_errors.InvalidGraph,
    onnx_errors.InvalidProtobuf,
    onnx_errors.NotImplemented,
    onnx_errors.RuntimeException,
)


class Predictor:
    """Predicts the probability of a model's positive class."""

    def __init__(self, version: str, model: bytes, *, numeric: int, categorical: int) -> None:
        """Load `model`, which takes that many numeric and categorical columns.

        Raises ModelUnusable where it is no ONNX model of that form.
        """
        options = onnxruntime.SessionOptions()
        # A Lambda has one request at a time and often less than one core: threads only wait
        # for one another there.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(
                model, options, providers=["CPUExecutionProvider"]
            )
        except _REFUSED as error:
            raise ModelUnusable(version, f"not a model that can be loaded: {error}") from error
        shapes = {node.name: node.shape[-1:] for node in self._session.get_inputs()}
        outputs = {node.name for node in self._session.get_outputs()}
        if shapes != dict(zip(INPUTS, ([numeric], [categorical]), strict=True)):
            raise ModelUnusable(version, f"its inputs are {shapes}, not those of the contract")
        if OUTPUT not in outputs:
            raise ModelUnusable(version, f"it has no output named {OUTPUT}")

    def predict(self, columns: Columns) -> NDArray[np.float64]:
        """Probabilities of shape (n,), rounded to six decimals.

        Rounded here, for everybody: a category that is derived from the number then agrees with
        the number the client sees.
        """
        (probabilities,) = self._session.run(
            [OUTPUT], dict(zip(INPUTS, (columns.numeric, columns.categorical), strict=True))
        )
        return np.round(np.asarray(probabilities)[:, 1].astype(np.float64), DECIMALS)
