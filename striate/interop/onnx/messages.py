"""The messages of an ONNX file that a network is made of, under their names in onnx.proto.

Source: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from striate.interop.onnx.protobuf import Field, Message


class StringStringEntryProto(Message):
    key: str | None
    value: str | None
    FIELDS: ClassVar = {1: Field("key", "text"), 2: Field("value", "text")}


class TensorProto(Message):
    """An array: its numbers are in ``raw_data``, in one of the typed fields, or in another file."""

    dims: Sequence[int]
    data_type: int | None
    segment: memoryview | None
    float_data: Sequence[float]
    int32_data: Sequence[int]
    string_data: list[memoryview]
    int64_data: Sequence[int]
    name: str | None
    raw_data: memoryview | bytes | None
    double_data: Sequence[float]
    uint64_data: Sequence[int]
    external_data: list[StringStringEntryProto]
    data_location: int | None
    FIELDS: ClassVar = {
        1: Field("dims", "int", many=True),
        2: Field("data_type", "int"),
        3: Field("segment", "bytes"),
        4: Field("float_data", "float", many=True),
        5: Field("int32_data", "int", many=True),
        6: Field("string_data", "bytes", many=True),
        7: Field("int64_data", "int", many=True),
        8: Field("name", "text"),
        9: Field("raw_data", "bytes"),
        10: Field("double_data", "double", many=True),
        11: Field("uint64_data", "int", many=True),
        13: Field("external_data", StringStringEntryProto, many=True),
        14: Field("data_location", "int"),
    }


class Dimension(Message):
    """One size of a shape: a number, or a name for one that is not known."""

    dim_value: int | None
    dim_param: str | None
    FIELDS: ClassVar = {1: Field("dim_value", "int"), 2: Field("dim_param", "text")}


class TensorShapeProto(Message):
    dim: list[Dimension]
    FIELDS: ClassVar = {1: Field("dim", Dimension, many=True)}


class TensorType(Message):
    elem_type: int | None
    shape: TensorShapeProto | None
    FIELDS: ClassVar = {1: Field("elem_type", "int"), 2: Field("shape", TensorShapeProto)}


class TypeProto(Message):
    """A type; only tensors are supported."""

    tensor_type: TensorType | None
    FIELDS: ClassVar = {1: Field("tensor_type", TensorType)}


class ValueInfoProto(Message):
    name: str | None
    type: TypeProto | None
    FIELDS: ClassVar = {1: Field("name", "text"), 2: Field("type", TypeProto)}


class AttributeProto(Message):
    """A setting of a node. ``type`` says which of the fields holds it."""

    FLOAT, INT, STRING, TENSOR, GRAPH, FLOATS, INTS, STRINGS = range(1, 9)

    name: str | None
    f: float | None
    i: int | None
    s: memoryview | bytes | None
    t: TensorProto | None
    g: "GraphProto | None"
    floats: Sequence[float]
    ints: Sequence[int]
    strings: list[Any]
    ref_attr_name: str | None
    type: int | None
    FIELDS: ClassVar = {
        1: Field("name", "text"),
        2: Field("f", "float"),
        3: Field("i", "int"),
        4: Field("s", "bytes"),
        5: Field("t", TensorProto),
        7: Field("floats", "float", many=True),
        8: Field("ints", "int", many=True),
        9: Field("strings", "bytes", many=True),
        20: Field("type", "int"),
        21: Field("ref_attr_name", "text"),
    }


class NodeProto(Message):
    """One operator, what it is applied to, and what its results are called. An empty name: left out."""

    input: list[str]
    output: list[str]
    name: str | None
    op_type: str | None
    attribute: list[AttributeProto]
    domain: str | None
    FIELDS: ClassVar = {
        1: Field("input", "text", many=True),
        2: Field("output", "text", many=True),
        3: Field("name", "text"),
        4: Field("op_type", "text"),
        5: Field("attribute", AttributeProto, many=True),
        7: Field("domain", "text"),
    }


class GraphProto(Message):
    node: list[NodeProto]
    name: str | None
    initializer: list[TensorProto]
    input: list[ValueInfoProto]
    output: list[ValueInfoProto]
    value_info: list[ValueInfoProto]
    sparse_initializer: list[memoryview]
    FIELDS: ClassVar = {
        1: Field("node", NodeProto, many=True),
        2: Field("name", "text"),
        5: Field("initializer", TensorProto, many=True),
        11: Field("input", ValueInfoProto, many=True),
        12: Field("output", ValueInfoProto, many=True),
        13: Field("value_info", ValueInfoProto, many=True),
        15: Field("sparse_initializer", "bytes", many=True),
    }


AttributeProto.FIELDS[6] = Field("g", GraphProto)


class OperatorSetIdProto(Message):
    domain: str | None
    version: int | None
    FIELDS: ClassVar = {1: Field("domain", "text"), 2: Field("version", "int")}


class ModelProto(Message):
    ir_version: int | None
    producer_name: str | None
    producer_version: str | None
    graph: GraphProto | None
    opset_import: list[OperatorSetIdProto]
    metadata_props: list[StringStringEntryProto]
    functions: list[memoryview]
    FIELDS: ClassVar = {
        1: Field("ir_version", "int"),
        2: Field("producer_name", "text"),
        3: Field("producer_version", "text"),
        7: Field("graph", GraphProto),
        8: Field("opset_import", OperatorSetIdProto, many=True),
        14: Field("metadata_props", StringStringEntryProto, many=True),
        25: Field("functions", "bytes", many=True),
    }
