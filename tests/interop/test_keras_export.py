"""Models that we save as Keras's files: Keras opens them with the same outputs, and we with the same bits."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

os.environ.setdefault("KERAS_BACKEND", "torch")
pytest.importorskip("torch")
keras = pytest.importorskip("keras")
h5py = pytest.importorskip("h5py")

import striate  # noqa: E402
from striate import layers, ops  # noqa: E402
from striate.errors import ModelError  # noqa: E402
from striate.graph import Array  # noqa: E402
from striate.interop.keras.layer_configs import OURS_ALONE  # noqa: E402
from striate.interop.keras.operations import BY_NAME  # noqa: E402
from striate.layers.activations import ACTIVATIONS  # noqa: E402
from striate.models import Model, load_model  # noqa: E402
from striate.ops.activations import Activation  # noqa: E402
from striate.ops.operation import OPERATIONS  # noqa: E402
from tests.contracts.test_layer_contract import CONTRACTS, Contract  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras's variables on NumPy 2
]
SUFFIXES = (".keras", ".h5")


def randomize(model: Model, seed: int = 5) -> None:
    """Weights that are all different, none of them negative: some are variances."""
    generator = np.random.default_rng(seed)
    for variable in model.weights:
        variable.assign(0.5 + 0.4 * generator.random(variable.shape).astype(np.float32))


def inputs_of(model: Model, batch: int = 3) -> Any:
    generator = np.random.default_rng(11)
    arrays = [
        generator.standard_normal((batch, *(n or 6 for n in tensor.shape[1:]))).astype(tensor.dtype)
        for tensor in model.inputs
    ]
    return arrays if len(arrays) > 1 else arrays[0]


def flat(outputs: Any) -> list[Array]:
    if isinstance(outputs, dict):
        outputs = [outputs[name] for name in sorted(outputs)]
    return [np.asarray(one) for one in (outputs if isinstance(outputs, list | tuple) else [outputs])]


def check(model: Model, path: Path, given: Any = None, tolerance: float = 1e-5) -> tuple[Any, Model]:
    """Save; Keras's outputs are ours, and what we read is the same model, bit for bit."""
    given = inputs_of(model) if given is None else given
    expected = flat(model.predict(given))
    model.save(path)
    content = path.read_bytes()
    model.save(path)
    assert path.read_bytes() == content
    theirs = keras.models.load_model(path)
    for got, value in zip(flat(theirs.predict(given, verbose=0)), expected, strict=True):
        np.testing.assert_allclose(got, value, rtol=tolerance, atol=tolerance)
    ours = load_model(path)
    for got, value in zip(flat(ours.predict(given)), expected, strict=True):
        np.testing.assert_array_equal(got, value)
    trained = [len(one.trainable_weights) for one in (theirs, ours, model)]
    assert trained[0] == trained[1] == trained[2]
    assert ours.name == model.name
    assert {layer.name for layer in model.layers} <= {layer.name for layer in ours.layers}
    return theirs, ours


# Every layer of the layer contract


def network_of(case: Contract) -> Model:
    begin: Any = [striate.Input(shape) for shape in case.given] if isinstance(case.given, list) else None
    begin = striate.Input(case.given) if begin is None else begin
    model = striate.Model(begin, case.make(name="it")(begin))
    randomize(model)
    return model


#: Layers of the contract that Keras has not, and why.
REFUSED = {
    **dict.fromkeys(OURS_ALONE, "Keras has no such layer"),
    "MaxPooling2D-16": r"Keras has no dilation_rate there, it is 2",
}
#: Keras's own call of PyTorch fails where these axes are not the last.
LOADED_ONLY = {"LayerNormalization-50"}


def reason_against(name: str) -> str | None:
    return REFUSED.get(name) or REFUSED.get(name.partition("-")[0])


CASES = [(f"{name}-{i}", case) for i, (name, case) in enumerate(CONTRACTS)]
WRITTEN = [pytest.param(name, case, id=name) for name, case in CASES if not reason_against(name)]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(("name", "case"), WRITTEN)
def test_every_layer_that_keras_has(tmp_path: Path, name: str, case: Contract, suffix: str) -> None:
    model, path = network_of(case), tmp_path / f"m{suffix}"
    if name not in LOADED_ONLY:
        check(model, path)
        return
    model.save(path)
    for got, value in zip(keras.models.load_model(path).get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(got, value)


@pytest.mark.parametrize(("name", "case"), [pair for pair in CASES if reason_against(pair[0])])
def test_layers_that_keras_has_not(tmp_path: Path, name: str, case: Contract) -> None:
    model = network_of(case)
    reason = rf"layer 'it' \({name.partition('-')[0]}\): {reason_against(name)}"
    for suffix in SUFFIXES:
        with pytest.raises(ModelError, match=rf"^save: \w+ cannot be written as a file of Keras: {reason}\. A \.safet"):
            model.save(tmp_path / f"m{suffix}")
        assert not (tmp_path / f"m{suffix}").exists()
    model.save_weights(tmp_path / "m.weights.h5")  # numbers have no layers
    twin = network_of(case)
    twin.set_weights([0 * value for value in twin.get_weights()])
    if twin.weights:
        twin.load_weights(tmp_path / "m.weights.h5")
    for got, value in zip(twin.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(got, value)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_every_activation(tmp_path: Path, name: str) -> None:
    begin = striate.Input((5,))
    model = striate.Model(begin, layers.Dense(4, activation=name)(layers.Activation(name)(begin)))
    randomize(model)
    check(model, tmp_path / "m.keras")


def kind_of(name: str, *arguments: Any, shape: Any, **settings: Any) -> Any:
    return pytest.param(getattr(layers, name), arguments, settings, shape, id=f"{name}-{settings}")


#: What Keras says with several layers.
TOGETHER = [
    kind_of("Conv1D", 3, 3, padding=((1, 2),), strides=2, shape=(9, 2)),
    kind_of("Conv1D", 3, 3, padding="full", shape=(9, 2)),
    kind_of("Conv2D", 3, (3, 2), padding=((2, 1), (0, 3)), activation="relu", shape=(7, 6, 2)),
    kind_of("Conv2D", 3, 3, padding=0, shape=(7, 6, 2)),
    kind_of("Conv2D", 3, 3, padding="SAME", strides=2, shape=(7, 6, 2)),
    kind_of("Conv2D", 3, 3, padding="same_lower", strides=2, shape=(7, 6, 2)),
    kind_of("Conv2D", 3, 2, padding="full", dilation_rate=2, shape=(7, 6, 2)),
    kind_of("Conv3D", 3, 2, padding=1, shape=(3, 4, 3, 2)),
    kind_of("DepthwiseConv1D", 3, padding="causal", shape=(9, 2)),
    kind_of("DepthwiseConv2D", 3, padding=1, strides=2, shape=(7, 6, 2)),
    kind_of("SeparableConv2D", 3, 3, padding=2, shape=(7, 6, 2)),
    kind_of("Conv1DTranspose", 3, 4, strides=2, padding=1, shape=(5, 2)),
    kind_of("Conv2DTranspose", 3, 4, strides=2, padding=1, shape=(5, 4, 2)),
    kind_of("Conv2DTranspose", 3, 2, strides=3, padding=0, shape=(5, 4, 2)),
    kind_of("Conv2DTranspose", 3, 3, strides=2, padding=((1, 0), (0, 2)), output_padding=1, shape=(5, 4, 2)),
    kind_of("Conv3DTranspose", 3, 3, padding=1, shape=(2, 3, 2, 2)),
    kind_of("MaxPooling1D", 3, padding=1, shape=(7, 2)),
    kind_of("MaxPooling2D", 3, 2, padding=1, shape=(6, 7, 2)),
    kind_of("MaxPooling2D", 3, 2, padding="same_lower", shape=(6, 7, 2)),
    kind_of("MaxPooling3D", 2, padding="full", shape=(3, 2, 2, 2)),
    kind_of("AveragePooling2D", 3, 1, padding=1, count_include_pad=True, shape=(5, 4, 2)),
    kind_of("AveragePooling2D", 3, 2, padding="same", count_include_pad=True, shape=(6, 5, 2)),
    kind_of("AveragePooling2D", 3, 1, padding=0, shape=(5, 4, 2)),
    kind_of("Conv2D", 3, 3, padding=1, activation=layers.PReLU(shared_axes=[1, 2]), shape=(7, 6, 2)),
    kind_of("Dense", 3, activation=layers.LeakyReLU(0.2), shape=(4,)),
    kind_of("Activation", layers.ReLU(1.0, 0.1), shape=(4,)),
]


@pytest.mark.parametrize("sequential", [False, True])
@pytest.mark.parametrize(("make", "arguments", "settings", "shape"), TOGETHER)
def test_what_keras_says_with_several_layers(
    tmp_path: Path, make: Any, arguments: Any, settings: Any, shape: Any, sequential: bool
) -> None:
    striate.set_seed(1)
    begin, layer = striate.Input(shape), make(*arguments, name="it", **settings)
    behind = layers.Flatten()
    model = striate.Sequential([begin, layer, behind]) if sequential else striate.Model(begin, behind(layer(begin)))
    randomize(model)
    for suffix in SUFFIXES:
        theirs, ours = check(model, tmp_path / f"m{suffix}")
        held = [one.name for one in theirs.layers if one.get_weights()]
        if held:
            assert held[0] == "it"  # what has the layer's weights has its name
            np.testing.assert_array_equal(ours.get_layer("it").get_weights()[0], layer.get_weights()[0])


# How layers are put together


def residual() -> Model:
    x = begin = striate.Input((8, 8, 3), name="picture")
    x = layers.Conv2D(4, 3, padding="same", name="first", kernel_regularizer="l2")(x)
    branch = layers.Conv2D(4, 3, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
    branch = layers.BatchNormalization()(branch)
    x = layers.Add()([x, layers.ReLU()(branch)])
    return striate.Model(begin, layers.Dense(3, activation="softmax")(layers.Flatten()(x)), name="residual")


def sequential() -> Model:
    return striate.Sequential(
        [layers.Conv2D(2, 3, input_shape=(8, 8, 1)), layers.Flatten(), layers.Dropout(0.5), layers.Dense(3)], name="row"
    )


def shared_twice() -> Model:
    a, b = striate.Input((4,), name="a"), striate.Input((4,), name="b")
    dense = layers.Dense(4, name="both")
    return striate.Model([a, b], layers.Subtract()([dense(dense(a)), dense(b)]))


def two_outputs() -> Model:
    a, b = striate.Input((4,)), striate.Input((3,))
    x = layers.Concatenate()([a, b])
    return striate.Model([a, b], [layers.Dense(2)(x), layers.Dense(3)(x)])


def by_name() -> Model:
    z, a = striate.Input((4,), name="z"), striate.Input((3,), name="a")
    x = layers.Concatenate()([z, a])
    return striate.Model({"z": z, "a": a}, {"y": layers.Dense(2)(x), "b": layers.Dense(3)(x)})


def one_by_one() -> Model:
    """Lists of one input and one output stay lists in Keras."""
    begin = striate.Input((4,))
    return striate.Model([begin], [layers.Dense(2)(begin)])


def block(name: str) -> Model:
    begin = striate.Input((6, 6, 4))
    x = layers.Conv2D(4, 3, padding="same")(begin)
    return striate.Model(begin, layers.BatchNormalization()(x), name=name)


def nested() -> Model:
    begin = striate.Input((6, 6, 4))
    x = layers.Conv2D(4, 1)(block("one")(begin))
    inner = striate.Input((4, 4, 2))
    deepest = striate.Model(inner, layers.PReLU(shared_axes=[1, 2])(layers.Conv2D(3, 2)(inner)), name="inner")
    tail = striate.Sequential([striate.Input((6, 6, 4)), layers.Conv2D(2, 3), deepest], name="tail")
    return striate.Model(begin, layers.Flatten()(tail(x)))


def nested_shared() -> Model:
    """An inner network that is called three times, one of its outputs being the model's."""
    begin = striate.Input((6, 6, 4))
    inner = block("twice")
    first = inner(begin)
    second = inner(layers.ReLU()(first))
    return striate.Model(begin, [second, inner(second), layers.Add()([first, second])])


def nested_sequential_shared() -> Model:
    begin = striate.Input((4,))
    inner = striate.Sequential([layers.Dense(4), layers.ReLU()])
    first = inner(begin)
    return striate.Model(begin, [inner(first), layers.Subtract()([first, begin]), inner(inner(first))])


def nested_with_names() -> Model:
    """An inner network whose outputs are a dictionary that is not in order, and the same one twice."""
    inner = striate.Input((4,))
    ends = {"z": layers.Dense(4)(inner), "a": layers.Dense(4)(inner)}
    named = striate.Model(inner, ends, name="named")
    begin = striate.Input((4,))
    given = named(begin)
    inner = striate.Input((4,))
    same = layers.Dense(4)(inner)
    twin = striate.Model(inner, [same, same, layers.ReLU()(inner)], name="twins")
    first, second, third = twin(given["a"])
    return striate.Model(
        begin, [layers.Subtract()([given["z"], given["a"]]), layers.Concatenate()([first, second, third])]
    )


def inner_with_two_inputs() -> Model:
    a, b = striate.Input((4,)), striate.Input((4,))
    inner = striate.Model([a, b], layers.Multiply()([layers.Dense(4)(a), b]), name="product")
    c, d = striate.Input((4,)), striate.Input((4,))
    return striate.Model([c, d], inner([d, inner([c, d])]))


def inner_by_name() -> Model:
    """A call with a dictionary, of a network that takes one, and of one that takes a list."""
    z, a = striate.Input((4,), name="z"), striate.Input((4,), name="a")
    named = striate.Model({"z": z, "a": a}, layers.Subtract()([layers.Dense(4)(z), a]), name="named")
    z, a = striate.Input((4,), name="z"), striate.Input((4,), name="a")
    listed = striate.Model([z, a], layers.Subtract()([layers.Dense(4)(z), a]), name="listed")
    begin = striate.Input((4,))
    return striate.Model(begin, listed({"a": begin, "z": named({"a": begin, "z": layers.ReLU()(begin)})}))


def frozen_inside() -> Model:
    """What training changes comes first in older files, so that the order depends on what is frozen."""
    begin = striate.Input((6, 6, 4))
    base = block("base")
    base.trainable = False
    inner = striate.Input((6, 6, 4))
    outer = striate.Model(
        inner, layers.BatchNormalization()(layers.Conv2D(4, 1)(base(block("free")(inner)))), name="outer"
    )
    outer.layers[-1].trainable = False
    row = striate.Sequential([block("thawed"), layers.BatchNormalization(), layers.Dense(3)], name="frozen row")
    row.trainable = False
    row.layers[-1].trainable = True
    return striate.Model(begin, layers.Flatten()(row(outer(begin))))


def all_frozen() -> Model:
    model = nested()
    model.trainable = False
    return model


def many_of_a_class() -> Model:
    """More than ten convolutions, so that conv2d_10 comes after conv2d_9."""
    x = begin = striate.Input((4, 4, 2))
    for _ in range(13):
        x = layers.Conv2D(2, 1, activation="tanh")(x)
    return striate.Model(begin, x)


def branches() -> Model:
    """Layers of one class and shape in branches of different lengths: which comes first is Keras's choice."""
    begin = striate.Input((6, 6, 4))
    conv = [layers.Conv2D(4, 3, padding="same", activation="tanh") for _ in range(5)]
    short = conv[4](conv[3](begin))
    return striate.Model(begin, layers.Add()([conv[2](conv[1](conv[0](begin))), short, begin]))


def operations() -> Model:
    """What a program writes as ``x / 2 + y``."""
    begin = striate.Input((4,))
    x = layers.Dense(4)(begin)
    y = (x / 2.0 + begin) * x - np.array([1.0, -2.0, 0.1, 3.0], np.float32)
    z = ops.maximum(ops.sqrt(ops.exp(-y)), 0.5 * y) + 1
    y = ops.minimum(ops.absolute(z), ops.log(z * z + 1))
    return striate.Model(begin, ops.pad(y, ((0, 0), (1, 2)), constant_values=7.0))


def functions() -> Model:
    """Functions of `striate.ops` that are between layers in published programs."""
    begin = striate.Input((4, 3, 2))
    x = ops.relu(begin)
    x = ops.concatenate([ops.transpose(x, (0, 2, 1, 3)), ops.leaky_relu(ops.reshape(x, (-1, 3, 4, 2)), 0.3)], -1)
    several = [
        ops.elu(x, 0.5), ops.gelu(x), ops.gelu(x, approximate=False), ops.hard_sigmoid(x), ops.hard_silu(x),
        ops.relu6(x), ops.selu(x), ops.sigmoid(x), ops.silu(x), ops.softplus(x), ops.softsign(x), ops.tanh(x),
        ops.softmax(x, 1), ops.log_softmax(x),
    ]  # fmt: skip
    x = ops.concatenate(several, -1)
    ends = [ops.mean(x, (1, 2)), ops.sum(x, 1), ops.max(x, -1, True), ops.sign(x) + ops.floor(x) - ops.ceil(x)]
    return striate.Model(begin, [*ends, ops.power(ops.square(x) + 1, 0.25)])


def test_every_activation_that_is_an_operation_of_keras_is_written_as_that() -> None:
    ours = {name for name, operation in OPERATIONS.items() if isinstance(operation, Activation)}
    left = {name for name in ours if hasattr(keras.ops, name)} - BY_NAME.keys()
    assert not left, f"COUNTERPARTS in striate/interop/keras/operations.py lacks {left}"


def part_of_a_network() -> Model:
    whole = residual()
    return striate.Model(whole.get_layer("first").output, whole.output, name="part")


def twice_in_a_row() -> Model:
    same = layers.Dense(4)
    return striate.Sequential([striate.Input((4,)), same, layers.ReLU(), same])


def integers() -> Model:
    begin = striate.Input((3,), dtype="int32", batch_size=3)
    return striate.Model(begin, layers.Dense(2)(begin * 1.0))


def names_with_slashes() -> Model:
    begin = striate.Input((3,), name="a/b")
    return striate.Model(begin, layers.Dense(2, name="/block.1/dense/")(begin), name="net/work")


NETWORKS = [
    all_frozen, branches, by_name, frozen_inside, functions, inner_by_name, inner_with_two_inputs, integers,
    many_of_a_class, names_with_slashes, nested, nested_sequential_shared, nested_shared, nested_with_names, one_by_one,
    operations, part_of_a_network, residual, sequential, shared_twice, twice_in_a_row, two_outputs,
]  # fmt: skip


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("make", NETWORKS, ids=lambda make: make.__name__)
def test_networks_give_in_keras_what_they_give_here(tmp_path: Path, make: Any, suffix: str) -> None:
    model = make()
    randomize(model)
    given = inputs_of(model)
    if isinstance(model.input, dict):
        given = dict(zip(model.input_names, given, strict=True))
    check(model, tmp_path / f"m{suffix}", given)


@st.composite
def graphs(draw: Any) -> Model:
    """Networks of dense layers of one size, some of them shared, and what adds them up, however connected."""
    striate.set_seed(draw(st.integers(0, 99)))
    known: list[Any] = [striate.Input((3,)) for _ in range(draw(st.integers(1, 3)))]
    begin, made = list(known), list[Any]()
    for _ in range(draw(st.integers(1, 12))):
        kind = draw(st.sampled_from(["dense", "again", "add", "operation"]))
        if kind == "add":
            known.append(layers.Add()(draw(st.lists(st.sampled_from(known), min_size=2, max_size=3))))
        elif kind == "operation":
            known.append(draw(st.sampled_from(known)) - 0.5 * draw(st.sampled_from(known)))
        else:
            if kind == "dense" or not made:
                made.append(layers.Dense(3, activation="tanh"))
            known.append(draw(st.sampled_from(made))(draw(st.sampled_from(known))))
    chosen = draw(st.lists(st.sampled_from(known[len(begin) :]), min_size=1, max_size=3, unique=True))
    return striate.Model(
        begin,
        layers.Add()([*begin, *chosen, *chosen[:1]])
        if draw(st.booleans())
        else [layers.Add()([*begin, chosen[0]]), *chosen[1:]],
    )


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(graphs())
def test_any_graph_gives_in_keras_what_it_gives_here(tmp_path_factory: pytest.TempPathFactory, model: Model) -> None:
    """Layers of one shape: their weights would be swapped if we listed layers in another order than Keras."""
    randomize(model)
    for variable in model.weights:
        variable.assign(variable.numpy() - 0.7)
    folder = tmp_path_factory.mktemp("graphs")
    for suffix in SUFFIXES:
        check(model, folder / f"m{suffix}")
    model.save_weights(folder / "m.weights.h5")
    theirs = keras.models.load_model(folder / "m.keras")
    expected = theirs.predict(inputs_of(model), verbose=0)
    theirs.set_weights([0 * value for value in theirs.get_weights()])
    theirs.load_weights(folder / "m.weights.h5")
    for got, value in zip(flat(theirs.predict(inputs_of(model), verbose=0)), flat(expected), strict=True):
        np.testing.assert_array_equal(got, value)
    values = model.get_weights()
    theirs.save_weights(folder / "theirs.weights.h5")
    model.set_weights([0 * value for value in values])
    model.load_weights(folder / "theirs.weights.h5")
    for got, value in zip(model.get_weights(), values, strict=True):
        np.testing.assert_array_equal(got, value)
