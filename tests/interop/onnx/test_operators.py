"""Each operator against ONNX Runtime: settings, older versions, and any batch size."""

import numpy as np
import pytest

from striate.interop.onnx.defaults import DEFAULTS, is_default
from striate.interop.onnx.operators import OPERATORS
from striate.interop.onnx.reader import read_onnx

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from onnx import helper  # noqa: E402

from tests.interop.onnx.making import onnx_model, runtime  # noqa: E402

RANDOM = np.random.default_rng(0)
MAPS, ROW, SERIES = (2, 6, 7, 5), (2, 5), (2, 4, 9)


def floats(*shape):
    return RANDOM.standard_normal(shape).astype(np.float32)


def positive(*shape):
    return RANDOM.uniform(0.3, 2, shape).astype(np.float32)


def ints(*values):
    return np.array(values, np.int64)


def same(shape, opset=17, **attributes):
    return (opset, [floats(*shape)], {}, attributes)


def two(a, b, opset=17, **attributes):
    return (opset, [a, b], {}, attributes)


def with_constants(x, opset=17, /, *constants, **attributes):
    return (opset, [x], {f"c{i}": c for i, c in enumerate(constants)}, attributes)


#: For each operator: (opset, inputs, constants, settings).
CASES = {
    **{
        name: [same(MAPS), same(ROW)]
        for name in ("Relu", "Sigmoid", "Tanh", "Softplus", "Softsign", "Abs", "Neg", "Sign")
    },
    **{name: [same(MAPS), same(SERIES)] for name in ("Exp", "Floor", "Ceil", "Round", "Erf", "Identity", "HardSwish")},
    **{name: [(17, [positive(*MAPS)], {}, {})] for name in ("Sqrt", "Log", "Reciprocal")},
    **{name: [same(MAPS), same(ROW, alpha=0.3)] for name in ("LeakyRelu", "Elu", "Celu", "ThresholdedRelu")},
    "Selu": [same(MAPS), same(ROW, alpha=1.1, gamma=0.7)],
    "HardSigmoid": [same(MAPS), same(ROW, alpha=0.3, beta=0.4)],
    "Gelu": [same(MAPS, 20), same(ROW, 20, approximate="tanh")],
    "Mish": [same(MAPS, 18)],
    "Shrink": [same(ROW), same(ROW, lambd=0.3, bias=0.2)],
    "PRelu": [with_constants(floats(*MAPS), 17, floats(6, 1, 1)), with_constants(floats(*ROW), 17, floats(5))],
    "Clip": [
        with_constants(floats(*MAPS), 17, np.float32(0), np.float32(0.5)),
        with_constants(floats(*MAPS), 17, np.float32(0)),
        with_constants(floats(*ROW), 17, np.float32(-0.2), np.float32(0.5)),
        same(MAPS, 10, min=0.0, max=1.0),
        same(ROW, 10, max=0.3),
    ],
    **{
        name: [two(floats(*MAPS), floats(*MAPS)), with_constants(floats(*MAPS), 17, floats(6, 1, 1))]
        for name in ("Add", "Sub", "Mul")
    },
    "Div": [two(floats(*ROW), positive(*ROW)), two(ints(7, -7, 9), ints(2, 2, -4))],
    "Mod": [two(ints(7, -7, 9), ints(3, 3, -4)), two(floats(*ROW), positive(*ROW), fmod=1)],
    "Pow": [with_constants(positive(*MAPS), 17, np.float32(2)), two(positive(*ROW), floats(*ROW))],
    **{
        name: [
            (17, [floats(*MAPS), floats(*MAPS), floats(*MAPS)], {}, {}),
            with_constants(floats(*MAPS), 17, floats(7, 5)),
        ]
        for name in ("Max", "Min", "Sum", "Mean")
    },
    **{
        name: [two(floats(*ROW), floats(*ROW)), two(ints(1, 2, 3), ints(3, 2, 1))]
        for name in ("Equal", "Less", "Greater", "LessOrEqual", "GreaterOrEqual")
    },
    **{name: [two(np.array([True, False, True]), np.array([True, True, False]))] for name in ("And", "Or")},
    "Not": [(17, [np.array([True, False, True])], {}, {})],
    "Where": [(17, [RANDOM.integers(0, 2, MAPS).astype(bool), floats(*MAPS), floats(1, 6, 1, 1)], {}, {})],
    "Softmax": [same(MAPS, axis=1), same(MAPS, axis=-1), same(MAPS, 11), same(MAPS, 11, axis=2), same(ROW, 11)],
    "LogSoftmax": [same(MAPS, axis=1), same(MAPS, 11, axis=3), same(ROW)],
    "Conv": [
        with_constants(floats(*MAPS), 17, floats(4, 6, 3, 3), floats(4), pads=[1, 0, 2, 1], strides=[2, 1]),
        with_constants(floats(*MAPS), 17, floats(12, 1, 3, 2), floats(12), group=6, dilations=[1, 2]),
        with_constants(floats(*MAPS), 17, floats(4, 3, 3, 3), group=2, auto_pad="SAME_UPPER", strides=[2, 2]),
        with_constants(floats(*MAPS), 11, floats(4, 6, 2, 2), auto_pad="SAME_LOWER", strides=[2, 2]),
        with_constants(floats(*SERIES), 17, floats(3, 4, 3), pads=[1, 1]),
        with_constants(floats(2, 3, 4, 5, 4), 17, floats(2, 3, 2, 2, 2), floats(2), kernel_shape=[2, 2, 2]),
    ],
    "ConvTranspose": [
        with_constants(floats(*MAPS), 17, floats(6, 4, 4, 4), floats(4), strides=[2, 2], pads=[1, 1, 1, 1]),
        with_constants(floats(*MAPS), 17, floats(6, 2, 3, 3), group=2, strides=[2, 3], output_padding=[1, 1]),
        with_constants(floats(*MAPS), 17, floats(6, 2, 3, 3), strides=[2, 2], auto_pad="SAME_UPPER"),
        with_constants(floats(*SERIES), 17, floats(4, 2, 3), dilations=[2], pads=[0, 1]),
    ],
    "MaxPool": [
        same(MAPS, kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1]),
        same(MAPS, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
        same(MAPS, kernel_shape=[2, 2], dilations=[2, 2]),
        same(SERIES, kernel_shape=[3], auto_pad="SAME_LOWER", strides=[2]),
        same((1, 2, 5, 6, 4), kernel_shape=[2, 2, 2]),
    ],
    "AveragePool": [
        same(MAPS, kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1]),
        same(MAPS, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1], count_include_pad=1),
        same(MAPS, 19, kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
        same(MAPS, kernel_shape=[2, 2], auto_pad="SAME_UPPER"),
    ],
    "LpPool": [same(MAPS, kernel_shape=[3, 3], strides=[2, 2], p=3), same(SERIES, kernel_shape=[2])],
    **{name: [same(MAPS), same(SERIES)] for name in ("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool")},
    "BatchNormalization": [
        with_constants(floats(*MAPS), 15, positive(6), floats(6), floats(6), positive(6)),
        with_constants(floats(*ROW), 9, positive(5), floats(5), floats(5), positive(5), epsilon=0.01),
    ],
    "InstanceNormalization": [with_constants(floats(*MAPS), 17, positive(6), floats(6), epsilon=0.01)],
    "LayerNormalization": [
        with_constants(floats(*MAPS), 17, positive(5), floats(5)),
        with_constants(floats(*MAPS), 17, positive(7, 5), axis=2),
    ],
    "LRN": [same(MAPS, size=3, alpha=0.1, beta=0.6, bias=2.0)],
    "LpNormalization": [same(MAPS, axis=1, p=2), same(ROW, axis=-1, p=1)],
    "Dropout": [same(MAPS), same(ROW, 11, ratio=0.3)],
    "Gemm": [
        with_constants(floats(*ROW), 17, floats(5, 3), floats(3)),
        with_constants(floats(*ROW), 17, floats(3, 5), floats(1, 3), transB=1, alpha=0.5, beta=2.0),
        (17, [floats(5, 2)], {"w": floats(5, 3), "b": floats(2, 1)}, {"transA": 1}),
        (17, [floats(5, 2), floats(3, 5), floats(3)], {}, {"transA": 1, "transB": 1, "alpha": 0.5, "beta": 2.0}),
        (17, [floats(2, 5), floats(5, 3)], {}, {}),
        (17, [floats(2, 5), floats(3, 5)], {}, {"transB": 1}),
    ],
    "MatMul": [
        with_constants(floats(*ROW), 17, floats(5, 3)),
        with_constants(floats(*MAPS), 17, floats(5, 3)),
        two(floats(2, 3, 4), floats(2, 4, 5)),
        two(floats(3, 4), floats(2, 4, 5)),
        two(floats(4), floats(2, 4, 5)),
        two(floats(2, 3, 4), floats(4)),
        two(floats(2, 1, 3, 4), floats(1, 5, 4, 6)),
        two(floats(2, 3, 4), floats(2, 4, 0)),
    ],
    "Concat": [two(floats(*MAPS), floats(2, 3, 7, 5), axis=1), two(floats(*ROW), floats(*ROW), axis=-1)],
    "Split": [(13, [floats(*MAPS)], {"s": ints(2, 4)}, {"axis": 1}), same(ROW, 11, axis=1, split=[2, 3])],
    "Slice": [
        with_constants(floats(*MAPS), 17, ints(1, -3), ints(5, 2**62), ints(1, 3), ints(2, 1)),
        with_constants(floats(*MAPS), 17, ints(-1), ints(-(2**62)), ints(2), ints(-2)),
        same(MAPS, 9, starts=[1, 0], ends=[3, 4], axes=[1, 2]),
    ],
    "Pad": [
        with_constants(floats(*MAPS), 17, ints(0, 0, 1, 2, 0, 1, 0, 3), np.float32(0.5)),
        with_constants(floats(*MAPS), 17, ints(0, 0, 2, 2, 0, 0, 1, 2), mode="reflect"),
        with_constants(floats(*MAPS), 17, ints(0, 0, 2, 2, 0, 0, 1, 2), mode="edge"),
        with_constants(floats(*MAPS), 17, ints(0, 0, -2, 2, 0, 0, 1, -1)),
        same(MAPS, 10, pads=[0, 0, 1, 1, 0, 0, 1, 1], value=1.5),
    ],
    "Reshape": [
        with_constants(floats(*MAPS), 17, ints(0, -1)),
        with_constants(floats(*MAPS), 17, ints(2, 210)),
        with_constants(floats(*MAPS), 17, ints(-1, 3, 2, 35)),
        with_constants(floats(2, 6, 1, 5), 17, ints(0, 1, 6, 5)),
    ],
    "Flatten": [same(MAPS), same(ROW), same(MAPS, axis=3)],
    "Squeeze": [(13, [floats(2, 6, 1, 1)], {"a": ints(2, 3)}, {}), same((2, 6, 1, 5), 11, axes=[2])],
    "Unsqueeze": [(13, [floats(*ROW)], {"a": ints(1, -1)}, {}), same(ROW, 11, axes=[2])],
    "Transpose": [same(MAPS, perm=[0, 2, 3, 1]), same(MAPS, perm=[0, 3, 1, 2]), same(SERIES, perm=[0, 2, 1])],
    "Gather": [
        with_constants(floats(*MAPS), 17, ints(3, 0, -1), axis=1),
        with_constants(floats(*MAPS), 17, np.array(2), axis=2),
        with_constants(floats(*MAPS), 17, ints(0, 1, 2, 3).reshape(2, 2), axis=3),
    ],
    "Expand": [with_constants(floats(2, 6, 1, 1), 17, ints(2, 6, 3, 2))],
    "Tile": [with_constants(floats(*MAPS), 17, ints(1, 2, 1, 3))],
    "DepthToSpace": [same((2, 8, 3, 2), blocksize=2), same((2, 8, 3, 2), blocksize=2, mode="CRD")],
    "SpaceToDepth": [same((2, 2, 6, 4), blocksize=2)],
    "Resize": [
        with_constants(floats(*MAPS), 17, floats(0), np.array([1, 1, 2, 2], np.float32)),
        with_constants(floats(*MAPS), 17, floats(0), np.array([1, 1, 2, 3], np.float32), mode="linear"),
        with_constants(floats(*MAPS), 17, floats(0), floats(0), ints(2, 6, 9, 4), mode="cubic"),
        with_constants(
            floats(*MAPS),
            17,
            floats(0),
            floats(0),
            ints(2, 6, 13, 9),
            mode="linear",
            coordinate_transformation_mode="align_corners",
        ),
        with_constants(floats(*MAPS), 10, np.array([1, 1, 2, 2], np.float32), mode="nearest"),
    ],
    "Upsample": [
        with_constants(floats(*MAPS), 9, np.array([1, 1, 2, 3], np.float32), mode="nearest"),
        same(MAPS, 7, scales=[1.0, 1.0, 2.0, 2.0], mode="linear"),
    ],
    **{
        name: [same(MAPS, axes=[2, 3]), same(MAPS, axes=[1], keepdims=0), same(ROW, 17, axes=[-1])]
        for name in (
            "ReduceMean",
            "ReduceMax",
            "ReduceMin",
            "ReduceL1",
            "ReduceL2",
            "ReduceSumSquare",
            "ReduceLogSumExp",
        )
    },
    "ReduceLogSum": [(17, [positive(*MAPS)], {}, {"axes": [1, 3]})],
    "ReduceSum": [
        with_constants(floats(*MAPS), 17, ints(2, 3)),
        with_constants(floats(*MAPS), 17, ints(1), keepdims=0),
    ],
    "ArgMax": [same(MAPS, axis=1), same(ROW, axis=-1, keepdims=0), same(ROW, axis=1, select_last_index=1)],
    "ArgMin": [same(MAPS, axis=1), same(ROW, axis=-1, keepdims=0)],
    "Cast": [same(ROW, to=7), same(ROW, to=9), same(ROW, to=10)],
    "CastLike": [two(floats(*ROW), ints(1))],
    "QuantizeLinear": [
        with_constants(floats(*MAPS), 17, np.float32(0.02), np.uint8(128)),
        with_constants(floats(*MAPS), 17, positive(6) / 50, np.arange(6).astype(np.int8), axis=1),
    ],
    "DequantizeLinear": [
        with_constants(RANDOM.integers(0, 256, MAPS).astype(np.uint8), 17, np.float32(0.02), np.uint8(128))
    ],
}
#: What has no input of numbers that a network computes with, or whose outputs ONNX Runtime computes in another way.
ELSEWHERE = {
    *("Constant", "ConstantOfShape", "Shape", "Size", "Range"),  # test_shapes_are_worked_out
    *("ConvInteger", "QLinearConv", "QLinearMatMul", "MatMulInteger", "GroupNormalization", "MaxUnpool"),
    *("Swish", "MeanVarianceNormalization"),  # test_by_hand
}


def every_case():
    return [pytest.param(name, case, id=f"{name}-{i}") for name, cases in CASES.items() for i, case in enumerate(cases)]


def made(name, case, batch):
    """A model with an input x, y, …, whose first size is ``batch`` where all have the same."""
    opset, inputs, constants, attributes = case
    symbols = dict(zip("xyz", inputs, strict=False))
    names = [*symbols, *constants]
    outputs = ["out", "more"][: 1 + (name == "Split")]
    node = helper.make_node(name, names, outputs, name="the node", **attributes)
    shapes = {
        n: (array.dtype, [batch, *array.shape[1:]] if batch else list(array.shape)) for n, array in symbols.items()
    }
    return onnx_model([node], shapes, outputs, constants, opset), symbols


@pytest.mark.parametrize(("name", "case"), every_case())
def test_agrees_with_onnx_runtime(name, case, tmp_path):
    model, arrays = made(name, case, None)
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    expected = runtime(model, arrays)
    for got, wanted in zip(read_onnx(path).run([*arrays.values()]), expected, strict=True):
        assert (got.shape, got.dtype) == (wanted.shape, wanted.dtype)
        np.testing.assert_allclose(got, wanted, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize(("name", "case"), every_case())
def test_takes_any_batch_size(name, case, tmp_path):
    """The same with an unknown batch size: the network that `predict` uses is the one that `run` uses."""
    _, inputs, constants, _ = case
    says_batch = any(array.dtype == np.int64 and array.size and array.flat[0] == 2 for array in constants.values())
    others = any(len(array) != len(inputs[0]) for array in inputs) or inputs[0].ndim < 2
    if others or name in ("Gemm", "Expand", "Where") or (name == "Reshape" and says_batch):
        pytest.skip("its inputs are no batches")
    model, arrays = made(name, case, "N")
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    opened = read_onnx(path)
    if not opened.is_graph or opened.inputs[0].shape[0] is not None:
        pytest.skip("its outputs are no batches")
    for got, wanted in zip(opened.run([*arrays.values()]), runtime(model, arrays), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize(("name", "case"), every_case())
def test_defaults_may_be_written_out(name, case, tmp_path):
    """Of every setting that ONNX gives a default, in the operator's version and in the newest."""
    opset = case[0]
    here = onnx.defs.get_schema(name, opset)
    newest = here if here.deprecated else onnx.defs.get_schema(name)
    defaults = {
        key: helper.get_attribute_value(attribute.default_value)
        for schema in (newest, here)
        for key, attribute in schema.attributes.items()
        if attribute.default_value.type
    }
    model, arrays = made(name, case, None)
    expected = runtime(model, arrays)
    written = {attribute.name for attribute in model.graph.node[0].attribute}
    model.graph.node[0].attribute.extend(
        helper.make_attribute(key, value) for key, value in defaults.items() if key not in written
    )
    for got, wanted in zip(opened(model, tmp_path).run([*arrays.values()]), expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=2e-4, atol=2e-5)


def test_table_of_defaults_is_onnxs():
    """Those that were the same in all versions that are read."""
    expected = {}
    for name in OPERATORS:
        versions = [one for one in onnx.defs.get_all_schemas_with_history() if (one.domain, one.name) == ("", name)]
        oldest = max(one.since_version for one in versions if one.since_version <= max(7, versions_begin(versions)))
        values = {}
        for schema in (one for one in versions if one.since_version >= oldest):
            for key, attribute in schema.attributes.items():
                if attribute.default_value.type:
                    values.setdefault(key, set()).add(plain(helper.get_attribute_value(attribute.default_value)))
        if settled := {key: found.pop() for key, found in values.items() if len(found) == 1}:
            expected[name] = settled
    other = {name: settings for name, settings in expected.items() if DEFAULTS.get(name, {}).keys() != settings.keys()}
    assert not other, f"striate/interop/onnx/defaults.py should have {other}"
    assert DEFAULTS.keys() == expected.keys()
    for name, settings in expected.items():
        assert all(is_default(name, key, value) for key, value in settings.items())
        assert not any(is_default(name, key, None) for key in settings)
    assert not is_default("Relu", "turbo", 0)


def versions_begin(schemas):
    return min(schema.since_version for schema in schemas)


def plain(value):
    return value.decode() if isinstance(value, bytes) else tuple(value) if isinstance(value, list) else value


def by_hand(op, arrays, opset=17, constants=(), outputs=("y",), **attributes):
    """A model of one node, whose output's type ONNX does not work out."""
    names = [*(f"x{i}" for i in range(len(arrays))), *(f"c{i}" for i in range(len(constants)))]
    node = helper.make_node(op, names, list(outputs), **attributes)
    infos = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in zip(names, arrays, strict=False)
    ]
    ends = [helper.make_tensor_value_info(name, 1, None) for name in outputs]
    made = [onnx.numpy_helper.from_array(array, f"c{i}") for i, array in enumerate(constants)]
    graph = helper.make_graph([node], "net", infos, ends, made)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def opened(model, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return read_onnx(path)


def test_swish_and_mean_variance_normalization_by_hand(tmp_path):
    x = floats(2, 3, 4, 5)
    (y,) = opened(by_hand("Swish", [x], opset=24, alpha=0.7), tmp_path).run([x])
    np.testing.assert_allclose(y, x / (1 + np.exp(-0.7 * x)), rtol=1e-5)
    (y,) = opened(by_hand("MeanVarianceNormalization", [x]), tmp_path).run([x])
    mean, deviation = x.mean((0, 2, 3), keepdims=True), x.std((0, 2, 3), keepdims=True)
    np.testing.assert_allclose(y, (x - mean) / deviation, rtol=1e-4, atol=1e-5)


def test_max_pooling_and_back(tmp_path):
    """Indices count through the whole array; unpooling puts each number where they say."""
    x = floats(2, 3, 6, 4)
    pool = by_hand("MaxPool", [x], outputs=("y", "i"), kernel_shape=[2, 2], strides=[2, 2])
    pool.graph.output[1].type.tensor_type.elem_type = onnx.TensorProto.INT64
    y, places = opened(pool, tmp_path).run([x])
    np.testing.assert_array_equal(x.reshape(-1)[places], y)
    (back,) = opened(by_hand("MaxUnpool", [y, places], kernel_shape=[2, 2], strides=[2, 2]), tmp_path).run([y, places])
    expected = np.zeros(x.size, np.float32)
    expected[places] = y
    np.testing.assert_array_equal(back, expected.reshape(x.shape))


def test_shapes_are_worked_out(tmp_path):
    """As exporters write flattening: Shape, Gather, Unsqueeze, Concat, Reshape; with any batch size."""
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Constant", [], ["first"], value=onnx.numpy_helper.from_array(np.array(0))),
        helper.make_node("Gather", ["shape", "first"], ["batch"]),
        helper.make_node("Unsqueeze", ["batch", "axes"], ["batch1"]),
        helper.make_node("Concat", ["batch1", "rest"], ["target"], axis=0),
        helper.make_node("Reshape", ["x", "target"], ["rows"]),
        helper.make_node("Size", ["rows"], ["count"]),
        helper.make_node("Div", ["count", "batch"], ["each"]),
        helper.make_node("Range", ["zero", "each", "one"], ["numbers"]),
        helper.make_node("Cast", ["numbers"], ["real"], to=1),
        helper.make_node("Add", ["rows", "real"], ["y"]),
    ]
    constants = {"axes": ints(0), "rest": ints(-1), "zero": np.array(0), "one": np.array(1)}
    model = onnx_model(nodes, {"x": (np.float32, ["N", 2, 3, 4])}, ["y"], constants)
    network = opened(model, tmp_path)
    assert network.output_shape == (None, 24)
    for batch in (1, 2, 5):
        x = floats(batch, 2, 3, 4)
        np.testing.assert_allclose(network.run([x])[0], x.reshape(batch, 24) + np.arange(24), rtol=1e-6)


@pytest.mark.parametrize("rest", [(24,), (1, 24), (6, 1, 4)])
def test_a_batch_size_that_stands_in_a_shape_is_any_batch_size(rest, tmp_path):
    """A file for a batch of 1 says so in the target of its Reshape; a 1 further on is no batch size."""
    nodes = [helper.make_node("Reshape", ["x", "target"], ["y"])]
    model = onnx_model(nodes, {"x": (np.float32, [1, 2, 3, 4])}, ["y"], {"target": ints(1, *rest)})
    x = floats(3, 2, 3, 4)
    np.testing.assert_array_equal(opened(model, tmp_path).predict(x), x.reshape(3, *rest))


def test_every_operator_is_checked():
    assert set(CASES) | ELSEWHERE == set(OPERATORS), "an operator without a row in CASES"
