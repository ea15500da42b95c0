"""ONNX files that were made to do harm: each ends in our error, soon, with little memory, and nothing else happens."""

import os
import struct

import numpy as np
import pytest

from striate.interop.onnx.messages import (
    AttributeProto,
    Dimension,
    GraphProto,
    ModelProto,
    NodeProto,
    OperatorSetIdProto,
    StringStringEntryProto,
    TensorProto,
    TensorShapeProto,
    TensorType,
    TypeProto,
    ValueInfoProto,
)
from striate.interop.onnx.tensors import as_tensor
from tests.attacks.harness import refused

READER = "striate.interop.onnx.reader:read_onnx"
FLOATS = AttributeProto.FLOATS


def info(name, shape):
    dims = [Dimension(dim_param=n) if isinstance(n, str) else Dimension(dim_value=n) for n in shape]
    tensor = TensorType(elem_type=1, shape=TensorShapeProto(dim=dims))
    return ValueInfoProto(name=name, type=TypeProto(tensor_type=tensor))


def ints(name, *values):
    return AttributeProto(name=name, ints=list(values), type=AttributeProto.INTS)


def integer(name, value):
    return AttributeProto(name=name, i=value, type=AttributeProto.INT)


def model(*nodes, arrays=(), shape=(1, 3, 8, 8), opset=17, domain="", **graph):
    return ModelProto(
        ir_version=8,
        opset_import=[OperatorSetIdProto(domain=domain, version=opset)],
        graph=GraphProto(
            node=list(nodes),
            name="net",
            input=[info("x", shape)],
            output=[ValueInfoProto(name="y", type=TypeProto(tensor_type=TensorType(elem_type=1)))],
            initializer=list(arrays),
            **graph,
        ),
    )


def node(op, inputs=("x",), outputs=("y",), **attributes):
    given = attributes.pop("attribute", [])
    return NodeProto(op_type=op, input=list(inputs), output=list(outputs), attribute=given, **attributes)


def outside(tmp_path, location, content=b"\0" * 96, **entries):
    """A model whose weights lie in another file."""
    entries = {"location": location, **entries}
    external = [StringStringEntryProto(key=key, value=str(value)) for key, value in entries.items()]
    weight = TensorProto(name="w", dims=[8, 3, 1, 1], data_type=1, data_location=1, external_data=external)
    return model(node("Conv", ("x", "w")), arrays=[weight])


def opened(tmp_path, proto, message):
    path = tmp_path / "model" / "model.onnx"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(proto if isinstance(proto, bytes) else proto.encode())
    outcome = refused(READER, path)
    assert message in outcome.message
    return outcome


# Files outside of the model's folder


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(b"\1" * 96)
    return path


def test_external_data_by_dots(tmp_path, secret):
    opened(
        tmp_path, outside(tmp_path, "../secret"), "its numbers are in '../secret', which is not a file in the model's"
    )
    opened(tmp_path, outside(tmp_path, "a/../../secret"), "which is not a file in the model's folder")
    opened(tmp_path, outside(tmp_path, "..\\secret"), "which is not a file in the model's folder")


def test_external_data_by_absolute_path(tmp_path, secret):
    opened(tmp_path, outside(tmp_path, str(secret)), "which is not a file in the model's folder")
    opened(tmp_path, outside(tmp_path, "/etc/passwd"), "which is not a file in the model's folder")
    opened(tmp_path, outside(tmp_path, "data\0.bin"), "which is not a file in the model's folder")


def test_external_data_by_symbolic_link(tmp_path, secret):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "data").symlink_to(secret)
    opened(tmp_path, outside(tmp_path, "data"), "its numbers are in 'data', which is a link")
    (tmp_path / "model" / "folder").symlink_to(tmp_path)
    opened(tmp_path, outside(tmp_path, "folder/secret"), "which is a link")


def test_external_data_by_hard_link(tmp_path, secret):
    (tmp_path / "model").mkdir()
    os.link(secret, tmp_path / "model" / "data")
    opened(tmp_path, outside(tmp_path, "data"), "which is not a regular file with a single name")


def test_external_data_that_never_ends(tmp_path):
    (tmp_path / "model").mkdir()
    os.mkfifo(tmp_path / "model" / "pipe")
    opened(tmp_path, outside(tmp_path, "pipe"), "which is not a regular file with a single name")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"offset": 64}, "expected bytes 64 to 160 of 'data', which has 96"),
        ({"offset": -32}, "expected 96 bytes in 'data', got 96 from byte -32"),
        ({"length": 2**62}, "expected 96 bytes in 'data', got 4,611,686,018,427,387,904"),
        ({"offset": 2**63}, "expected bytes 9,223,372,036,854,775,808 to"),
        ({"offset": "0x10"}, "its numbers begin at '0x10'"),
    ],
)
def test_external_data_that_lies_about_its_place(tmp_path, entries, message):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "data").write_bytes(b"\0" * 96)
    opened(tmp_path, outside(tmp_path, "data", **entries), message)


def test_external_data_that_is_not_there(tmp_path):
    opened(tmp_path, outside(tmp_path, "missing"), "its numbers are in 'missing': No such file or directory")


# Sizes


@pytest.mark.parametrize(
    ("dims", "message"),
    [
        ([2**31, 2**31], "expected 18,446,744,073,709,551,616 bytes"),
        ([2**62, 2**62], "bytes for a shape of"),
        ([-1, 3], "a shape of (-1, 3)"),
        ([8, 3, 1, 2], "expected 192 bytes for a shape of (8, 3, 1, 2), got 96"),
    ],
)
def test_lying_sizes(tmp_path, dims, message):
    weight = TensorProto(name="w", dims=dims, data_type=1, raw_data=b"\0" * 96)
    opened(tmp_path, model(node("Conv", ("x", "w")), arrays=[weight]), message)


def test_lying_counts_of_typed_numbers(tmp_path):
    weight = TensorProto(name="w", dims=[2**40], data_type=1, float_data=[1.0])
    opened(tmp_path, model(node("Mul", ("x", "w")), arrays=[weight]), "expected 1,099,511,627,776 numbers")


def test_sizes_of_inputs(tmp_path):
    opened(tmp_path, model(node("Relu"), shape=(1, -3, 8, 8)), "it does not say the sizes of its input 'x'")
    opened(tmp_path, model(node("Relu"), shape=(1, 2**40, 2**40, 3)), "numbers are allowed")


@pytest.mark.parametrize(
    ("op", "sizes"),
    [("ConstantOfShape", [2**20, 2**20]), ("ConstantOfShape", [-5]), ("Expand", [2**40]), ("Tile", [2**30])],
)
def test_bombs_of_a_few_bytes(tmp_path, op, sizes):
    arrays = [as_tensor(np.array(sizes), "s"), as_tensor(np.ones(1, np.float32), "one")]
    inputs = ("s",) if op == "ConstantOfShape" else ("one", "s")
    opened(tmp_path, model(node(op, inputs, ("c",)), node("Add", ("x", "c")), arrays=arrays), "numbers are allowed")


def test_bombs_by_range_pad_and_resize(tmp_path):
    arrays = [as_tensor(np.array(n), name) for name, n in (("a", 0), ("b", 2**60), ("c", 1))]
    opened(tmp_path, model(node("Range", "abc", ("r",)), node("Add", ("x", "r")), arrays=arrays), "a range from 0 to")
    pads = as_tensor(np.array([0, 0, 0, 0, 0, 0, 2**50, 0]), "p")
    opened(tmp_path, model(node("Pad", ("x", "p")), arrays=[pads]), "numbers are allowed")
    scales = as_tensor(np.array([1, 1, 1e12, 1e12], np.float32), "s")
    opened(tmp_path, model(node("Resize", ("x", "", "s")), arrays=[scales]), "numbers are allowed")


def test_bombs_by_doubling(tmp_path):
    axis = [integer("axis", 0)]
    start = as_tensor(np.ones((1 << 16), np.float32), "c0")
    doubled = [node("Concat", (f"c{i}",) * 2, (f"c{i + 1}",), attribute=axis) for i in range(40)]
    opened(tmp_path, model(*doubled, node("Add", ("x", "c40")), arrays=[start]), "bytes, too many")
    grown = [node("Concat", (f"v{i}",) * 2, (f"v{i + 1}",), attribute=axis) for i in range(40)]
    grown[0].input[:] = ["x", "x"]
    opened(tmp_path, model(*grown, node("Relu", ("v40",))), "numbers are allowed")


def test_bombs_by_many_arrays(tmp_path):
    """Each array is allowed, but not all of them."""
    one, shape = as_tensor(np.ones(1, np.float32), "one"), as_tensor(np.array([1 << 22]), "s")
    expanded = [node("Expand", ("one", "s"), (f"e{i}",)) for i in range(500)]
    opened(tmp_path, model(*expanded, node("Relu"), arrays=[one, shape]), "bytes, too many")


@pytest.mark.parametrize(
    ("op", "attributes"),
    [
        ("MaxPool", [ints("kernel_shape", 2**40, 2**40)]),
        ("MaxPool", [ints("kernel_shape", 2, 2), ints("strides", 0, 0)]),
        ("MaxPool", [ints("kernel_shape", -2, 2)]),
        ("MaxPool", [ints("kernel_shape", 2, 2), ints("pads", 2**60, 0, 0, 0)]),
        ("AveragePool", [ints("kernel_shape", 2, 2), ints("pads", -1, 0, 0, 0)]),
        ("MaxPool", [ints("kernel_shape")]),
        ("LRN", [integer("size", 2**62 + 1)]),
        ("DepthToSpace", [integer("blocksize", 0)]),
        ("DepthToSpace", [integer("blocksize", -2)]),
        ("Softmax", [integer("axis", 2**40)]),
        ("Transpose", [ints("perm", 0, 0, 1, 2)]),
        ("Concat", [integer("axis", -9)]),
        ("Flatten", [integer("axis", 99)]),
        ("Split", [integer("num_outputs", 2**40)]),
        ("Cast", [integer("to", 8)]),
        ("ReduceMean", [ints("axes", 5, 5)]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_settings_that_mean_nothing(tmp_path, op, attributes):
    opened(tmp_path, model(node(op, attribute=attributes)), f"({op})")


@pytest.mark.parametrize(
    "attributes",
    [
        [integer("group", 0)],
        [integer("group", -3)],
        [integer("group", 2**40)],
        [ints("strides", 0, 1)],
        [ints("dilations", 2**40, 1)],
        [ints("pads", 2**45, 0, 0, 0)],
        [ints("kernel_shape", 5, 5)],
    ],
    ids=lambda attributes: attributes[0].name,
)
def test_convolutions_that_mean_nothing(tmp_path, attributes):
    weight = as_tensor(np.ones((4, 3, 3, 3), np.float32), "w")
    opened(tmp_path, model(node("Conv", ("x", "w"), attribute=attributes), arrays=[weight]), "(Conv)")


# Structure


def test_cycles(tmp_path):
    opened(
        tmp_path,
        model(node("Add", ("x", "b"), ("a",)), node("Relu", ("a",), ("b",)), node("Relu", ("b",))),
        "its nodes depend on one another in a cycle: node 0 (Add) → node 1 (Relu) → node 0 (Add)",
    )
    opened(tmp_path, model(node("Add", ("x", "y"))), "in a cycle: node 0 (Add) → node 0 (Add)")


def test_a_name_that_is_computed_twice(tmp_path):
    opened(tmp_path, model(node("Relu"), node("Relu")), "'y' is computed twice")
    opened(tmp_path, model(node("Relu", ("x",), ("x",)), node("Relu")), "'x' is computed twice")


def test_a_million_nodes(tmp_path):
    one = node("Relu", ("x",), ("",)).encode()
    nodes = b"".join(b"\x0a" + bytes([len(one)]) + one for _ in range(1_000_000))
    graph = b"\x3a" + _varint(len(nodes)) + nodes
    opened(tmp_path, b"\x08\x08" + graph, "it has more than 400,000 fields")


def test_many_nodes(tmp_path):
    chain = [node("Relu", (f"v{i}" if i else "x",), (f"v{i + 1}",)) for i in range(5_000)]
    opened(tmp_path, model(*chain, node("Relu", ("v5000",))), "expected at most 4,000 nodes, got 5,001")


def test_deep_nesting(tmp_path):
    graph = GraphProto(node=[], name="inner").encode()
    for _ in range(500):  # a node with a graph with a node with a graph …
        attribute = b"\x32" + _varint(len(graph)) + graph
        inner = b"\x2a" + _varint(len(attribute)) + attribute
        graph = b"\x0a" + _varint(len(inner)) + inner
    opened(tmp_path, b"\x08\x08\x3a" + _varint(len(graph)) + graph, "messages nest more than 64 deep")


@pytest.mark.parametrize("op", ["Loop", "Scan", "Foo", "", "eval", "os.system", "__import__", "Node", "Any"])
def test_operators_that_are_not_there(tmp_path, op):
    opened(tmp_path, model(node(op)), "this operator is not supported")


def branching(then, otherwise, condition="c"):
    """A model of an `If` whose condition is known."""
    branches = [
        AttributeProto(name=name, type=AttributeProto.GRAPH, g=graph)
        for name, graph in (("then_branch", then), ("else_branch", otherwise))
        if graph is not None
    ]
    true = TensorProto(name="c", dims=[1], data_type=9, raw_data=b"\1")
    return model(node("If", (condition,), attribute=branches), arrays=[true])


def branch(*nodes, output="z"):
    return GraphProto(node=list(nodes), name="branch", output=[ValueInfoProto(name=output)])


def test_branches_that_lie(tmp_path):
    good = branch(node("Relu", ("x",), ("z",)))
    opened(tmp_path, branching(good, None), "expected a condition and two branches")
    opened(tmp_path, branching(None, None), "expected a condition and two branches")
    opened(tmp_path, branching(good, branch(node("Foo", ("x",), ("z",)))), "this operator is not supported")
    opened(tmp_path, branching(branch(node("Relu", ("w",), ("z",))), good), "it uses 'w', which nothing computes")
    opened(
        tmp_path, branching(branch(node("Relu", ("x",), ("z",)), output="w"), good), "nothing computes the output 'w'"
    )
    opened(tmp_path, branching(branch(node("Relu", ("x",), ("x",)), output="x"), good), "'x' is computed twice")
    opened(tmp_path, branching(GraphProto(node=[], name="empty"), good), "it has no output")
    opened(tmp_path, branching(good, good, condition="z"), "it uses 'z', which nothing computes")
    itself = branch(node("Relu", ("y",), ("z",)))
    opened(tmp_path, branching(itself, good), "in a cycle: node 0 (If) → node 0 (If)")
    many = branch(*(node("Relu", ("x",), (f"v{i}",)) for i in range(2500)), output="v0")
    opened(tmp_path, branching(many, many), "expected at most 4,000 nodes, got 5,001")
    uncertain = branching(good, good)
    uncertain.graph.initializer[0] = TensorProto(name="c", dims=[2], data_type=9, raw_data=b"\0\1")
    opened(tmp_path, uncertain, "expected one condition, the same for any batch size")


def test_branches_within_branches(tmp_path):
    inner = branching(branch(node("Relu", ("x",), ("z",))), branch(node("Relu", ("x",), ("z",)))).graph.node[0]
    for depth in range(20):
        inner.output[0] = "z"
        graphs = [branch(inner), branch(node("Relu", ("x",), ("z",)))]
        inner = branching(*graphs).graph.node[0]
        inner.name = f"level {depth}"
    proto = branching(branch(node("Relu", ("x",), ("z",))), branch(node("Relu", ("x",), ("z",))))
    proto.graph.node[0] = inner
    opened(tmp_path, proto, "messages nest more than 64 deep")


def test_code_of_others(tmp_path):
    opened(tmp_path, model(node("Relu", domain="com.microsoft")), "operators of 'com.microsoft' are not supported")
    opened(
        tmp_path, model(node("PythonOp", domain="ai.onnx.contrib")), "operators of 'ai.onnx.contrib' are not supported"
    )


def test_functions_that_call_themselves(tmp_path):
    proto = model(node("Mine"))
    proto.functions = [b"\x0a\x04Mine"]
    opened(tmp_path, proto, "this operator is not supported")


def test_other_types(tmp_path):
    text = TensorProto(name="w", dims=[1], data_type=8, string_data=[b"rm -rf"])
    opened(tmp_path, model(node("Add", ("x", "w")), arrays=[text]), "expected a type of numbers, got text")
    unknown = TensorProto(name="w", dims=[1], data_type=99, raw_data=b"\0")
    opened(tmp_path, model(node("Add", ("x", "w")), arrays=[unknown]), "expected a type of numbers, got type 99")
    opened(tmp_path, model(node("Relu"), sparse_initializer=[b""]), "it has sparse arrays")


def test_versions(tmp_path):
    opened(tmp_path, model(node("Relu"), opset=6), "its operators are of version 6; versions from 7 on are supported")
    opened(tmp_path, model(node("Relu"), domain="other"), "it does not say the version of its operators")


def test_names_that_are_no_text(tmp_path):
    content = model(node("Relu")).encode().replace(b"\x0a\x01x", b"\x0a\x01\xff")
    opened(tmp_path, content, "is not UTF-8")


# Bytes


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x08",
        b"PK\x03\x04" + b"\0" * 100,
        b"\x89HDF\r\n\x1a\n",
        b"\x80\x04cos\nsystem\n(S'true'\ntR.",
        b"{}",
        b"\xff" * 1000,
        b"\0" * 1000,
        struct.pack("<Q", 2**63) + b"{",
    ],
    ids=["empty", "cut", "zip", "hdf5", "pickle", "json", "ones", "zeros", "safetensors"],
)
def test_files_of_another_kind(tmp_path, content):
    opened(tmp_path, content, "open_model: cannot open")


def test_truncated_files(tmp_path):
    weight = as_tensor(np.ones((4, 3, 3, 3), np.float32), "w")
    whole = model(node("Conv", ("x", "w")), arrays=[weight]).encode()
    for size in range(1, len(whole), 37):
        opened(tmp_path, whole[:size], "open_model: cannot open")


def _varint(number):
    content = bytearray()
    while number > 0x7F:
        content.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*content, number])


def test_an_output_without_a_name(tmp_path):
    """An empty name is that of an input that a node does without; the graph itself cannot do without an output."""
    proto = model(node("Relu"))
    proto.graph.output[0] = info("", (1, 3, 8, 8))
    opened(tmp_path, proto, "nothing computes the output ''")
