"""What an ONNX file may consist of, checked before ONNX Runtime sees it.

ONNX Runtime trusts its models: it reads tensors from other files, unfolds a sparse tensor of a few
bytes into gigabytes, and runs loops without end. None of that is needed to serve what scikit-learn
learns. So a model is one graph of known operators, complete in its own bytes: no external data, no
sparse tensors, no subgraphs, no functions. docs/adr/0022 says why.

The `onnx` package is not in the images. This walks over protobuf's wire format itself, and takes
0.3 ms for the churn model: the many numbers of an attribute are skipped in one step.
"""

import re
from collections.abc import Iterator, Mapping

from mlops.errors import ModelUnusable

MAX_NODES = 10_000
MAX_TEXT = 256
"""Bytes of one string. The memory limit counts a string's place in a tensor, not its characters."""

_ONNX = """
Abs Add And ArgMax ArgMin Cast Ceil Clip Compress Concat Constant ConstantOfShape Cos CumSum Div
Einsum Equal Erf Exp Expand EyeLike Flatten Floor Gather GatherElements GatherND Gemm Greater
GreaterOrEqual Identity IsInf IsNaN Less LessOrEqual Log LogSoftmax LpNormalization MatMul Max Mean
Min Mod Mul Neg NonZero Not OneHot Or Pow Reciprocal ReduceL1 ReduceL2 ReduceLogSum
ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd ReduceSum ReduceSumSquare Relu Reshape
Round ScatterElements Shape Sigmoid Sign Sin Slice Softmax Softplus Split Sqrt Squeeze
StringNormalizer Sub Sum Tanh TfIdfVectorizer Tile TopK Transpose Unsqueeze Where Xor
"""
_ONNX_ML = """
ArrayFeatureExtractor Binarizer CategoryMapper FeatureVectorizer Imputer LabelEncoder
LinearClassifier LinearRegressor Normalizer OneHotEncoder SVMClassifier SVMRegressor Scaler
TreeEnsembleClassifier TreeEnsembleRegressor
"""
OPERATORS: Mapping[str, frozenset[str]] = {
    "": frozenset(_ONNX.split()),
    "ai.onnx": frozenset(_ONNX.split()),  # another name of the same domain
    "ai.onnx.ml": frozenset(_ONNX_ML.split()),
    "com.microsoft": frozenset({"CDist"}),  # without it, nearest neighbours need a Scan
}
"""The operators that a model may use, by domain. None has a subgraph or draws random numbers.

TreeEnsemble of ai.onnx.ml 5 is left out: ONNX Runtime follows its indices without checking them, so
a cycle takes all memory, and a number out of range ends the process. It refuses both in the older
pair TreeEnsembleClassifier and TreeEnsembleRegressor, which skl2onnx writes.
"""

# Wire types of protobuf. Groups (3 and 4) are not written any more.
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MAX_TAG = 2**32 - 1

# Fields by their numbers in onnx.proto3.
_MODEL_GRAPH = 7
_GRAPH_NODE, _GRAPH_TENSOR = 1, 5
_NODE_OPERATOR, _NODE_ATTRIBUTE, _NODE_DOMAIN = 4, 5, 7
_ATTRIBUTE_TEXT, _ATTRIBUTE_TEXTS = 4, 9
_ATTRIBUTE_TENSORS = (5, 10)
_TENSOR_TEXT, _TENSOR_LOCATION = 6, 14

_REFUSED_IN_MODEL = {20: "training steps", 25: "functions"}
_REFUSED_IN_GRAPH = {15: "sparse tensors"}
_REFUSED_IN_ATTRIBUTE = {
    6: "subgraphs",
    11: "subgraphs",
    22: "sparse tensors",
    23: "sparse tensors",
}
_EXTERNAL = "data outside of its file"
_REFUSED_IN_TENSOR = {13: _EXTERNAL}

# Floats (field 7), whole numbers (8) and names of branches (9) of an attribute: a tree ensemble has
# thousands of them, each with its own tag.
_ATTRIBUTE_RUN = re.compile(
    rb"(?:=....|@[\x80-\xff]*+[\x00-\x7f]|J(?:\x04....|\x0a..........))++", re.DOTALL
)

_Field = tuple[int, int, int, int]
"""Number, wire type, start and end of the content; of a varint its value instead of the start."""


class _Damaged(Exception):
    pass


class _Refused(Exception):
    pass


def check_structure(version: str, model: bytes) -> None:
    """Raise ModelUnusable unless `model` has only what a served model may consist of."""
    try:
        _check_model(model)
    except _Damaged as error:
        raise ModelUnusable(version, f"not a model that can be loaded: {error}") from error
    except _Refused as error:
        raise ModelUnusable(
            version, f"its model has {error}, which is not served: export it without"
        ) from error


def _check_model(model: bytes) -> None:
    nodes = 0
    for number, wire, start, end in _fields(model, 0, len(model)):
        _refuse(number, _REFUSED_IN_MODEL)
        if number == _MODEL_GRAPH and wire == _BYTES:
            nodes += _check_graph(model, start, end)
    if nodes > MAX_NODES:
        raise _Refused(f"more than {MAX_NODES:,} nodes")


def _check_graph(model: bytes, start: int, end: int) -> int:
    """Return the number of nodes."""
    nodes = 0
    for number, wire, begin, stop in _fields(model, start, end):
        _refuse(number, _REFUSED_IN_GRAPH)
        if wire == _BYTES:
            if number == _GRAPH_NODE:
                nodes += 1
                _check_node(model, begin, stop)
            elif number == _GRAPH_TENSOR:
                _check_tensor(model, begin, stop)
    return nodes


def _check_node(model: bytes, start: int, end: int) -> None:
    operator, domain = b"", b""  # of a field that is there twice, the last one counts
    for number, wire, begin, stop in _fields(model, start, end):
        if wire == _BYTES:
            if number == _NODE_ATTRIBUTE:
                _check_attribute(model, begin, stop)
            elif number == _NODE_OPERATOR:
                operator = model[begin:stop]
            elif number == _NODE_DOMAIN:
                domain = model[begin:stop]
    known = OPERATORS.get(domain.decode(errors="replace"), ())
    name = operator.decode(errors="replace")
    if name not in known:
        where = f" of {domain.decode(errors='replace')!r}" if domain else ""
        raise _Refused(f"the operator {name!r}{where}")


def _check_attribute(model: bytes, start: int, end: int) -> None:
    for number, wire, begin, stop in _fields(model, start, end, _ATTRIBUTE_RUN):
        _refuse(number, _REFUSED_IN_ATTRIBUTE)
        if wire == _BYTES:
            if number in _ATTRIBUTE_TENSORS:
                _check_tensor(model, begin, stop)
            elif number in (_ATTRIBUTE_TEXT, _ATTRIBUTE_TEXTS):
                _check_text(begin, stop)


def _check_tensor(model: bytes, start: int, end: int) -> None:
    for number, wire, begin, stop in _fields(model, start, end):
        _refuse(number, _REFUSED_IN_TENSOR)
        if number == _TENSOR_LOCATION and not (wire == _VARINT and begin == 0):
            raise _Refused(_EXTERNAL)
        if number == _TENSOR_TEXT and wire == _BYTES:
            _check_text(begin, stop)


def _check_text(start: int, end: int) -> None:
    if end - start > MAX_TEXT:
        raise _Refused(f"a string of more than {MAX_TEXT} bytes")


def _refuse(number: int, refused: Mapping[int, str]) -> None:
    if number in refused:
        raise _Refused(refused[number])


def _fields(
    data: bytes, start: int, end: int, run: re.Pattern[bytes] | None = None
) -> Iterator[_Field]:
    """Yield the fields of the message that lies between `start` and `end`.

    run: fields that are skipped. Raises _Damaged.
    """
    position = start
    while True:
        if run is not None and (skipped := run.match(data, position, end)):
            position = skipped.end()
        if position >= end:
            return
        tag, position = _varint(data, position, end)
        if tag > _MAX_TAG:  # the protobuf of ONNX Runtime would drop the bits above
            raise _Damaged(f"the tag before byte {position} is damaged")
        number, wire = tag >> 3, tag & 7
        if wire == _BYTES:
            length, position = _varint(data, position, end)
            stop = position + length
            begin = position
        elif wire == _VARINT:
            begin, stop = _varint(data, position, end)
        elif wire in (_FIXED32, _FIXED64):
            begin, stop = position, position + (4 if wire == _FIXED32 else 8)
        else:
            raise _Damaged(f"byte {position} begins no field")
        if number == 0 or stop > end:
            raise _Damaged(f"the field at byte {position} is damaged")
        yield number, wire, begin, stop
        position = stop


def _varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    """Return the number at `position`, and where it ends. Raises _Damaged."""
    value = shift = 0
    while position < end and shift < 64:
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:
            return value, position
        shift += 7
    raise _Damaged(f"the number at byte {position} is damaged")
