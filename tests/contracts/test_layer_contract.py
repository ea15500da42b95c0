"""What every layer must do. A layer class without an entry in `CONTRACTS` fails."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from striate import layers
from striate.errors import ShapeError
from striate.graph import Array, Graph, Tensor, Trace, gradients, trace
from striate.layers.layer import LAYERS, Layer
from striate.runtime.reference import ReferenceExecutor
from striate.testing import check_gradient

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Contract:
    """A layer, and what is known about it.

    Arguments:
        make: makes the layer, given more keyword arguments such as ``name``.
        given: shape of one sample; a list of them for a layer of several inputs.
        gives: shape of one sample of the output.
        parameters: how many numbers its variables hold.
        refuses: shapes of a batch that it must refuse, rank wrong; None: it takes any rank.
        training: "same" as inference; "random"; or "batch": it uses the batch's statistics.
    """

    make: Callable[..., Layer]
    given: Shape | list[Shape]
    gives: Shape
    parameters: int = 0
    refuses: Any = None
    training: str = "same"

    def symbols(self, batch: int, dtype: Any = np.float32) -> Any:
        if isinstance(self.given, list):
            return [Tensor((batch, *shape), dtype) for shape in self.given]
        return Tensor((batch, *self.given), dtype)

    def arrays(self, batch: int, dtype: Any = np.float32) -> Any:
        generator = np.random.default_rng(7)
        if isinstance(self.given, list):
            return [generator.standard_normal((batch, *shape)).astype(dtype) for shape in self.given]
        return generator.standard_normal((batch, *self.given)).astype(dtype)

    def built(self) -> Layer:
        """The layer with weights that are all different from 0, so that each of them matters."""
        layer = self.make()
        layer(self.arrays(2))
        generator = np.random.default_rng(3)
        layer.set_weights([0.5 + 0.4 * generator.random(v.shape).astype(np.float32) for v in layer.weights])
        return layer


def contract(cls: type[Layer], *args: Any, given: Any, gives: Shape, **settings: Any) -> tuple[str, Contract]:
    """An entry of the table; ``settings`` that are no fields of `Contract` go to the layer."""
    fields = {name: settings.pop(name) for name in ("parameters", "refuses", "training") if name in settings}
    return cls.__name__, Contract(lambda **more: cls(*args, **settings, **more), given, gives, **fields)


CONTRACTS = [
    contract(layers.Conv1D, 4, 3, given=(9, 2), gives=(7, 4), parameters=28, refuses=(2, 9)),
    contract(layers.Conv1D, 4, 3, padding="causal", given=(9, 2), gives=(9, 4), parameters=28, refuses=(2, 9, 9, 2)),
    contract(layers.Conv2D, 2, 3, given=(6, 7, 3), gives=(4, 5, 2), parameters=56, refuses=(2, 6, 7)),
    contract(
        layers.Conv2D, 4, (3, 2), strides=(2, 1), padding="same", groups=2, activation="tanh", use_bias=False,
        given=(6, 7, 4), gives=(3, 7, 4), parameters=48, refuses=(2, 7, 4),
    ),
    contract(
        layers.Conv2D, 2, 3, padding=((1, 0), (0, 2)), dilation_rate=2, given=(6, 7, 1), gives=(3, 5, 2), parameters=20,
        refuses=(2, 6, 7),
    ),
    contract(layers.Conv3D, 2, 2, given=(3, 4, 3, 1), gives=(2, 3, 2, 2), parameters=18, refuses=(2, 4, 3, 1)),
    contract(layers.DepthwiseConv1D, 3, depth_multiplier=2, given=(6, 2), gives=(4, 4), parameters=16, refuses=(2, 6)),
    contract(
        layers.DepthwiseConv2D, 3, depth_multiplier=2, activation="relu", given=(5, 5, 4), gives=(3, 3, 8),
        parameters=80, refuses=(2, 5, 5),
    ),
    contract(layers.SeparableConv1D, 3, 2, given=(6, 2), gives=(5, 3), parameters=13, refuses=(2, 6)),
    contract(
        layers.SeparableConv2D, 3, 3, padding="same", depth_multiplier=2, given=(5, 4, 2), gives=(5, 4, 3),
        parameters=51, refuses=(2, 5, 4),
    ),
    contract(layers.Conv1DTranspose, 3, 2, strides=2, given=(4, 2), gives=(8, 3), parameters=15, refuses=(2, 4)),
    contract(
        layers.Conv2DTranspose, 3, 3, strides=2, padding="same", given=(3, 4, 2), gives=(6, 8, 3), parameters=57,
        refuses=(2, 3, 4),
    ),
    contract(
        layers.Conv2DTranspose, 1, 3, strides=2, output_padding=1, given=(3, 3, 2), gives=(8, 8, 1), parameters=19,
        refuses=(2, 3, 3),
    ),
    contract(
        layers.Conv3DTranspose, 2, 2, given=(2, 3, 2, 1), gives=(3, 4, 3, 2), parameters=18, refuses=(2, 3, 2, 1)
    ),
    contract(layers.MaxPooling1D, given=(7, 2), gives=(3, 2), refuses=(2, 7)),
    contract(layers.MaxPooling2D, given=(6, 5, 2), gives=(3, 2, 2), refuses=(2, 6, 5)),
    contract(
        layers.MaxPooling2D, 3, strides=2, padding="same", dilation_rate=2, given=(6, 5, 2), gives=(3, 3, 2),
        refuses=(2, 6, 5),
    ),
    contract(layers.MaxPooling3D, given=(4, 2, 3, 2), gives=(2, 1, 1, 2), refuses=(2, 4, 2, 3)),
    contract(layers.AveragePooling1D, 3, 1, "same", given=(7, 2), gives=(7, 2), refuses=(2, 7)),
    contract(layers.AveragePooling2D, given=(6, 5, 2), gives=(3, 2, 2), refuses=(2, 6, 5)),
    contract(
        layers.AveragePooling2D, 3, padding="same", count_include_pad=True, given=(4, 4, 1), gives=(2, 2, 1),
        refuses=(2, 4, 4),
    ),
    contract(layers.AveragePooling3D, given=(4, 2, 3, 2), gives=(2, 1, 1, 2), refuses=(2, 4, 2, 3)),
    contract(layers.LpPooling2D, p=3, given=(6, 4, 2), gives=(3, 2, 2), refuses=(2, 6, 4)),
    contract(layers.MixedPooling2D, alpha=0.25, given=(6, 4, 2), gives=(3, 2, 2), refuses=(2, 6, 4)),
    contract(layers.MixedPooling2D, learned=True, given=(6, 4, 2), gives=(3, 2, 2), parameters=1, refuses=(2, 6, 4)),
    contract(layers.BrightestPooling2D, given=(6, 4, 3), gives=(3, 2, 3), refuses=(2, 6, 4)),
    contract(layers.BrightestPooling2D, weights="luma", given=(6, 4, 3), gives=(3, 2, 3), refuses=(2, 6, 4)),
    contract(layers.BrightestPooling2D, weights=[1.0, 2.0], given=(4, 4, 2), gives=(2, 2, 2), refuses=(2, 4, 4)),
    contract(layers.GlobalMaxPooling1D, given=(5, 3), gives=(3,), refuses=(2, 5, 5, 3)),
    contract(layers.GlobalMaxPooling2D, given=(5, 4, 3), gives=(3,), refuses=(2, 5, 4)),
    contract(layers.GlobalMaxPooling3D, keepdims=True, given=(2, 3, 2, 3), gives=(1, 1, 1, 3), refuses=(2, 3, 2, 3)),
    contract(layers.GlobalAveragePooling1D, given=(5, 3), gives=(3,), refuses=(2, 5, 5, 3)),
    contract(layers.GlobalAveragePooling2D, keepdims=True, given=(5, 4, 3), gives=(1, 1, 3), refuses=(2, 5, 4)),
    contract(layers.GlobalAveragePooling3D, given=(2, 3, 2, 3), gives=(3,), refuses=(2, 3, 2, 3)),
    contract(layers.AdaptiveAveragePooling1D, 3, given=(7, 2), gives=(3, 2), refuses=(2, 7)),
    contract(layers.AdaptiveAveragePooling2D, (2, 3), given=(5, 7, 2), gives=(2, 3, 2), refuses=(2, 5, 7)),
    contract(layers.AdaptiveAveragePooling3D, 2, given=(3, 4, 5, 1), gives=(2, 2, 2, 1), refuses=(2, 3, 4, 5)),
    contract(layers.AdaptiveMaxPooling1D, 3, given=(7, 2), gives=(3, 2), refuses=(2, 7)),
    contract(layers.AdaptiveMaxPooling2D, (2, 3), given=(5, 7, 2), gives=(2, 3, 2), refuses=(2, 5, 7)),
    contract(layers.AdaptiveMaxPooling3D, 2, given=(3, 4, 5, 1), gives=(2, 2, 2, 1), refuses=(2, 3, 4, 5)),
    contract(layers.Dense, 4, activation="sigmoid", given=(3,), gives=(4,), parameters=16, refuses=(3,)),
    contract(layers.Dense, 4, use_bias=False, given=(2, 5, 3), gives=(2, 5, 4), parameters=12, refuses=(3,)),
    contract(layers.Identity, given=(3, 2), gives=(3, 2)),
    contract(layers.Rescaling, 0.5, offset=1.0, given=(3, 2), gives=(3, 2)),
    contract(layers.Normalization, given=(3, 2), gives=(3, 2), parameters=4),
    contract(layers.Normalization, mean=[1.0, 2.0], variance=[4.0, 0.5], given=(3, 2), gives=(3, 2)),
    contract(layers.UnitNormalization, given=(3, 2), gives=(3, 2)),
    contract(layers.BatchNormalization, given=(4, 3, 2), gives=(4, 3, 2), parameters=8, refuses=(3,), training="batch"),
    contract(
        layers.BatchNormalization, 1, center=False, given=(3, 4), gives=(3, 4), parameters=9, refuses=(3,),
        training="batch",
    ),
    contract(layers.LayerNormalization, given=(4, 3), gives=(4, 3), parameters=6),
    contract(layers.LayerNormalization, [1, 2], scale=False, given=(4, 3, 2), gives=(4, 3, 2), parameters=12),
    contract(layers.GroupNormalization, 2, given=(3, 2, 4), gives=(3, 2, 4), parameters=8, refuses=(4,)),
    contract(layers.GroupNormalization, -1, scale=False, given=(3, 2, 4), gives=(3, 2, 4), parameters=4, refuses=(4,)),
    contract(layers.LocalResponseNormalization, 1, 2.0, 0.1, 0.75, given=(3, 2, 5), gives=(3, 2, 5)),
    contract(layers.Dropout, 0.25, given=(8, 8), gives=(8, 8), training="random"),
    contract(layers.Dropout, 0.5, noise_shape=(None, 1, None), given=(8, 8), gives=(8, 8), training="random"),
    contract(layers.SpatialDropout1D, 0.5, given=(4, 9), gives=(4, 9), refuses=(2, 9), training="random"),
    contract(layers.SpatialDropout2D, 0.5, seed=3, given=(3, 4, 9), gives=(3, 4, 9), refuses=(2, 9), training="random"),
    contract(layers.SpatialDropout3D, 0.5, given=(2, 2, 2, 9), gives=(2, 2, 2, 9), refuses=(2, 9), training="random"),
    contract(layers.Flatten, given=(3, 4, 2), gives=(24,)),
    contract(layers.Reshape, (4, -1), given=(3, 4, 2), gives=(4, 6)),
    contract(layers.Permute, (3, 1, 2), given=(3, 4, 2), gives=(2, 3, 4), refuses=(2, 3, 4)),
    contract(layers.RepeatVector, 3, given=(4,), gives=(3, 4), refuses=(2, 4, 1)),
    contract(layers.ZeroPadding1D, (1, 2), given=(4, 2), gives=(7, 2), refuses=(2, 4)),
    contract(layers.ZeroPadding2D, ((1, 0), (2, 3)), given=(4, 3, 2), gives=(5, 8, 2), refuses=(2, 4, 3)),
    contract(layers.ZeroPadding3D, given=(2, 2, 2, 2), gives=(4, 4, 4, 2), refuses=(2, 2, 2, 2)),
    contract(layers.Cropping1D, given=(4, 2), gives=(2, 2), refuses=(2, 4)),
    contract(layers.Cropping2D, (1, 2), given=(4, 6, 2), gives=(2, 2, 2), refuses=(2, 4, 6)),
    contract(layers.Cropping3D, given=(3, 4, 5, 2), gives=(1, 2, 3, 2), refuses=(2, 4, 5, 2)),
    contract(layers.UpSampling1D, 3, given=(4, 2), gives=(12, 2), refuses=(2, 4)),
    contract(layers.UpSampling2D, (2, 3), given=(3, 2, 2), gives=(6, 6, 2), refuses=(2, 3, 2)),
    contract(layers.UpSampling2D, interpolation="bilinear", given=(3, 2, 2), gives=(6, 4, 2), refuses=(2, 3, 2)),
    contract(layers.UpSampling3D, given=(2, 1, 2, 2), gives=(4, 2, 4, 2), refuses=(2, 1, 2, 2)),
    contract(layers.Activation, "softplus", given=(3, 2), gives=(3, 2)),
    contract(
        layers.Activation, {"class_name": "PReLU", "config": {}}, given=(3, 2), gives=(3, 2), parameters=6
    ),
    contract(layers.ReLU, given=(3, 2), gives=(3, 2)),
    contract(layers.ReLU, 1.0, 0.1, 0.5, given=(3, 2), gives=(3, 2)),
    contract(layers.LeakyReLU, given=(3, 2), gives=(3, 2)),
    contract(layers.PReLU, shared_axes=[1], given=(3, 2), gives=(3, 2), parameters=2, refuses=(2,)),
    contract(layers.ELU, 0.5, given=(3, 2), gives=(3, 2)),
    contract(layers.Softmax, given=(3, 2), gives=(3, 2)),
    contract(layers.Softmax, 1, given=(3, 2), gives=(3, 2), refuses=(2,)),
    contract(layers.Add, given=[(3, 2), (3, 2), (1, 2)], gives=(3, 2), refuses=[(2, 3, 2), (2, 2)]),
    contract(layers.Subtract, given=[(3, 2), (3, 2)], gives=(3, 2), refuses=[(2, 3, 2)]),
    contract(layers.Multiply, given=[(3, 2), (1, 2)], gives=(3, 2), refuses=(2, 3, 2)),
    contract(layers.Average, given=[(3, 2), (3, 2), (3, 2)], gives=(3, 2), refuses=[(2, 3, 2), (2, 2)]),
    contract(layers.Maximum, given=[(3, 2), (3, 2)], gives=(3, 2), refuses=[(2, 3, 2), (2, 2)]),
    contract(layers.Minimum, given=[(3, 2), (3, 2)], gives=(3, 2), refuses=[(2, 3, 2), (2, 2)]),
    contract(layers.Concatenate, given=[(3, 2), (3, 1)], gives=(3, 3), refuses=[(2, 3, 2), (2, 2)]),
    contract(layers.Concatenate, 1, given=[(3, 2), (1, 2)], gives=(4, 2), refuses=(2, 3, 2)),
    contract(layers.Dot, 1, given=[(3,), (3,)], gives=(1,), refuses=[(2, 3), (2, 2)]),
    contract(layers.Dot, (2, 1), given=[(4, 3), (3, 2, 2)], gives=(4, 2, 2), refuses=(2, 3, 2)),
]  # fmt: skip


def layers_where(condition: Callable[[Contract], bool]) -> pytest.MarkDecorator:
    """Parametrizes a test with the contracts for which the condition holds."""
    chosen = [pytest.param(case, id=f"{name}-{i}") for i, (name, case) in enumerate(CONTRACTS) if condition(case)]
    return pytest.mark.parametrize("case", chosen)


every_layer = layers_where(lambda case: True)


def same(a: Any, b: Any) -> bool:
    return a.shape == b.shape and a.tobytes() == b.tobytes()


def run(layer: Layer, inputs: Any, training: bool = False, step: int = 0) -> Array:
    """The layer's output by way of a graph."""
    arrays = inputs if isinstance(inputs, list) else [inputs]
    symbols = [Tensor(array.shape, array.dtype) for array in arrays]
    graph = trace(lambda *given: layer(list(given) if isinstance(inputs, list) else given[0]), symbols, training)
    (output,) = ReferenceExecutor(graph).run(arrays, seed=1, step=step)
    return output


def test_every_layer_class_has_a_contract() -> None:
    ours = {
        name for name, cls in LAYERS.items() if cls.__module__.startswith("striate.layers.") and name != "InputLayer"
    }
    assert ours == {name for name, _ in CONTRACTS}


@every_layer
def test_O9_output_shape_is_as_promised(case: Contract) -> None:
    layer = case.make()
    asked = [(None, *shape) for shape in case.given] if isinstance(case.given, list) else (None, *case.given)
    assert layer.compute_output_shape(asked) == (None, *case.gives)
    output = layer(case.arrays(3))
    assert output.shape == (3, *case.gives)
    assert output.dtype == np.float32
    assert layer.built
    assert layer(case.symbols(None)).shape == (None, *case.gives)  # type: ignore[arg-type]


@every_layer
def test_O9_symbols_and_arrays_agree(case: Contract) -> None:
    layer = case.built()
    inputs = case.arrays(3)
    assert same(run(layer, inputs), layer(inputs))


@every_layer
def test_O9_configuration_survives_json(case: Contract) -> None:
    layer = case.make()
    layer.trainable = False
    inputs = case.arrays(2)
    config = json.loads(json.dumps(layer.get_config()))
    copy = type(layer).from_config(config)
    assert json.loads(json.dumps(copy.get_config())) == config
    assert (copy.name, copy.trainable) == (layer.name, False)
    expected = layer(inputs)
    copy(inputs)
    copy.set_weights(layer.get_weights())
    assert same(copy(inputs), expected)


@every_layer
def test_O9_counts_its_weights(case: Contract) -> None:
    layer = case.built()
    assert layer.count_params() == case.parameters == sum(v.value.size for v in layer.weights)
    assert all(v.dtype == np.float32 for v in layer.weights)
    assert [*layer.trainable_weights, *layer.non_trainable_weights] == layer.weights
    layer.trainable = False
    assert not layer.trainable_weights
    assert layer.non_trainable_weights == layer.weights


@every_layer
def test_O9_gradients_in_inference(case: Contract) -> None:
    check_gradients(case, training=False)


@layers_where(lambda case: case.training != "random")
def test_O9_gradients_in_training(case: Contract) -> None:
    check_gradients(case, training=True)


def check_gradients(case: Contract, training: bool) -> None:
    """Against finite differences, for all inputs and all variables that the output depends on."""
    layer = case.built()
    inputs = case.arrays(3, np.float64)
    given = inputs if isinstance(inputs, list) else [inputs]
    variables = layer.trainable_weights if training and case.training == "batch" else layer.weights

    def function(*values: Any) -> Any:
        """The layer as a function of its inputs and variables."""
        x = list(values[: len(given)]) if isinstance(inputs, list) else values[0]
        weights = values[len(given) :]
        if isinstance(values[0], Tensor):
            with Trace(training, np.float64).recording() as scope:
                scope.reads.update((v, [weight]) for v, weight in zip(variables, weights, strict=True))
                return layer(x)
        for variable, value in zip(variables, weights, strict=True):
            variable.keep_in(np.asarray(value))
        return layer(x, training=training)

    check_gradient(function, [*given, *(v.value for v in variables)])


@every_layer
def test_O9_training_differs_only_where_it_should(case: Contract) -> None:
    layer = case.built()
    inputs = case.arrays(4)
    before = layer.get_weights()
    inference = run(layer, inputs)
    assert same(layer(inputs, training=False), inference)
    assert same(layer(inputs), inference)
    training = run(layer, inputs, training=True)
    assert same(inference, training) == (case.training == "same")
    again = run(layer, inputs, training=True)
    assert same(again, training)  # the same seed and step: the same numbers
    assert same(run(layer, inputs, training=True, step=1), training) == (case.training != "random")
    changed = [not same(a, b) for a, b in zip(before, layer.get_weights(), strict=True)]
    assert changed == [case.training == "batch" and not v.trainable for v in layer.weights]


@every_layer
def test_O9_leaves_its_input_alone(case: Contract) -> None:
    layer = case.built()
    inputs = case.arrays(3)
    arrays = inputs if isinstance(inputs, list) else [inputs]
    before = [array.tobytes() for array in arrays]
    for training in (False, True):
        layer(inputs, training=training)
    for array in arrays:
        array.flags.writeable = False
    layer(inputs)
    assert [array.tobytes() for array in arrays] == before


@every_layer
def test_O12_a_batch_gives_what_its_samples_give(case: Contract) -> None:
    layer = case.built()
    inputs = case.arrays(5)
    batch = layer(inputs)
    for i in range(5):
        one = [array[i : i + 1] for array in inputs] if isinstance(inputs, list) else inputs[i : i + 1]
        np.testing.assert_allclose(layer(one), batch[i : i + 1], rtol=1e-6, atol=1e-6)


@every_layer
def test_O9_names(case: Contract) -> None:
    assert case.make(name="mine").name == "mine"
    assert case.make(trainable=False).trainable is False
    assert case.make().name == case.make().name == case.make().name.lower()


@layers_where(lambda case: case.refuses is not None)
def test_O9_refuses_other_ranks(case: Contract) -> None:
    several = isinstance(case.refuses, list)
    layer = case.make(name="mine")
    wrong: Any = [np.zeros(shape) for shape in case.refuses] if several else np.zeros(case.refuses)
    with pytest.raises((ShapeError, ValueError), match=r"^layer mine: \w+: expected .*got") as caught:
        layer(wrong)
    assert not layer.built
    assert not layer.weights
    layer(case.arrays(2))  # a failed call leaves the layer as it was
    assert layer.count_params() == case.parameters
    with pytest.raises((ShapeError, ValueError), match=r"^layer mine: \w+: expected .*got"):
        layer(wrong)
    shown = str(caught.value)
    if several and len(case.refuses) == 1:
        assert "got 1" in shown
    else:  # the message shows the shape; of the batch size it may say None
        assert str(case.refuses[-1] if several else case.refuses).partition(", ")[2] in shown


@every_layer
def test_O9_describes_itself(case: Contract) -> None:
    sentence = case.built().describe()
    assert sentence[0].isupper() or sentence[0].isdigit()
    assert sentence.endswith(".")
    assert "  " not in sentence
    assert sentence != f"{type(case.make()).__name__}."


@layers_where(lambda case: case.training == "random")
def test_O9_random_layers_scale_gradients_alike(case: Contract) -> None:
    layer = case.built()
    x = Tensor((3, *case.given), np.float64)  # type: ignore[misc]
    g = Tensor((3, *case.gives), np.float64)
    with Trace(training=True, dtype=np.float64).recording() as scope:
        y = layer(x)
    (grad,) = gradients(y, [x], g)
    assert grad is not None
    ones = np.ones((3, *case.gives))
    generator = np.random.default_rng(0)
    slope, upstream = generator.standard_normal(ones.shape), generator.standard_normal(ones.shape)
    run = ReferenceExecutor(Graph([x, g], [y, grad], random=scope.random)).run
    mask, _ = run([ones, ones])
    assert 0 in mask
    output, grad_input = run([slope, upstream])
    np.testing.assert_array_equal(output, slope * mask)
    np.testing.assert_array_equal(grad_input, upstream * mask)
