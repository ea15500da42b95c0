"""The base of all layers."""

import json
import re
from typing import Any

import numpy as np
import pytest

import striate
from striate import layers, ops
from striate.errors import ArgumentError, ModelError, ShapeError
from striate.graph import Tensor, trace
from striate.layers import Layer, initializers, regularizers
from striate.layers.layer import serialize


class Scaled(Layer):
    """A layer as a user writes one."""

    def __init__(self, start: float = 2.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.inner = layers.Dense(3, name="inside")
        self.factor = self.add_weight((), initializers.Constant(start), "factor")

    def call(self, inputs: Any) -> Any:
        return self.inner(inputs) * self.factor


def test_a_users_layer_has_the_weights_of_the_layers_in_it() -> None:
    layer = Scaled()
    assert [v.name for v in layer.weights] == ["factor"]
    y = layer(np.ones((1, 2)))
    assert [v.name for v in layer.weights] == ["factor", "kernel", "bias"]
    np.testing.assert_allclose(y, 2 * layer.inner(np.ones((1, 2))))
    layer.inner.trainable = False
    assert [v.name for v in layer.trainable_weights] == ["factor"]
    assert [v.name for v in layer.non_trainable_weights] == ["kernel", "bias"]
    assert "Scaled" not in layers.LAYERS  # a file cannot name it


def test_layers_within_are_found_in_the_order_they_were_given() -> None:
    class Several(Layer):
        def __init__(self) -> None:
            super().__init__()
            first, second, third, fourth = (layers.Dense(1, name=str(i)) for i in range(4))
            self.one, self.listed, self.named = first, [second, first], {"a": third, "b": (fourth,)}

    assert [layer.name for layer in Several().sublayers()] == ["0", "1", "2", "3"]


def test_a_failed_first_call_leaves_no_trace() -> None:
    layer = Scaled(3.0)
    with pytest.raises(ShapeError, match=re.escape("layer inside: Dense: expected input of rank 2 or more")):
        layer(np.ones(4))
    assert not layer.built
    assert [v.name for v in layer.weights] == ["factor"]  # made before the call
    conv = layers.Conv2D(2, 5)
    with pytest.raises(ShapeError, match="kernel covers 5 positions"):
        conv(np.ones((1, 4, 4, 3)))
    assert (conv.built, conv.weights) == (False, [])
    assert conv(np.ones((1, 5, 5, 1))).shape == (1, 1, 1, 2)


def test_regularizers_and_initializers_come_by_name_or_as_objects() -> None:
    layer = layers.Dense(2, kernel_regularizer="l2", kernel_initializer=initializers.Constant(np.eye(2)))
    layer(np.ones((1, 2)))
    np.testing.assert_array_equal(layer.kernel.value, np.eye(2))
    assert isinstance(layer.kernel.regularizer, regularizers.L2)
    copy = layers.Dense.from_config(json.loads(json.dumps(layer.get_config())))
    again = layers.Dense.from_config(json.loads(json.dumps(copy.get_config())))
    again(np.ones((1, 2)))
    np.testing.assert_array_equal(again.kernel.value, np.eye(2))


def test_a_layer_frozen_later_stays_frozen_in_its_configuration() -> None:
    layer = layers.Dense(2)
    assert "trainable" not in layer.get_config()
    layer.trainable = False
    assert layers.Dense.from_config(layer.get_config()).trainable is False
    thawed = layers.Dense(2, trainable=False)
    thawed.trainable = True
    assert layers.Dense.from_config(thawed.get_config()).trainable is True


def test_places_in_a_network() -> None:
    layer = layers.Flatten()
    symbol = Tensor((None, 2, 3))
    output = layer(symbol)
    assert (layer.input, layer.output) == (symbol, output)
    assert output.shape == (None, 6)


def test_R4_messages() -> None:
    with pytest.raises(ArgumentError, match="Dense: expected dtype float32, got 'float16'"):
        layers.Dense(2, dtype="float16")
    with pytest.raises(NotImplementedError, match=re.escape("Layer: define call(self, inputs).")):
        Layer()(np.ones(3))
    layer = layers.Dense(2)
    with pytest.raises(ModelError, match="dense: is used 0 times in a network; expected 1"):
        _ = layer.output
    with pytest.raises(ModelError, match="dense: is used 0 times in a network; expected 1"):
        _ = layer.input
    layer(np.ones((1, 3)))
    before = layer.get_weights()
    with pytest.raises(
        ShapeError, match=re.escape("dense: expected 2 arrays of shapes [(3, 2), (2,)], got 1 of shapes [(3, 2)].")
    ):
        layer.set_weights([np.ones((3, 2))])
    np.testing.assert_array_equal(layer.get_weights()[0], before[0])
    with pytest.raises(ModelError, match="cannot be written as plain data, and a model file holds nothing else"):
        serialize(lambda x: x)
    with pytest.raises(TypeError, match="unexpected keyword argument 'kernel'"):
        layers.Dense(2, kernel=3)


def test_A1_freezing_reaches_the_layers_inside() -> None:
    layer = Scaled()
    layer.trainable = False
    assert not layer.inner.trainable
    layer.trainable = True
    assert layer.inner.trainable


def test_A1_weights_are_in_the_order_of_keras() -> None:
    class Counting(Layer):
        def build(self, input_shape: Any) -> None:
            self.count = self.add_weight((), "zeros", "count", trainable=False)
            self.scale = self.add_weight((3,), "ones", "scale")

        def call(self, inputs: Any) -> Any:
            return inputs * self.scale

    layer = Counting()
    layer(np.ones((1, 3)))
    assert [v.name for v in layer.weights] == ["scale", "count"]


def test_A1_input_dim_is_an_input_shape() -> None:
    layer = layers.Dense(3, input_dim=4)
    assert layer.given_input_shape == (4,)
    assert layers.Dense.from_config(layer.get_config()).given_input_shape == (4,)


@pytest.mark.parametrize("name", [True, 3, b"dense", ["a"]])
def test_R4_a_name_is_text(name):
    with pytest.raises(ArgumentError, match=rf"^Dense: expected name as text, got {re.escape(repr(name))}\.$"):
        layers.Dense(1, name=name)


def test_losses_are_those_of_the_last_call():
    class Adds(Layer):
        def call(self, x: Any) -> Any:
            self.add_loss(ops.mean(x))
            return x

    within = Adds()
    outer = striate.Sequential([striate.Input((2,)), within, layers.Dense(1, kernel_regularizer="l2")])
    for number in (1.0, 3.0):
        outer(np.full((4, 2), number))
        mean, penalty = outer.losses
        assert float(mean) == number
        assert float(penalty) > 0
    within(np.full((4, 2), 7.0))
    assert [float(loss) for loss in within.losses] == [7]
    graph = trace(outer, [Tensor((4, 2))])
    assert len(graph.outputs) == 1
    assert [float(loss) for loss in within.losses] == [7]  # a trace leaves the last call's alone
