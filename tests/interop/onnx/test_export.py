"""Writing ONNX: every file passes ONNX's checker, and gives in ONNX Runtime what the model gives here."""

import inspect
import itertools
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

from striate import layers, ops
from striate.architectures import ARCHITECTURES
from striate.data import PhotoPreprocessing, Preprocessing
from striate.errors import ArgumentError, FormatError, ModelError, StriateError
from striate.graph import Array, Graph, Variable
from striate.interop.onnx import write_onnx
from striate.interop.onnx.export import network
from striate.interop.onnx.export.writer import RULES
from striate.interop.onnx.reader import read_onnx
from striate.layers.activations import ACTIVATIONS
from striate.layers.layer import WEIGHT_SOURCE
from striate.models import Input, Model, Sequential
from striate.ops.elementwise import BROADCAST_TO, ElementWise
from striate.ops.operation import OPERATIONS
from striate.ops.selection import MAX_UNPOOL
from striate.runtime.reference import ReferenceExecutor
from tests.cases import every_case
from tests.cases.case import Case
from tests.contracts.test_layer_contract import CONTRACTS, Contract

onnx = pytest.importorskip("onnx", reason="ONNX is the oracle of these tests")
onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is the oracle of these tests")

BATCHES = (1, 3)

#: Cases of one operation that are written; grids begin with their corners.
MOST_CASES = 150


@pytest.fixture
def path(tmp_path):
    yield (path := tmp_path / "model.onnx")
    path.unlink(missing_ok=True)  # pytest keeps folders, and some of these files have half a gigabyte


def first(array: Array) -> Array:
    """Channels first: (N, *size, C) → (N, C, *size)."""
    return np.moveaxis(array, -1, 1) if array.ndim > 2 else array


def settled(model: Model) -> Model:
    """The model with weights of which none is what it began with: moving statistics too."""
    generator = np.random.default_rng(3)
    model.set_weights([0.5 + 0.4 * generator.random(v.shape).astype(np.float32) for v in model.weights])
    return model


def inputs_of(model: Model, batch: int) -> list[Array]:
    generator = np.random.default_rng(7)
    return [
        generator.standard_normal((batch, *shape)).astype(dtype)
        if np.dtype(dtype).kind == "f"
        else generator.integers(0, 5, (batch, *shape)).astype(dtype)
        for shape, dtype in model.input_specs()
    ]


def checked(path) -> Any:
    onnx.checker.check_model(path, full_check=True)
    return onnx.load(path)


def agrees(model: Model, path, channels_last: bool = False, inputs: Any = None) -> Any:
    """Write a model, check the file, and compare what ONNX Runtime and the model give; return the file.

    Arguments:
        inputs: default: random ones, for a batch of 1 and of 3.
    """
    write_onnx(model, path, channels_last=channels_last)
    file = checked(path)
    session = onnxruntime.InferenceSession(path)
    turn = (lambda array: array) if channels_last else first
    for arrays in [inputs] if inputs else [inputs_of(model, batch) for batch in BATCHES]:
        names = [one.name for one in session.get_inputs()]
        got = session.run(None, {name: turn(array) for name, array in zip(names, arrays, strict=True)})
        graph = model.traced(len(arrays[0]))
        expected = ReferenceExecutor(graph).run(arrays)
        assert [array.dtype for array in got] == [tensor.dtype for tensor in graph.outputs]
        for ours, theirs in zip(expected, got, strict=True):
            np.testing.assert_allclose(theirs, turn(ours), rtol=1e-5, atol=1e-5)
    return file


def operators(file: Any) -> list[str]:
    return [node.op_type for node in file.graph.node]


def contract_model(case: Contract) -> Model:
    shapes = case.given if isinstance(case.given, list) else [case.given]
    symbols = [Input(shape) for shape in shapes]
    return settled(Model(symbols, case.make()(symbols if isinstance(case.given, list) else symbols[0])))


@pytest.mark.parametrize("channels_last", [False, True], ids=["channels_first", "channels_last"])
@pytest.mark.parametrize("case", [pytest.param(case, id=f"{name}-{i}") for i, (name, case) in enumerate(CONTRACTS)])
def test_A7_every_layer(case, channels_last, path):
    agrees(contract_model(case), path, channels_last)


@pytest.mark.parametrize("case", [pytest.param(case, id=f"{name}-{i}") for i, (name, case) in enumerate(CONTRACTS)])
def test_A7_what_is_written_can_be_read_back(case, path):
    model = contract_model(case)
    write_onnx(model, path)
    arrays = inputs_of(model, 2)
    (got,) = read_onnx(path).run([first(array) for array in arrays])
    (expected,) = ReferenceExecutor(model.traced(2)).run(arrays)
    np.testing.assert_allclose(got, first(expected), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_A7_every_architecture(name, path):
    file = agrees(calibrated(small(name)), path)
    assert "Transpose" not in operators(file)


def small(name: str) -> Model:
    """An architecture for ten classes, for as small an input as it takes, with weights that are quickly drawn."""
    generator = np.random.default_rng(5)

    def drawn(shape: tuple[int, ...]) -> Array:
        if len(shape) < 2:
            return generator.uniform(0.1, 0.3, shape).astype(np.float32)
        return (generator.random(shape, np.float32) - np.float32(0.5)) * np.float32((24 / np.prod(shape[:-1])) ** 0.5)

    build = ARCHITECTURES[name].build
    channels = inspect.signature(build).parameters["input_shape"].default[-1]
    token = WEIGHT_SOURCE.set(drawn)
    try:
        for side in (32, 64, 96):
            with suppress(StriateError):
                return build(classes=10, input_shape=(side, side, channels))
        return build(classes=10)
    finally:
        WEIGHT_SOURCE.reset(token)


def calibrated(model: Model) -> Model:
    """The model with the moving statistics of one batch: whatever its depth, numbers neither vanish nor overflow."""
    normalizations = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    for layer in normalizations:
        layer.moving_mean.assign(np.zeros(layer.moving_mean.shape))
        layer.moving_variance.assign(np.zeros(layer.moving_mean.shape))
    graph = model.traced(8, training=True)
    updates = [tensor for _, tensor in graph.updates]
    after = ReferenceExecutor(Graph(graph.inputs, updates, graph.variables, random=graph.random)).run(
        inputs_of(model, 8)
    )
    for (variable, _), value in zip(graph.updates, after, strict=True):
        (layer,) = (one for one in normalizations if any(variable is weight for weight in one.weights))
        variable.assign(value / (1 - layer.momentum))
    return model


class Applied(Model):
    """An operation as a model: inputs number ``given`` are the model's, the others weights."""

    def __init__(self, case: Case, given: tuple[int, ...]):
        super().__init__()
        self.case, self.given = case, given
        self.arrays = [array.astype(np.float32) for array in case.arrays()]
        self.kept = [None if i in given else Variable(array, f"kept_{i}") for i, array in enumerate(self.arrays)]

    def call(self, inputs: Any) -> Any:
        given = iter(inputs if isinstance(inputs, list) else [inputs])
        arguments = [next(given) if kept is None else kept for kept in self.kept]
        return self.case.operation(*arguments, **self.case.attributes)


def applied(case: Case) -> Iterator[tuple[Applied, list[Array]]]:
    """The case with its first input given, or each one and all; without those that fit one batch size only."""
    several = [*itertools.combinations(range(len(case.inputs)), 1), tuple(range(len(case.inputs)))]
    everything = isinstance(case.operation, ElementWise) or case.operation is MAX_UNPOOL
    for given in dict.fromkeys(several) if everything else [(0,)]:
        model = Applied(case, given)
        inputs = [model.arrays[i] for i in given]
        if all(array.size and array.shape for array in inputs) and len({len(array) for array in inputs}) == 1:
            model(inputs)
            try:
                model.traced(5), model.traced(7)
            except StriateError:
                continue
            yield model, inputs


@pytest.mark.parametrize("channels_last", [False, True], ids=["channels_first", "channels_last"])
@pytest.mark.parametrize("operation", [one for one in OPERATIONS.values() if one in RULES], ids=lambda one: one.name)
def test_A7_every_operation_on_its_grid(operation, channels_last, path):
    count = 0
    cases = (case for case in every_case() if case.operation is operation)
    for case in itertools.islice(cases, MOST_CASES):
        for model, inputs in applied(case):
            try:
                agrees(model, path, channels_last, inputs)
                count += 1
            except Exception as error:
                error.add_note(f"case: {case}, given: {model.given}")
                if not (isinstance(error, ModelError) and "depends on the batch size" in str(error)):
                    raise
    assert count or operation is BROADCAST_TO  # all its cases name the batch size


#: Operations that no rule writes: losses, and what is for training.
UNWRITTEN = {
    "absolute_error",
    "binary_crossentropy",
    "cross_entropy",
    "dropout",
    "sigmoid_binary_cross_entropy",
    "softmax_cross_entropy",
    "squared_error",
}


def test_A7_every_operation_but_losses_can_be_written():
    left = {name for name, operation in OPERATIONS.items() if operation not in RULES and "_grad" not in name}
    assert left == UNWRITTEN, "an operation without a rule in interop/onnx/export: write it (@writes), or list it here"


# Networks


def image_net(*more: Any, shape: tuple[int, ...] = (12, 10, 3)) -> Model:
    return settled(Sequential([Input(shape), *more]))


def test_A7_a_usual_network_has_no_transposes(path):
    model = image_net(
        layers.Conv2D(4, 3, padding="same", use_bias=False),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.MaxPooling2D(2),
        layers.DepthwiseConv2D(3, activation="relu6"),
        layers.Dropout(0.5),
        layers.UpSampling2D(2),
        layers.LocalResponseNormalization(2),
        layers.GroupNormalization(2),
        layers.AveragePooling2D(2),
        layers.Flatten(),
        layers.Dense(7, activation="relu"),
        layers.Dense(5, activation="softmax"),
    )
    file = agrees(model, path)
    kinds = operators(file)
    assert kinds[0] == "Conv"
    assert "Transpose" not in kinds
    assert kinds[-5:] == ["Flatten", "Gemm", "Relu", "Gemm", "Softmax"]
    assert {"BatchNormalization", "LRN", "InstanceNormalization"} <= set(kinds)
    (given,), (end,) = file.graph.input, file.graph.output
    assert [d.dim_param or d.dim_value for d in given.type.tensor_type.shape.dim] == ["N", 3, 12, 10]
    assert [d.dim_param or d.dim_value for d in end.type.tensor_type.shape.dim] == ["N", 5]


def test_A7_channels_last_files_turn_the_image_once(path):
    model = image_net(layers.Conv2D(4, 3, activation="relu"), layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(3))
    file = agrees(model, path, channels_last=True)
    assert operators(file) == ["Transpose", "Conv", "Relu", "Conv", "Flatten", "Gemm"]
    dims = file.graph.input[0].type.tensor_type.shape.dim
    assert [d.dim_param or d.dim_value for d in dims] == ["N", 12, 10, 3]


def test_A7_names_are_those_of_layers_and_variables(path):
    model = image_net(layers.Conv2D(2, 3, name="edges", activation="relu"), layers.Flatten(), layers.Dense(3))
    file = agrees(model, path)
    assert [(node.name, node.op_type) for node in file.graph.node] == [
        ("edges/Conv", "Conv"),
        ("edges/Relu", "Relu"),
        ("flatten/Flatten", "Flatten"),
        ("dense/Gemm", "Gemm"),
    ]
    assert [array.name for array in file.graph.initializer] == [
        "edges/kernel",
        "edges/bias",
        "dense/kernel",
        "dense/bias",
    ]
    assert [one.name for one in file.graph.input] == model.input_names
    assert [one.name for one in file.graph.output] == model.output_names == ["dense"]


def test_A7_branches_and_arithmetic_between_layers(path):
    x = Input((8, 8, 3))
    a = layers.Conv2D(4, 3, padding="same")(x)
    b = layers.Conv2D(4, 1)(x)
    y = a + b * 0.5 - np.linspace(0, 1, 4, dtype=np.float32)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(y)
    y = layers.Multiply()([y, layers.Conv2D(4, 1, activation="sigmoid")(gate)])
    y = layers.Concatenate()([y, ops.relu(a), x])
    file = agrees(settled(Model(x, 1 - y / 2)), path)
    assert "Transpose" not in operators(file)
    assert "Concatenate" in [type(layer).__name__ for layer in read_onnx(path).layers]


def test_A7_squeeze_and_excitation_by_rows_has_no_transposes(path):
    x = Input((6, 6, 4))
    y = layers.Conv2D(4, 3)(x)
    gate = layers.Reshape((1, 1, 4))(layers.Dense(4, activation="sigmoid")(layers.GlobalAveragePooling2D()(y)))
    file = agrees(settled(Model(x, layers.Conv2D(2, 1)(layers.Multiply()([y, gate])))), path)
    assert "Transpose" not in operators(file)


def test_A7_a_bias_is_merged_only_where_nothing_else_reads_the_sum_before_it(path):
    x = Input((5,))
    y = layers.Dense(3, use_bias=False)(x)
    bias = np.arange(3, dtype=np.float32)
    assert operators(agrees(settled(Model(x, y + bias)), path)) == ["Gemm"]
    assert operators(agrees(settled(Model(x, [y + bias, y])), path)) == ["Gemm", "Add"]
    assert operators(agrees(settled(Model(x, (y + bias) * y)), path)) == ["Gemm", "Add", "Mul"]
    assert operators(agrees(settled(Model(x, y + bias[:1])), path)) == ["Gemm", "Add"]


def test_A7_flattened_maps_that_others_read_too(path):
    x = Input((4, 5, 3))
    flat = layers.Flatten()(layers.Conv2D(2, 2)(x))
    model = Model(x, [layers.Dense(3)(flat), layers.Dense(2)(flat)])
    assert "Transpose" not in operators(agrees(settled(model), path))
    model = Model(x, [layers.Dense(3)(flat), flat])
    assert operators(agrees(settled(model), path)) == ["Conv", "Transpose", "Flatten", "Gemm"]
    model = Model(x, layers.Dense(3)(layers.LayerNormalization()(flat)))
    assert "LayerNormalization" in operators(agrees(settled(model), path))


def test_A7_axes_in_any_order(path):
    x = Input((4, 5, 6))
    y = layers.Conv2D(3, 2)(x)  # (N, 3, 4, 3)
    turned = layers.Permute((3, 1, 2))(y)
    joined = layers.Reshape((12, 3))(y)
    outputs = [
        turned,
        layers.Softmax(1)(turned),
        layers.Conv2D(2, 2)(turned),
        joined,
        layers.Conv1D(2, 3)(joined),
        layers.Reshape((3, 12))(turned),
        layers.Reshape((3, 12))(layers.Permute((1, 3, 2))(y)),
        layers.Dense(2)(turned) + layers.Dense(2, name="other")(turned),
        ops.max(y, (1, 3)),
        ops.argmax(y, -1),
        ops.concatenate([y, y * 2], 1),
        ops.mean(joined, 1),
    ]
    for channels_last in (False, True):
        agrees(settled(Model(x, outputs)), path, channels_last)


def test_A7_a_shape_that_stays_takes_no_operator(path):
    x = Input((6, 4))
    assert operators(agrees(Model(x, layers.ReLU()(layers.Reshape((6, 4))(x))), path)) == ["Relu"]


def test_A7_axes_of_size_1_are_nowhere_in_the_way(path):
    model = image_net(layers.GlobalMaxPooling2D(keepdims=True), layers.Flatten(), layers.Softmax())
    assert operators(agrees(model, path)) == ["ReduceMax", "Flatten", "Softmax"]


def test_A7_the_batch_size_is_known_by_its_name_everywhere(path):
    model = image_net(layers.Conv2D(4, 3), layers.GroupNormalization(2), layers.Reshape((10, 32)), layers.Dense(2))
    file = onnx.shape_inference.infer_shapes(agrees(model, path), strict_mode=True, data_prop=True)
    assert len(file.graph.value_info) == len(file.graph.node) - 1
    assert {value.type.tensor_type.shape.dim[0].dim_param for value in file.graph.value_info} == {"N"}


def test_A7_shared_layers_have_their_weights_once(path):
    left, right = Input((6, 6, 1)), Input((6, 6, 1))
    eye, read = layers.Conv2D(2, 3, name="eye"), layers.Dense(4, name="read")
    flat = layers.Flatten()
    a, b = (read(flat(eye(image))) for image in (left, right))
    file = agrees(settled(Model([left, right], [a - b, a])), path)
    assert sorted(array.name for array in file.graph.initializer) == [
        "eye/bias",
        "eye/kernel",
        "read/bias",
        "read/kernel",
    ]
    names = [node.name for node in file.graph.node]
    assert len(names) == len(set(names))


def test_A7_networks_inside_networks(path):
    inner = Sequential([Input((6, 6, 2)), layers.Conv2D(2, 3, name="conv"), layers.BatchNormalization()], name="inner")
    x = Input((6, 6, 2))
    model = settled(Sequential([x, inner, layers.Flatten(), layers.Dense(2)]))
    file = agrees(model, path)
    assert file.graph.node[0].name == "inner/conv/Conv"
    assert "inner/conv/kernel" in {array.name for array in file.graph.initializer}


def test_A7_outputs_by_name_given_back_and_twice(path):
    x, z = Input((4, 4, 2), name="image"), Input((3,), name="row")
    y = layers.Conv2D(2, 2, name="conv")(x)
    file = agrees(settled(Model([x, z], {"maps": y, "same": y, "row": z, "twice": z})), path)
    assert [one.name for one in file.graph.output] == ["maps", "same", "row_1", "twice"]
    assert [node.name for node in file.graph.node] == ["conv/Conv", "Identity", "Identity_1", "Identity_2"]


def test_A7_whole_numbers_as_input(path):
    x = Input((3,), dtype="int32")
    table = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)
    embedded = ops.dense(ops.one_hot(x, 5), table)
    agrees(Model(x, [embedded, layers.Dense(2)(x), layers.Flatten()(x)]), path)


class Normalized(Model):
    """A network that is Python code: normalized weights, a constant that is worked out, and sizes of the batch."""

    def __init__(self) -> None:
        super().__init__(name="normalized")
        self.dense = layers.Dense(4, name="dense")
        self.factor = Variable([0.5, 2.0, 1.0, 3.0], "factor")

    def call(self, inputs: Any) -> Any:
        y = self.dense(inputs) * (self.factor / ops.sum(self.factor))
        return ops.reshape(y, (inputs.shape[0] * 2, 2)), ops.sum(self.factor)


def test_A7_subclassed_models(path):
    model = Normalized()
    model(np.ones((2, 3), np.float32))
    file = agrees(model, path)
    assert operators(file) == ["Gemm", "Mul", "Reshape", "Identity"]  # what weights alone decide is worked out
    dim, two = file.graph.output[0].type.tensor_type.shape.dim
    assert (dim.dim_param, dim.dim_value, two.dim_value) == ("", 0, 2)


def test_A7_padding_larger_than_the_window(path):
    pools = [
        layers.MaxPooling2D(2, 1, "same", dilation_rate=3),
        layers.AveragePooling2D(2, 1, "same", dilation_rate=3),
        layers.BrightestPooling2D(2, 1, "same", dilation_rate=3),
        layers.LpPooling2D(2, 1, "same", dilation_rate=3),
    ]
    for pool in pools:
        agrees(image_net(pool), path)


def test_A7_activations(path):
    x = Input((40,))
    outputs = [layers.Activation(name)(x * 4) for name in ACTIVATIONS]
    agrees(Model(x, [*outputs, ops.gelu(x), ops.clip(x, -0.5, 0.25)]), path)


# What travels with the network


@pytest.mark.parametrize("preprocessing", [Preprocessing(ink="dark"), PhotoPreprocessing((12, 10), 16), None])
def test_A7_preprocessing_and_classes_travel_along(path, preprocessing):
    model = image_net(layers.Flatten(), layers.Dense(2))
    model.preprocessing, model.classes, model.threshold = preprocessing, ("cat", "Käse"), 0.25
    agrees(model, path)
    metadata = {entry.key: json.loads(entry.value) for entry in onnx.load(path).metadata_props}
    expected = {"striate.classes": ["cat", "Käse"], "striate.threshold": 0.25}
    if preprocessing:
        assert type(preprocessing).from_json(metadata.pop("striate.preprocessing")) == preprocessing
    assert metadata == expected


def test_A7_versions(path):
    write_onnx(image_net(layers.Flatten()), path)
    file = checked(path)
    assert (file.ir_version, [(one.domain, one.version) for one in file.opset_import]) == (8, [("", 17)])
    assert file.producer_name == "striate"
    assert not file.metadata_props


# The door


def test_A7_model_export_writes_the_same_file(path, tmp_path):
    model = image_net(layers.Conv2D(2, 3))
    write_onnx(model, path)
    model.export(tmp_path / "other.ONNX")
    assert (tmp_path / "other.ONNX").read_bytes() == path.read_bytes()


def test_A7_model_export_refuses_other_suffixes(tmp_path):
    with pytest.raises(ArgumentError, match=r"^export: expected a file name that ends .* or \.onnx, got '.*m\.pth'\."):
        image_net(layers.Flatten()).export(tmp_path / "m.pth")
    assert not list(tmp_path.iterdir())


def test_A7_files_are_replaced_only_if_told(path):
    path.write_bytes(b"mine")
    model = image_net(layers.Flatten())
    with pytest.raises(
        FormatError, match=r"^export: .*model\.onnx exists already; give overwrite=True to replace it\."
    ):
        model.export(path, overwrite=False)
    assert path.read_bytes() == b"mine"
    model.export(path)
    checked(path)


def test_A7_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FormatError, match=r"^export: cannot write .*: No such file"):
        image_net(layers.Flatten()).export(tmp_path / "none" / "m.onnx")


# What cannot be written


class Noisy(layers.Layer):
    def call(self, inputs: Any) -> Any:
        return ops.dropout(inputs, 0.5)


def test_A7_refuses_all_that_has_no_operator_at_once(path):
    x = Input((4,))
    model = Model(x, Noisy(name="second")(ops.huber(x, Noisy(name="first")(x))), name="mine")
    none = "its export to ONNX is not supported"
    reasons = f"layer first: dropout: {none}; absolute_error: {none}; layer second: dropout: {none}"
    with pytest.raises(ModelError, match=rf"^export: mine cannot be written as ONNX: {reasons}\.$"):
        write_onnx(model, path)
    assert not path.exists()


def test_A7_a_long_list_of_refusals_is_cut(path):
    y = x = Input((4,))
    for _ in range(25):
        y = Noisy()(y)
    with pytest.raises(ModelError, match=r"layer noisy_19: dropout: [^;]*; and 5 more\.$"):
        write_onnx(Model(x, y), path)


class ByBatch(Model):
    def __init__(self, function: Any):
        super().__init__(name="by_batch")
        self.function = function

    def call(self, inputs: Any) -> Any:
        return self.function(inputs)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda x: ops.slice_axis(x, 0, 0, 1), "slice: its settings depend on the batch size"),
        (lambda x: x * float(x.shape[0]), "multiply: a constant depends on the batch size"),
        (lambda x: ops.reshape(ops.dense(ops.transpose(x), np.ones((x.shape[0], 1))), (3,)), "dense: a constant .*"),
        (lambda x: ops.broadcast_to(x, (x.shape[0], *x.shape)), "broadcast_to: how often it repeats .*"),
        (lambda x: ops.reshape(ops.add(ops.reshape(x, (-1, 1, 3)), x), (1, -1, x.shape[0], 3)), "reshape: more .*"),
    ],
)  # fmt: skip
def test_A7_refuses_what_depends_on_the_batch_size(function, reason, path):
    model = ByBatch(function)
    model(np.ones((4, 3), np.float32))
    with pytest.raises(ModelError, match=f"^export: by_batch cannot be written as ONNX: {reason}\\.$"):
        write_onnx(model, path)


@pytest.mark.parametrize("shape", [(0, 3, 4), (0,), (5, 0)])
def test_A7_refuses_shapes_of_nothing(shape, path):
    """All of them hold equally many numbers."""
    x = Input((4, 3))
    with pytest.raises(ModelError, match=r"cannot be written as ONNX: reshape: its result is empty\.$"):
        write_onnx(Model(x, ops.reshape(ops.slice_axis(x, 1, 0, 0), shape)), path)


def test_A7_refuses_a_structure_that_depends_on_the_batch_size(path):
    model = ByBatch(lambda x: x + 1.0 if x.shape[0] == network.BATCH_SIZES[0] else x)
    model(np.ones((4, 3), np.float32))
    with pytest.raises(ModelError, match=r"^export: the operations of by_batch depend on the batch size\.$"):
        write_onnx(model, path)


def test_A7_refuses_a_model_for_one_batch_size(path):
    model = ByBatch(lambda x: x + np.ones((4, 3), np.float32))
    model(np.ones((4, 3), np.float32))
    with pytest.raises(ModelError, match=r"^export: expected a model that takes any batch size, even 211: .*broadcast"):
        write_onnx(model, path)


def test_A7_refuses_a_model_that_has_seen_no_input(path):
    with pytest.raises(ModelError, match="call it on an input"):
        write_onnx(Sequential([layers.Dense(2)]), path)


def test_A7_refuses_files_beyond_what_protocol_buffers_hold(path, monkeypatch):
    monkeypatch.setattr(network, "MAX_BYTES", 100)
    with pytest.raises(ModelError, match=r"sequential has 2,888 bytes of weights; an ONNX file holds at most 100\.$"):
        write_onnx(image_net(layers.Flatten(), layers.Dense(2)), path)


def test_A7_model_export_takes_the_format_that_the_suffix_says(tmp_path):
    model = image_net(layers.Flatten())
    model.export(tmp_path / "m.onnx", "onnx")
    assert (tmp_path / "m.onnx").exists()
    with pytest.raises(ArgumentError, match=r"export: expected a file name that ends in \.tflite, the format, got"):
        model.export(tmp_path / "m.onnx", format="tflite")
