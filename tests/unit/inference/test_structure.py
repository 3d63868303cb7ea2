"""A model that takes anything from outside of its bytes, or has no bounds, is never loaded."""

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import onnx
import onnxruntime
import pytest
from google.protobuf.descriptor import (  # type: ignore[import-untyped]
    Descriptor,
    FieldDescriptor,
)
from google.protobuf.message import Message  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st
from onnx import AttributeProto, ModelProto, TensorProto, helper

from mlops.errors import ModelUnusable
from mlops.inference import structure
from mlops.inference.predictor import Predictor
from mlops.inference.structure import MAX_NODES, MAX_TEXT, check_structure
from mlops.models.churn.contract import CHURN
from tests.unit.inference.building import onnx_model, serialized
from tests.unit.inference.hostile_models import (
    REFUSED,
    WEIGHTS,
    bytes_of_this_process,
    doubled_constants,
    expansion_of_a_column,
    external_constant,
    external_weights,
    external_weights_in_a_branch,
    external_weights_in_a_function,
    graph_of,
    repeated_text,
    write_weights,
)

VERSION = "churn-model-v1.0.0"


def refusal(model: bytes) -> str:
    with pytest.raises(ModelUnusable) as caught:
        check_structure(VERSION, model)
    return caught.value.reason


@pytest.mark.parametrize("build", REFUSED.values(), ids=REFUSED)
def test_a_hostile_model_is_refused_before_it_is_loaded(build: Callable[[], bytes]) -> None:
    model = build()
    assert "which is not served" in refusal(model)
    with pytest.raises(ModelUnusable):
        Predictor(VERSION, model, CHURN)


@pytest.mark.parametrize(
    "build",
    [
        external_weights,
        external_constant,
        external_weights_in_a_branch,
        external_weights_in_a_function,
    ],
)
def test_onnx_runtime_itself_reads_external_data_from_the_current_folder(
    build: Callable[[], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or the attacks above would be none."""
    monkeypatch.chdir(tmp_path)
    write_weights(tmp_path)
    onnxruntime.InferenceSession(build(), providers=["CPUExecutionProvider"])
    (tmp_path / WEIGHTS).unlink()
    with pytest.raises(Exception, match=WEIGHTS):
        onnxruntime.InferenceSession(build(), providers=["CPUExecutionProvider"])


def test_external_data_at_an_address_is_refused_whatever_it_is_called() -> None:
    assert "data outside of its file" in refusal(bytes_of_this_process())
    assert "data outside of its file" in refusal(external_weights("/proc/self/environ"))


def test_data_that_is_said_to_lie_in_the_file_is_taken() -> None:
    model = onnx.load_model_from_string(onnx_model())
    for tensor in model.graph.initializer:
        tensor.data_location = TensorProto.DEFAULT
    check_structure(VERSION, model.SerializeToString())


Path_ = tuple[FieldDescriptor, ...]


def paths(message: Descriptor, seen: tuple[str, ...] = ()) -> Iterator[Path_]:
    """Every way that ONNX has from a message to another one, without going in circles."""
    for field in message.fields:
        if field.message_type is not None and field.message_type.name not in seen:
            yield (field,)
            for rest in paths(field.message_type, (*seen, message.name)):
                yield (field, *rest)


def model_with(path: Path_, content: Message) -> bytes:
    """A good model that has `content` at the end of `path` as well."""
    model = onnx.load_model_from_string(onnx_model())
    message: Message = model
    for field in path:
        value = getattr(message, field.name)
        message = value if not field.is_repeated else value.add()
    message.CopyFrom(content)
    found: bytes = model.SerializeToString()
    return found


ALL_PATHS = list(paths(ModelProto.DESCRIPTOR))
TO_TENSORS = [path for path in ALL_PATHS if path[-1].message_type.name == "TensorProto"]


def named(path: Path_) -> str:
    return ".".join(field.name for field in path)


def test_onnx_has_the_places_for_tensors_that_are_tried_here() -> None:
    assert {
        "graph.initializer",
        "graph.sparse_initializer.values",
        "graph.sparse_initializer.indices",
        "graph.node.attribute.t",
        "graph.node.attribute.tensors",
        "graph.node.attribute.sparse_tensor.values",
        "functions.node.attribute.t",
        "training_info.initialization.initializer",
    } <= set(map(named, TO_TENSORS))


@pytest.mark.parametrize("path", TO_TENSORS, ids=named)
def test_external_data_is_refused_wherever_onnx_has_a_place_for_a_tensor(path: Path_) -> None:
    external = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1])
    external.external_data.add(key="location", value=WEIGHTS)
    external.data_location = TensorProto.EXTERNAL
    refusal(model_with(path, external))
    external.ClearField("data_location")
    refusal(model_with(path, external))


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in ALL_PATHS
        if path[-1].message_type.name in ("SparseTensorProto", "FunctionProto", "TrainingInfoProto")
        or (path[-1].message_type.name == "GraphProto" and len(path) > 1)
    ],
    ids=named,
)
def test_sparse_tensors_functions_and_subgraphs_are_refused_wherever_they_are(path: Path_) -> None:
    refusal(model_with(path, path[-1].message_type._concrete_class()))


def test_field_numbers_are_those_of_onnx() -> None:
    def number(message: type[Message], name: str) -> int:
        return int(message.DESCRIPTOR.fields_by_name[name].number)

    assert number(ModelProto, "graph") == structure._MODEL_GRAPH
    assert number(onnx.GraphProto, "node") == structure._GRAPH_NODE
    assert number(onnx.GraphProto, "initializer") == structure._GRAPH_TENSOR
    assert number(onnx.NodeProto, "op_type") == structure._NODE_OPERATOR
    assert number(onnx.NodeProto, "domain") == structure._NODE_DOMAIN
    assert number(onnx.NodeProto, "attribute") == structure._NODE_ATTRIBUTE
    assert number(AttributeProto, "s") == structure._ATTRIBUTE_TEXT
    assert number(AttributeProto, "strings") == structure._ATTRIBUTE_TEXTS
    assert (number(AttributeProto, "floats"), number(AttributeProto, "ints")) == (7, 8)
    assert number(TensorProto, "string_data") == structure._TENSOR_TEXT
    assert number(TensorProto, "data_location") == structure._TENSOR_LOCATION


def varint(value: int, padding: int = 0) -> bytes:
    """Encode `value`, with bytes more than it needs."""
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    for _ in range(padding):
        found[-1] |= 0x80
        found.append(0)
    return bytes(found)


def field(number: int, content: bytes, padding: int = 0, above: int = 0) -> bytes:
    tag = (number << 3 | 2) + (above << 32)
    return varint(tag, padding) + varint(len(content), padding) + content


@pytest.mark.parametrize("padding", [0, 1, 2, 3])
def test_external_data_is_found_under_longer_encodings_of_its_fields(padding: int) -> None:
    tensor = external_weights_tensor()
    graph = field(5, tensor, padding)
    assert "data outside of its file" in refusal(onnx_model() + field(7, graph, padding))


def test_bits_that_onnx_runtime_drops_hide_nothing() -> None:
    graph = field(5, external_weights_tensor(), above=1)
    assert "is damaged" in refusal(onnx_model() + field(7, graph))
    assert "is damaged" in refusal(onnx_model() + field(7, graph, above=1))


def external_weights_tensor() -> bytes:
    (tensor,) = (
        tensor
        for tensor in onnx.load_model_from_string(external_weights()).graph.initializer
        if tensor.external_data
    )
    content: bytes = tensor.SerializeToString()
    return content


def test_a_second_graph_which_protobuf_adds_to_the_first_is_checked_too() -> None:
    second = ModelProto()
    second.graph.node.add(op_type="Loop")
    assert "'Loop'" in refusal(onnx_model() + second.SerializeToString())


def test_of_an_operator_named_twice_the_last_name_counts() -> None:
    node = field(4, b"Identity") + field(4, b"Loop")
    assert "'Loop'" in refusal(onnx_model() + field(7, field(1, node)))


@pytest.mark.parametrize(
    ("operator", "domain"),
    [
        ("Loop", ""),
        ("Scan", ""),
        ("If", ""),
        ("SequenceMap", ""),
        ("Loop", "ai.onnx"),
        ("Identity", "com.example"),
        ("Identity", "ai.onnx.ml"),
        ("PythonOp", "com.microsoft"),
        ("", ""),
    ],
)
def test_an_unknown_operator_is_named(operator: str, domain: str) -> None:
    node = helper.make_node(operator, ["zero"], ["more"], domain=domain)
    reason = refusal(serialized(graph_of([node])))
    assert repr(operator) in reason
    assert domain in reason


def model_of(*nodes: onnx.NodeProto) -> bytes:
    model = helper.make_model(helper.make_graph(nodes, "nodes", [], []))
    content: bytes = model.SerializeToString()
    return content


def test_more_nodes_than_any_exporter_writes_are_refused() -> None:
    def chain(length: int) -> bytes:
        nodes = [
            helper.make_node("Identity", [f"n{number}"], [f"n{number + 1}"])
            for number in range(length)
        ]
        return model_of(*nodes)

    check_structure(VERSION, chain(MAX_NODES))
    assert "10,000 nodes" in refusal(chain(MAX_NODES + 1))


def test_a_string_may_have_256_bytes_in_a_tensor_and_in_an_attribute() -> None:
    def encoder(text: bytes, many: bool) -> bytes:
        attribute = {"keys_strings": [b"LEAF", text]} if many else {"default_string": text}
        return model_of(
            helper.make_node("LabelEncoder", ["x"], ["y"], domain="ai.onnx.ml", **attribute)
        )

    builds: list[Callable[[bytes], bytes]] = [
        lambda text: encoder(text, many=True),
        lambda text: encoder(text, many=False),
        lambda text: repeated_text(len(text)),
    ]
    for build in builds:
        check_structure(VERSION, build(b"x" * MAX_TEXT))
        assert "a string" in refusal(build(b"x" * (MAX_TEXT + 1)))


@given(data=st.data())
def test_whatever_the_bytes_are_they_are_taken_or_refused(data: st.DataObject) -> None:
    """Mutations of good models and of bad ones: never another error, and no external data."""
    good_or_bad = [onnx_model(), external_weights(), external_constant()]
    model = bytearray(data.draw(st.sampled_from(good_or_bad)))
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(model) - 1))
        if data.draw(st.booleans()):
            model[at] = data.draw(st.integers(0, 255))
        else:
            del model[at]
    try:
        check_structure(VERSION, bytes(model))
    except ModelUnusable:
        return
    try:
        parsed = onnx.load_model_from_string(bytes(model))
    except Exception:  # noqa: BLE001 -- protobuf's own, and ONNX Runtime's is the same
        return
    constants = (attribute.t for node in parsed.graph.node for attribute in node.attribute)
    for tensor in itertools.chain(parsed.graph.initializer, constants):
        assert not tensor.external_data
        assert tensor.data_location == TensorProto.DEFAULT


MEASURED = """
import resource, sys
import numpy as np
from mlops.errors import ModelUnusable
from mlops.inference.predictor import Predictor
from mlops.models.churn.contract import CHURN
from mlops.models.tabular import INPUT
from tests.unit.inference import hostile_models

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

model = getattr(hostile_models, sys.argv[1])()
row = CHURN.encoder.tensors([CHURN.request.model_validate(next(iter(CHURN.examples.values())))])
before = peak()
try:
    predictor = Predictor("churn-model-v1.0.0", model, CHURN)
    predictor.predict_one(row)
    row[INPUT][0, 0] = 1e9
    predictor.predict_one(row)
except ModelUnusable as error:
    print(error.reason[:500].replace("\\n", " "))
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the unit of ru_maxrss is another one there")
@pytest.mark.parametrize("build", [expansion_of_a_column, doubled_constants])
def test_a_model_of_known_operators_gets_no_more_memory_than_the_limit(
    build: Callable[[], bytes],
) -> None:
    check_structure(VERSION, build())
    ran = subprocess.run(
        [sys.executable, "-c", MEASURED, build.__name__],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    reason, megabytes = ran.stdout.splitlines()
    assert "memory" in reason.lower()
    assert int(megabytes) < 300


PROFILED = """
import os, sys
import onnx
from tests.unit.inference.building import onnx_model
import onnxruntime

assert os.environ["ORT_LOAD_CONFIG_FROM_MODEL"] == "0"  # mlops.inference has been imported
os.environ["ORT_LOAD_CONFIG_FROM_MODEL"] = sys.argv[1]
model = onnx.load_model_from_string(onnx_model())
settings = '{"session_options": {"enable_profiling": 1}}'
model.metadata_props.add(key="ort_config", value=settings)
onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
"""


@pytest.mark.parametrize(("value", "files"), [("1", 1), ("0", 0)])
def test_settings_inside_of_a_model_would_write_files_and_are_not_read(
    tmp_path: Path, value: str, files: int
) -> None:
    environment = os.environ | {
        "ORT_LOAD_CONFIG_FROM_MODEL": "1",
        "PYTHONPATH": str(Path(__file__).resolve().parents[3]),
    }
    command = [sys.executable, "-c", PROFILED, value]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True, timeout=60)
    assert len([*tmp_path.iterdir()]) == files
