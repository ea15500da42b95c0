"""Protocol buffers, against the library that ONNX itself uses."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from striate.interop.onnx import protobuf
from striate.interop.onnx.messages import AttributeProto, Dimension, GraphProto, ModelProto, NodeProto, TensorProto
from striate.interop.onnx.protobuf import DamagedError, TooLargeError


def test_a_model_written_by_onnx_is_read():
    onnx = pytest.importorskip("onnx")
    weight = onnx.numpy_helper.from_array(np.arange(6, dtype=np.float32).reshape(2, 3), "w")
    numbers = onnx.helper.make_tensor("n", onnx.TensorProto.INT64, [3], [1, -2, 2**40])
    node = onnx.helper.make_node("Gemm", ["x", "w"], ["y"], name="first", alpha=0.5, transB=1, names=["a", "b"])
    x = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["batch", 3])
    y = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["batch", 2])
    graph = onnx.helper.make_graph([node], "net", [x], [y], [weight, numbers])
    content = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)]).SerializeToString()

    model = ModelProto.parse(content)
    assert [(entry.domain or "", entry.version) for entry in model.opset_import] == [("", 17)]
    assert model.graph.name == "net"
    (read,) = model.graph.node
    assert (read.op_type, read.name, read.input, read.output) == ("Gemm", "first", ["x", "w"], ["y"])
    assert {a.name: (a.type, a.f, a.i) for a in read.attribute if a.name != "names"} == {
        "alpha": (AttributeProto.FLOAT, 0.5, None),
        "transB": (AttributeProto.INT, None, 1),
    }
    assert [bytes(s) for a in read.attribute for s in a.strings] == [b"a", b"b"]
    assert [list(tensor.dims) for tensor in model.graph.initializer] == [[2, 3], [3]]
    np.testing.assert_array_equal(np.frombuffer(model.graph.initializer[0].raw_data, "<f4"), np.arange(6))
    np.testing.assert_array_equal(model.graph.initializer[1].int64_data, [1, -2, 2**40])
    dimensions = model.graph.input[0].type.tensor_type.shape.dim
    assert [(d.dim_param, d.dim_value) for d in dimensions] == [("batch", None), (None, 3)]


def test_what_is_written_is_read_by_onnx():
    onnx = pytest.importorskip("onnx")
    graph = GraphProto(
        node=[NodeProto(op_type="Relu", input=["x"], output=["y"])],
        name="net",
        initializer=[TensorProto(dims=[2], data_type=1, float_data=[0.5, -1.0], name="w")],
    )
    graph.node[0].attribute = [AttributeProto(name="axes", ints=[-1, 300], type=AttributeProto.INTS)]
    read = onnx.load_model_from_string(ModelProto(ir_version=8, graph=graph).encode())
    assert read.ir_version == 8
    assert read.graph.node[0].op_type == "Relu"
    assert list(read.graph.node[0].attribute[0].ints) == [-1, 300]
    assert list(read.graph.initializer[0].float_data) == [0.5, -1.0]


numbers = st.integers(-(2**63), 2**63 - 1)


@given(dims=st.lists(numbers), floats=st.lists(st.floats(width=32, allow_nan=False)), name=st.text(), raw=st.binary())
def test_a_message_is_read_as_it_was_written(dims, floats, name, raw):
    tensor = TensorProto(dims=dims, float_data=floats, name=name, raw_data=raw, data_type=1)
    again = TensorProto.parse(tensor.encode())
    assert list(again.dims) == dims
    assert list(again.float_data) == floats
    assert (again.name, bytes(again.raw_data), again.data_type) == (name, raw, 1)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_message_or_damaged(content):
    with contextlib.suppress(DamagedError):
        ModelProto.parse(content)


@given(st.data())
def test_a_damaged_model_is_a_message_or_damaged(data):
    graph = GraphProto(node=[NodeProto(op_type="Relu", input=["x"], output=["y"])] * 3, name="net")
    content = bytearray(ModelProto(ir_version=8, graph=graph).encode())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(DamagedError):
        ModelProto.parse(bytes(content))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x08", "an unterminated number"),
        (b"\x08" + b"\xff" * 11, "an unterminated number"),
        (b"\x3a\x05ab", "a field of 5 bytes where 2 are left"),
        (b"\x0b", "a field of an unknown wire type"),
        (b"\x0a\x01a", "ir_version has an unexpected wire type"),
        (b"\x12\x02\xff\xfe", "producer_name is not UTF-8"),
    ],
)
def test_what_is_wrong_is_said(content, message):
    with pytest.raises(DamagedError, match=message):
        ModelProto.parse(content)


def test_packed_numbers_have_to_be_whole():
    with pytest.raises(DamagedError, match="5 bytes of packed numbers, which are 4 each"):
        TensorProto.parse(b"\x22\x05abcde")
    with pytest.raises(DamagedError, match="an unterminated number"):
        TensorProto.parse(b"\x0a\x02\x01\x80")
    with pytest.raises(DamagedError, match="dims is both packed and not packed"):
        TensorProto.parse(b"\x0a\x01\x01\x08\x01")


def test_depth_is_limited():
    class Nested(protobuf.Message):
        pass

    Nested.FIELDS = {1: protobuf.Field("inner", Nested)}
    content = b""
    for _ in range(200):
        content = b"\x0a" + protobuf._as_varint(len(content)) + content
    with pytest.raises(TooLargeError, match="messages nest more than 64 deep"):
        Nested.parse(content)


def test_the_number_of_fields_is_limited(monkeypatch):
    monkeypatch.setattr(protobuf, "MAX_FIELDS", 10)
    with pytest.raises(TooLargeError, match="it has more than 10 fields"):
        ModelProto.parse(b"\x08\x01" * 11)


def test_an_unknown_dimension_is_not_zero():
    assert Dimension.parse(b"\x08\x00").dim_value == 0
    assert Dimension.parse(b"").dim_value is None


def test_a_field_that_a_message_lacks_is_a_mistake():
    with pytest.raises(TypeError, match="NodeProto has no field opp"):
        NodeProto(opp="Relu")
