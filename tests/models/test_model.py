"""Networks: how they are put together, named, looked at and asked."""

import numpy as np
import pytest

import striate
from striate import layers
from striate.errors import ArgumentError, DataError, ModelError, ShapeError


def small(**kwargs):
    striate.set_seed(0)
    return striate.Sequential(
        [
            striate.Input((8, 8, 1)),
            layers.Conv2D(3, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(4, 3),
            layers.Flatten(),
            layers.Dense(2, activation="softmax"),
        ],
        **kwargs,
    )


def test_names_are_unique_and_stay():
    model = small()
    assert [layer.name for layer in model.layers] == ["conv2d", "max_pooling2d", "conv2d_1", "flatten", "dense"]
    part = striate.Model(model.get_layer("conv2d_1").input, model.get_layer("conv2d_1").output)
    assert "conv2d_1" in [layer.name for layer in part.layers]
    assert model.get_layer("conv2d_1") is model.get_layer(index=2)


def test_names_are_unique_where_networks_are_put_together():
    begin = striate.Input((4,))
    first, second = (striate.Sequential([striate.Input((4,)), layers.Dense(4)]) for _ in range(2))
    hidden = begin
    for layer in (*first.layers, *second.layers, layers.Dense(4), layers.Dense(4, name="dense_1")):
        hidden = layer(hidden)
    model = striate.Model(begin, hidden)
    names = list(model.names.values())
    assert len(set(names)) == len(model.layers) == 5
    assert "dense_1" in names
    assert [model.get_layer(name) for name in names] == list(model.names)


def test_two_layers_of_one_name_are_refused():
    with pytest.raises(ArgumentError, match="two layers are named 'a'; names must be unique"):
        striate.Sequential([striate.Input((3,)), layers.Dense(2, name="a"), layers.Dense(2, name="a")])


def test_one_end_of_a_network_is_not_enough():
    x = striate.Input((3,))
    with pytest.raises(ArgumentError, match="model: expected at least one input and one output, got 1 and 0"):
        striate.Model(inputs=x)
    with pytest.raises(ArgumentError, match="model: expected at least one input and one output, got 0 and 1"):
        striate.Model(outputs=layers.Dense(2)(x))


def test_R4_a_network_without_layers():
    model = striate.Model(name="empty")
    with pytest.raises(ModelError, match=r"empty: has no layers yet\. Add some, or define call"):
        model.call(np.ones((1, 3)))
    model.origin = object()  # it came from a file
    with pytest.raises(ModelError, match=r"empty: its layers depend on the values of its inputs\. Call run"):
        model.call(np.ones((1, 3)))


def test_missing_layers_are_named():
    with pytest.raises(ArgumentError, match="get_layer: no layer 'nope'; there are conv2d, max_pooling2d"):
        small().get_layer("nope")
    with pytest.raises(ArgumentError, match="get_layer: expected an index below 5, got 9"):
        small().get_layer(index=9)


def test_sequential_waits_for_its_first_input():
    model = striate.Sequential([layers.Dense(3), layers.Dense(2)])
    assert not model.built
    with pytest.raises(ModelError, match="call it on an input, or fit it"):
        model.traced()
    assert model.predict(np.ones((5, 4), np.float32)).shape == (5, 2)
    assert model.built
    assert [v.shape for v in model.weights] == [(4, 3), (3,), (3, 2), (2,)]


def test_a_first_layer_may_bring_the_input_shape(tmp_path):
    model = striate.Sequential([layers.Flatten(input_shape=(4, 3)), layers.Dense(2)])
    assert model.built
    assert model.inputs[0].shape == (None, 4, 3)
    model.save(tmp_path / "m")
    assert striate.load_model(tmp_path / "m").count_params() == model.count_params() == 26


def test_add_and_pop():
    model = striate.Sequential()
    with pytest.raises(ModelError, match="has no layers yet"):
        model(np.ones((1, 2), np.float32))
    with pytest.raises(ModelError, match="pop: there are no layers"):
        model.pop()
    model.add(striate.Input((4,)))
    model.add(layers.Dense(3))
    model.add(layers.Dense(2))
    kernel = model.layers[0].kernel
    assert isinstance(model.pop(), layers.Dense)
    assert model.predict(np.ones((1, 4), np.float32)).shape == (1, 3)
    assert model.layers[0].kernel is kernel
    with pytest.raises(ArgumentError, match="expected a layer, got 'dense'"):
        model.add("dense")
    with pytest.raises(ArgumentError, match="an Input can only be the first layer"):
        model.add(striate.Input((4,)))


def test_inputs_and_outputs_have_to_belong_together():
    a, b = striate.Input((3,)), striate.Input((3,))
    with pytest.raises(ArgumentError, match="the outputs also depend on the input"):
        striate.Model(a, layers.Add()([a, b]))
    with pytest.raises(ArgumentError, match="the outputs do not depend on the input"):
        striate.Model([a, b], layers.Dense(2)(a))


@pytest.mark.parametrize("shape", [(0, 3), (-1,), (2.5,), (None, 3), "28"])
def test_inputs_have_known_sizes(shape):
    with pytest.raises(ArgumentError, match="Input: expected a shape of integers, each at least 1, got"):
        striate.Input(shape)


def test_models_nest():
    inner = small()
    begin = striate.Input((8, 8, 1))
    outer = striate.Model(begin, layers.Dense(3)(inner(begin)))
    x = np.random.default_rng(0).random((4, 8, 8, 1), np.float32)
    dense = outer.layers[-1]
    expected = inner.predict(x) @ dense.kernel.value + dense.bias.value
    np.testing.assert_allclose(outer.predict(x), expected, rtol=1e-5)
    assert len(outer.weights) == 8


def test_layers_used_twice_share_their_weights():
    dense = layers.Dense(3)
    a, b = striate.Input((3,)), striate.Input((3,))
    model = striate.Model([a, b], layers.Subtract()([dense(a), dense(b)]))
    assert len(model.weights) == 2
    x = np.ones((2, 3), np.float32)
    np.testing.assert_array_equal(model.predict([x, x]), np.zeros((2, 3)))
    with pytest.raises(ModelError, match="dense: is used 2 times in a network; expected 1"):
        _ = dense.output


def test_training_is_handed_down():
    x = np.ones((1, 1000), np.float32)
    inner = striate.Sequential([striate.Input((1000,)), layers.Dropout(0.5)])
    outer = striate.Sequential([striate.Input((1000,)), inner])
    striate.set_seed(1)
    assert (np.asarray(outer(x, training=True)) == 0).mean() == pytest.approx(0.5, abs=0.1)
    np.testing.assert_array_equal(outer(x), x)
    np.testing.assert_array_equal(outer.predict(x), x)
    begin = striate.Input((1000,))
    frozen = striate.Model(begin, inner(begin, training=False))
    np.testing.assert_array_equal(frozen(x, training=True), x)


def test_O12_batch_invariance():
    model = small()
    x = np.random.default_rng(0).random((17, 8, 8, 1), np.float32)
    together = model.predict(x, batch_size=17)
    singles = np.concatenate([model.predict(x[i : i + 1]) for i in range(17)])
    np.testing.assert_allclose(together, singles, atol=1e-6)
    exact = model.predict(x, deterministic=True)
    np.testing.assert_array_equal(exact, singles)
    np.testing.assert_array_equal(exact[3:5], model.predict(x[3:5], deterministic=True))
    np.testing.assert_array_equal(exact, model.predict(iter([x[:5], x[5:]]), deterministic=True))


BAD = np.zeros((2, 8, 8, 1), np.float32)


@pytest.mark.parametrize(
    ("x", "error", "text"),
    [
        (BAD[..., 0], ShapeError, r"of shape \(N, 8, 8, 1\), got \(2, 8, 8\). Add the channel axis: x\[..., None\]"),
        (BAD[0], ShapeError, r"got \(8, 8, 1\). Give a batch: x\[None\] adds the batch axis"),
        (np.zeros((2, 1, 8, 8)), ShapeError, "Images are channels-last here"),
        (np.zeros((2, 8, 8, 3)), ShapeError, r"expected x of shape \(N, 8, 8, 1\), got \(2, 8, 8, 3\)"),
        (np.zeros((0, 8, 8, 1)), DataError, r"x is empty, shape \(0, 8, 8, 1\); at least one sample is needed"),
        (np.full((2, 8, 8, 1), None), DataError, "x: expected numbers, got an array of object"),
        (np.array(["a"]), DataError, "x: expected numbers, got an array of <U1"),
        ([[1, 2], [3]], DataError, "x: expected numbers in one rectangular array, got a ragged list"),
        (np.float32(3), ShapeError, "expected x with a batch axis, got a scalar"),
        (np.where(np.indices((2, 8, 8, 1)).sum(0) == 9, np.nan, 0), DataError, r"NaN, first at index \(0, 2, 7, 0\)"),
        (3, DataError, "expected arrays or an iterable of batches, got int"),
        (iter([]), DataError, "the iterable of batches gave none"),
    ],
)  # fmt: skip
def test_bad_input_is_named(x, error, text):
    with pytest.raises(error, match=text):
        small().predict(x)


@pytest.mark.parametrize(
    "array",
    [
        np.asfortranarray(np.arange(128, dtype=np.float32).reshape(2, 8, 8, 1)),
        np.arange(128, dtype=">f4").reshape(2, 8, 8, 1),
        np.arange(128, dtype=">i2").reshape(2, 8, 8, 1),
        np.arange(256, dtype=np.float64)[::2].reshape(2, 8, 8, 1) / 2,
        np.arange(128, dtype=np.uint8).reshape(2, 8, 8, 1),
        np.arange(128).reshape(2, 8, 8, 1).tolist(),
    ],
    ids=["Fortran order", "big-endian float", "big-endian integer", "every other", "uint8", "lists"],
)
def test_any_array_of_numbers_will_do(array):
    expected = small().predict(np.arange(128, dtype=np.float32).reshape(2, 8, 8, 1))
    if isinstance(array, np.ndarray):
        array.flags.writeable = False
        before = array.copy()
    np.testing.assert_array_equal(small().predict(array), expected)
    if isinstance(array, np.ndarray):
        np.testing.assert_array_equal(array, before)


def test_A1_a_model_called_on_a_dictionary():
    a, b = striate.Input((3,), name="a"), striate.Input((3,), name="b")
    model = striate.Model({"a": a, "b": b}, layers.Subtract()([a, b]))
    x = {"b": np.ones((2, 3), np.float32), "a": np.zeros((2, 3), np.float32)}
    np.testing.assert_array_equal(model(x), -np.ones((2, 3)))
    np.testing.assert_array_equal(model.predict(x), model(x))
    with pytest.raises(ArgumentError, match="expected the inputs a, b, got a, c"):
        model({"a": x["a"], "c": x["b"]})


def test_A1_shapes_of_a_model():
    model = striate.Sequential([layers.Dense(5), layers.Dense(2)])
    with pytest.raises(ModelError, match="its structure is not known"):
        _ = model.output_shape
    model.build((None, 4))
    assert (model.input_shape, model.output_shape) == ((None, 4), (None, 2))
    a = striate.Input((3,))
    several = striate.Model(a, [a + 1.0, a + 2.0])
    assert several.output_shape == [(None, 3), (None, 3)]
    assert several.output_names == ["add", "add_1"]


def test_a_model_without_layers():
    model = striate.Sequential([striate.Input((3,))])
    striate.Sequential().summary(print_fn=lambda text: None)
    with pytest.raises(ModelError, match=r"has no layers yet\. Add some"):
        model.predict(np.ones((1, 3)))


def test_A1_models_made_frozen():
    inputs = striate.Input((3,))
    whole = striate.Model(inputs, layers.BatchNormalization()(inputs), trainable=False)
    stack = striate.Sequential([layers.BatchNormalization()], trainable=False)
    assert not whole.layers[-1].trainable
    assert not stack.layers[0].trainable
