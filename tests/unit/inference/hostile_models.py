"""Models that ONNX Runtime would load, and that must not be served: each takes what it likes."""

from collections.abc import Callable, Sequence
from pathlib import Path

import onnx
from onnx import AttributeProto, GraphProto, NodeProto, SparseTensorProto, TensorProto, helper

from mlops.models.tabular import INPUT
from tests.unit.inference.building import OUTPUT, serialized

WEIGHTS = "weights.bin"


def graph_of(
    nodes: Sequence[NodeProto],
    tensors: Sequence[TensorProto] = (),
    sparse: Sequence[SparseTensorProto] = (),
) -> GraphProto:
    """A graph that answers with the probabilities 0.5 and 0.5, moved by the scalar `more`."""
    return helper.make_graph(
        [
            *nodes,
            helper.make_node("Slice", [INPUT, "from", "to", "axis"], ["tenure"]),
            helper.make_node("MatMul", ["tenure", "zeros"], ["scores"]),
            helper.make_node("Softmax", ["scores"], ["equal"]),
            helper.make_node("Mul", ["more", "zero"], ["nothing"]),
            helper.make_node("Add", ["equal", "nothing"], [OUTPUT]),
        ],
        "hostile",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [None, 19])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, [None, 2])],
        [
            helper.make_tensor("from", TensorProto.INT64, [1], [0]),
            helper.make_tensor("to", TensorProto.INT64, [1], [1]),
            helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
            helper.make_tensor("zeros", TensorProto.FLOAT, [1, 2], [0.0, 0.0]),
            helper.make_tensor("zero", TensorProto.FLOAT, [], [0.0]),
            *tensors,
        ],
        sparse_initializer=sparse,
    )


def external_tensor(name: str, location: str = WEIGHTS) -> TensorProto:
    """256 bytes that lie elsewhere: ONNX Runtime reads fewer than 128 only with a model's path."""
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[1, 64])
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location
    return tensor


def sparse_tensor(name: str, elements: int) -> SparseTensorProto:
    """One value, and `elements` once it is unfolded."""
    return SparseTensorProto(
        values=helper.make_tensor(name, TensorProto.FLOAT, [1], [1.0]),
        indices=helper.make_tensor(f"{name}_at", TensorProto.INT64, [1], [0]),
        dims=[elements],
    )


def _sum_of(name: str) -> NodeProto:
    return helper.make_node("ReduceSum", [name], ["more"], keepdims=0)


def _product_with(name: str) -> list[NodeProto]:
    """Nodes that need `name` only when a row comes: what is constant is computed ahead."""
    return [
        helper.make_node("ReduceMax", [INPUT], ["largest"], keepdims=1),
        helper.make_node("MatMul", ["largest", name], ["product"]),
        _sum_of("product"),
    ]


def external_weights(location: str = WEIGHTS) -> bytes:
    return serialized(graph_of(_product_with("w"), [external_tensor("w", location)]))


def external_constant() -> bytes:
    constant = helper.make_node("Constant", [], ["w"], value=external_tensor("w"))
    return serialized(graph_of([constant, *_product_with("w")]))


def external_weights_in_a_branch() -> bytes:
    branches = [
        helper.make_graph(
            _product_with("w"),
            name,
            [],
            [helper.make_tensor_value_info("more", TensorProto.FLOAT, [])],
            [external_tensor("w")],
        )
        for name in ("then", "else")
    ]
    choice = helper.make_node(
        "If", ["yes"], ["more"], then_branch=branches[0], else_branch=branches[1]
    )
    return serialized(graph_of([choice], [helper.make_tensor("yes", TensorProto.BOOL, [], [True])]))


def external_weights_in_a_function() -> bytes:
    constant = helper.make_node("Constant", [], ["w"], value=external_tensor("w"))
    graph = graph_of([helper.make_node("weights", [INPUT], ["more"], domain="own")])
    model = onnx.load_model_from_string(serialized(graph))
    model.opset_import.append(helper.make_opsetid("own", 1))
    opset = [helper.make_opsetid("", 21)]
    model.functions.append(
        helper.make_function(
            "own", "weights", [INPUT], ["more"], [constant, *_product_with("w")], opset
        )
    )
    content: bytes = model.SerializeToString()
    return content


def bytes_of_this_process() -> bytes:
    """Read memory at an address: ONNX Runtime's own name for weights that it was given there."""
    tensor = external_tensor("w", "*/_ORT_MEM_ADDR_/*")
    for key, value in (("offset", "4096"), ("length", "4")):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    return serialized(graph_of(_product_with("w"), [tensor]))


def large_sparse_weights(elements: int = 500_000_000) -> bytes:
    return serialized(graph_of([_sum_of("w")], sparse=[sparse_tensor("w", elements)]))


def large_sparse_constant(elements: int = 500_000_000) -> bytes:
    constant = NodeProto(op_type="Constant", output=["w"])
    constant.attribute.append(
        AttributeProto(
            name="sparse_value",
            type=AttributeProto.SPARSE_TENSOR,
            sparse_tensor=sparse_tensor("w", elements),
        )
    )
    return serialized(graph_of([constant, _sum_of("w")]))


def functions_that_double(depth: int = 40) -> bytes:
    """Each function calls the next one twice."""
    model = onnx.load_model_from_string(
        serialized(graph_of([helper.make_node("f0", ["zero"], ["more"], domain="own")]))
    )
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("own", 1)]
    model.opset_import.append(opsets[1])
    for number in range(depth):
        last = number == depth - 1
        name, domain = ("Identity", "") if last else (f"f{number + 1}", "own")
        body = [
            helper.make_node(name, ["x"], ["y"], domain=domain),
            helper.make_node(name, ["y"], ["z"], domain=domain),
        ]
        model.functions.append(
            helper.make_function("own", f"f{number}", ["x"], ["z"], body, opsets)
        )
    content: bytes = model.SerializeToString()
    return content


def endless_loop() -> bytes:
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go_on"], ["still"]),
            helper.make_node("Identity", ["value"], ["next"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("value", TensorProto.FLOAT, []),
        ],
        [
            helper.make_tensor_value_info("still", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, []),
        ],
    )
    loop = helper.make_node("Loop", ["rounds", "yes", "zero"], ["more"], body=body)
    return serialized(
        graph_of(
            [loop],
            [
                helper.make_tensor("rounds", TensorProto.INT64, [], [2**62]),
                helper.make_tensor("yes", TensorProto.BOOL, [], [True]),
            ],
        )
    )


def range_of_a_column() -> bytes:
    """As many numbers as a row's largest value says: a few for golden rows, gigabytes for one."""
    return serialized(
        graph_of(
            [
                helper.make_node("ReduceMax", [INPUT], ["largest"], keepdims=0),
                helper.make_node("Cast", ["largest"], ["many"], to=TensorProto.INT64),
                helper.make_node("Range", ["none", "many", "one"], ["numbers"]),
                helper.make_node("Cast", ["numbers"], ["w"], to=TensorProto.FLOAT),
                _sum_of("w"),
            ],
            [
                helper.make_tensor("none", TensorProto.INT64, [], [0]),
                helper.make_tensor("one", TensorProto.INT64, [], [1]),
            ],
        )
    )


def expansion_of_a_column() -> bytes:
    """The same of operators that are served: here the memory limit has to help."""
    return serialized(
        graph_of(
            [
                helper.make_node("ReduceMax", [INPUT], ["largest"], keepdims=0),
                helper.make_node("Cast", ["largest"], ["many"], to=TensorProto.INT64),
                helper.make_node("Reshape", ["many", "vector"], ["shape"]),
                helper.make_node("Expand", ["zero", "shape"], ["w"]),
                _sum_of("w"),
            ],
            [helper.make_tensor("vector", TensorProto.INT64, [1], [1])],
        )
    )


def doubled_constants(times: int = 29) -> bytes:
    """Constants that ONNX Runtime would compute ahead: 2 GB while it loads the model."""
    nodes = [
        helper.make_node("Concat", [f"w{number}", f"w{number}"], [f"w{number + 1}"], axis=0)
        for number in range(times)
    ]
    start = helper.make_tensor("w0", TensorProto.FLOAT, [1], [1.0])
    return serialized(graph_of([*nodes, _sum_of(f"w{times}")], [start]))


def repeated_text(bytes_: int = 100_000) -> bytes:
    """A long string a thousand times: the memory limit does not see its characters."""
    constant = TensorProto(
        name="text", data_type=TensorProto.STRING, dims=[1], string_data=[b"x" * bytes_]
    )
    return serialized(
        graph_of(
            [
                helper.make_node("Expand", ["text", "shape"], ["texts"]),
                helper.make_node("Equal", ["texts", "text"], ["same"]),
                helper.make_node("Cast", ["same"], ["w"], to=TensorProto.FLOAT),
                _sum_of("w"),
            ],
            [constant, helper.make_tensor("shape", TensorProto.INT64, [1], [1000])],
        )
    )


def random_answers() -> bytes:
    return serialized(
        graph_of([helper.make_node("RandomUniform", [], ["w"], shape=[1]), _sum_of("w")])
    )


def tree_that_contains_itself() -> bytes:
    """ONNX Runtime copies the tree while it loads it, branch after branch, for ever."""
    return tree_ensemble(true_branch=0)


def tree_with_a_branch_out_of_range() -> bytes:
    return tree_ensemble(true_branch=99_999_999)


def tree_ensemble(true_branch: int) -> bytes:
    node = helper.make_node(
        "TreeEnsemble",
        [INPUT],
        ["w"],
        domain="ai.onnx.ml",
        n_targets=1,
        aggregate_function=1,
        post_transform=0,
        tree_roots=[0],
        nodes_featureids=[0],
        nodes_modes=helper.make_tensor("modes", TensorProto.UINT8, [1], [0]),
        nodes_splits=helper.make_tensor("splits", TensorProto.FLOAT, [1], [1e30]),
        nodes_truenodeids=[true_branch],
        nodes_trueleafs=[0],
        nodes_falsenodeids=[0],
        nodes_falseleafs=[1],
        leaf_targetids=[0],
        leaf_weights=helper.make_tensor("weights", TensorProto.FLOAT, [1], [1.0]),
    )
    model = onnx.load_model_from_string(serialized(graph_of([node, _sum_of("w")])))
    model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 5))
    content: bytes = model.SerializeToString()
    return content


def compiled_elsewhere() -> bytes:
    """A node that names a file, for hardware that has compiled the model into it."""
    node = helper.make_node(
        "EPContext",
        [INPUT],
        ["w"],
        domain="com.microsoft",
        embed_mode=0,
        ep_cache_context=WEIGHTS,
        main_context=1,
    )
    model = onnx.load_model_from_string(serialized(graph_of([node, _sum_of("w")])))
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    content: bytes = model.SerializeToString()
    return content


REFUSED: dict[str, Callable[[], bytes]] = {
    build.__name__: build
    for build in (
        external_weights,
        external_constant,
        external_weights_in_a_branch,
        external_weights_in_a_function,
        bytes_of_this_process,
        large_sparse_weights,
        large_sparse_constant,
        functions_that_double,
        endless_loop,
        range_of_a_column,
        repeated_text,
        random_answers,
        tree_that_contains_itself,
        tree_with_a_branch_out_of_range,
        compiled_elsewhere,
    )
}
"""Refused by what they consist of: ONNX Runtime never sees them."""


def write_weights(folder: Path) -> None:
    """What a model with external data would read, were it loaded with `folder` as the current."""
    (folder / WEIGHTS).write_bytes(b"\x00\x00\x80\x3f" * 64)
