"""Layers against Keras: arguments, names and shapes of weights, outputs and gradients."""

import inspect
import os
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "torch")
torch = pytest.importorskip("torch")
keras = pytest.importorskip("keras")

from striate import layers  # noqa: E402
from striate.graph import Array, Tensor, Trace, gradients  # noqa: E402
from striate.interop.keras.layer_configs import OURS_ALONE  # noqa: E402
from striate.layers.layer import LAYERS, Layer  # noqa: E402
from striate.runtime.reference import ReferenceExecutor  # noqa: E402

#: Layer, its arguments, and the shape of one sample, or a list of them.
CASES: list[tuple[str, dict[str, Any], Any]] = [
    ("Conv1D", {"filters": 4, "kernel_size": 3}, (9, 2)),
    ("Conv1D", {"filters": 4, "kernel_size": 3, "padding": "causal", "dilation_rate": 2}, (9, 2)),
    ("Conv1D", {"filters": 4, "kernel_size": 4, "padding": "same", "strides": 3, "groups": 2}, (11, 2)),
    ("Conv2D", {"filters": 2, "kernel_size": (3, 2), "activation": "relu"}, (6, 7, 3)),
    ("Conv2D", {"filters": 6, "kernel_size": 3, "padding": "same", "strides": (2, 3), "groups": 2}, (6, 7, 4)),
    ("Conv2D", {"filters": 2, "kernel_size": 3, "dilation_rate": 2, "use_bias": False}, (7, 8, 3)),
    ("Conv3D", {"filters": 2, "kernel_size": 2, "padding": "same", "strides": 2}, (3, 4, 5, 2)),
    ("DepthwiseConv1D", {"kernel_size": 3, "depth_multiplier": 2}, (7, 3)),
    ("DepthwiseConv2D", {"kernel_size": 3, "depth_multiplier": 2, "padding": "same"}, (5, 6, 3)),
    ("DepthwiseConv2D", {"kernel_size": 3, "strides": 2, "activation": "tanh"}, (7, 7, 3)),
    ("SeparableConv1D", {"filters": 4, "kernel_size": 3, "depth_multiplier": 2}, (8, 3)),
    ("SeparableConv2D", {"filters": 4, "kernel_size": 3, "strides": 2, "padding": "same"}, (7, 6, 3)),
    ("Conv1DTranspose", {"filters": 3, "kernel_size": 4, "strides": 2, "padding": "same"}, (5, 2)),
    ("Conv1DTranspose", {"filters": 3, "kernel_size": 2, "strides": 3}, (5, 2)),
    ("Conv2DTranspose", {"filters": 3, "kernel_size": 3, "strides": 2, "padding": "same"}, (4, 3, 2)),
    ("Conv2DTranspose", {"filters": 3, "kernel_size": 3, "strides": 2, "output_padding": 1}, (4, 3, 2)),
    (
        "Conv2DTranspose",
        {"filters": 3, "kernel_size": 5, "strides": 2, "padding": "same", "output_padding": 1},
        (4, 3, 2),
    ),
    ("Conv2DTranspose", {"filters": 3, "kernel_size": 3, "dilation_rate": 2}, (4, 3, 2)),
    ("Conv3DTranspose", {"filters": 2, "kernel_size": 2, "strides": 2}, (2, 3, 2, 2)),
    ("MaxPooling1D", {}, (7, 2)),
    ("MaxPooling2D", {"pool_size": 3, "strides": 2, "padding": "same"}, (6, 5, 2)),
    ("MaxPooling3D", {"pool_size": (1, 2, 2)}, (3, 4, 5, 2)),
    ("AveragePooling1D", {"pool_size": 3, "strides": 1, "padding": "same"}, (7, 2)),
    ("AveragePooling2D", {"pool_size": 2}, (6, 5, 2)),
    # Even padding: of uneven padding Keras on PyTorch averages repeated pixels. See test_F13_… in test_pooling.py.
    ("AveragePooling2D", {"pool_size": 3, "strides": 2, "padding": "same"}, (7, 5, 2)),
    ("AveragePooling3D", {"pool_size": 2}, (4, 4, 2, 2)),
    ("GlobalMaxPooling1D", {}, (5, 3)),
    ("GlobalMaxPooling2D", {"keepdims": True}, (5, 4, 3)),
    ("GlobalMaxPooling3D", {}, (2, 3, 2, 3)),
    ("GlobalAveragePooling1D", {}, (5, 3)),
    ("GlobalAveragePooling2D", {}, (5, 4, 3)),
    ("GlobalAveragePooling3D", {"keepdims": True}, (2, 3, 2, 3)),
    ("AdaptiveAveragePooling1D", {"output_size": 3}, (7, 2)),
    ("AdaptiveAveragePooling2D", {"output_size": (2, 3)}, (5, 7, 2)),
    ("AdaptiveAveragePooling3D", {"output_size": 2}, (3, 4, 5, 1)),
    ("AdaptiveMaxPooling1D", {"output_size": 3}, (7, 2)),
    ("AdaptiveMaxPooling2D", {"output_size": (2, 3)}, (5, 7, 2)),
    ("AdaptiveMaxPooling3D", {"output_size": 2}, (3, 4, 5, 1)),
    ("Dense", {"units": 4, "activation": "sigmoid"}, (3,)),
    ("Dense", {"units": 4, "use_bias": False}, (2, 5, 3)),
    ("Identity", {}, (3, 2)),
    ("Rescaling", {"scale": 0.5, "offset": 1.0}, (3, 2)),
    ("Rescaling", {"scale": [0.5, 2.0], "offset": [1.0, -1.0]}, (3, 4, 2)),
    ("Normalization", {"mean": 0.5, "variance": 4.0}, (3, 2)),
    ("Normalization", {"axis": (1, 3), "mean": [[0.5], [1], [2]], "variance": [[4.0], [1], [0]]}, (3, 4, 1)),
    ("Normalization", {"axis": None, "mean": 0.5, "variance": 4.0, "invert": True}, (3, 2)),
    ("UnitNormalization", {}, (3, 2)),
    ("UnitNormalization", {"axis": (1, 2)}, (3, 2)),
    ("BatchNormalization", {"momentum": 0.9}, (4, 3, 2)),
    ("BatchNormalization", {"axis": 1, "scale": False}, (4, 3)),
    ("BatchNormalization", {"epsilon": 0.1, "center": False}, (3,)),
    ("LayerNormalization", {}, (4, 3)),
    # The last axes: others crash Keras on PyTorch. See test_O9_layer_normalization_along_any_axes.
    ("LayerNormalization", {"axis": [-2, -1], "epsilon": 1e-2}, (4, 3, 2)),
    ("LayerNormalization", {"axis": 2, "center": False}, (4, 3)),
    ("GroupNormalization", {"groups": 2}, (3, 2, 4)),
    ("GroupNormalization", {"groups": -1, "scale": False}, (3, 2, 4)),
    ("Dropout", {"rate": 0.5}, (3, 2)),
    ("SpatialDropout1D", {"rate": 0.5}, (3, 2)),
    ("SpatialDropout2D", {"rate": 0.5}, (3, 2, 2)),
    ("SpatialDropout3D", {"rate": 0.5}, (3, 2, 2, 1)),
    ("Flatten", {}, (3, 4, 2)),
    ("Reshape", {"target_shape": (4, -1)}, (3, 4, 2)),
    ("Permute", {"dims": (3, 1, 2)}, (3, 4, 2)),
    ("RepeatVector", {"n": 3}, (4,)),
    ("ZeroPadding1D", {"padding": (1, 2)}, (4, 2)),
    ("ZeroPadding2D", {"padding": ((1, 0), (2, 3))}, (4, 3, 2)),
    ("ZeroPadding2D", {"padding": (1, 2)}, (4, 3, 2)),
    ("ZeroPadding3D", {"padding": (1, 0, 2)}, (2, 2, 2, 2)),
    ("Cropping1D", {}, (4, 2)),
    ("Cropping2D", {"cropping": ((0, 1), (2, 1))}, (4, 6, 2)),
    ("Cropping3D", {}, (3, 4, 5, 2)),
    ("UpSampling1D", {"size": 3}, (4, 2)),
    ("UpSampling2D", {"size": (2, 3)}, (3, 2, 2)),
    ("UpSampling2D", {"size": 2, "interpolation": "bilinear"}, (3, 4, 2)),
    ("UpSampling3D", {}, (2, 1, 2, 2)),
    ("Activation", {"activation": "gelu"}, (3, 2)),
    ("ReLU", {}, (3, 2)),
    ("ReLU", {"max_value": 1.0, "negative_slope": 0.1}, (3, 5)),
    ("ReLU", {"max_value": 1.5, "threshold": 0.5}, (3, 5)),
    ("ReLU", {"negative_slope": 0.1, "threshold": 0.5}, (3, 5)),
    ("LeakyReLU", {}, (3, 2)),
    ("PReLU", {"shared_axes": [1]}, (3, 2)),
    ("PReLU", {}, (3, 2)),
    ("ELU", {"alpha": 0.5}, (3, 2)),
    ("Softmax", {"axis": 1}, (3, 2)),
    ("Add", {}, [(3, 2), (3, 2), (1, 2)]),
    ("Subtract", {}, [(3, 2), (3, 2)]),
    ("Multiply", {}, [(3, 2), (1, 2), (3, 2)]),
    ("Average", {}, [(3, 2), (3, 2), (3, 2)]),
    ("Maximum", {}, [(3, 2), (3, 2), (3, 2)]),
    ("Minimum", {}, [(3, 2), (3, 2)]),
    ("Concatenate", {}, [(3, 2), (3, 1)]),
    ("Concatenate", {"axis": 1}, [(3, 2), (1, 2)]),
    ("Dot", {"axes": (2, 1)}, [(4, 3), (3, 2)]),
    ("Dot", {"axes": -1, "normalize": True}, [(4, 3), (5, 3)]),
]
NAMES = sorted({name for name, _, _ in CASES})

#: Arguments of Keras that we do not have: none of them changes what a layer computes by default.
LEFT_OUT = {
    "Dense": {"lora_rank", "lora_alpha", "quantization_config"},
    "BatchNormalization": {"renorm", "renorm_clipping", "renorm_momentum", "synchronized"},
}


def arguments(cls: Any) -> dict[str, Any]:
    """Names and defaults of what a constructor takes by position, in order; what every layer takes left out."""
    parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
    return {
        p.name: p.default
        for p in parameters
        if p.kind is p.POSITIONAL_OR_KEYWORD and p.name not in {"name", "dtype", *LEFT_OUT.get(cls.__name__, ())}
    }


def spelled_out(name: str, default: Any) -> Any:
    """A default with one number for each axis as the one number it stands for."""
    if name in ("axis", "dims") or not isinstance(default, tuple):
        return default
    flat = {n for side in default for n in (side if isinstance(side, tuple) else (side,))}
    return flat.pop() if len(flat) == 1 else default


def test_every_layer_that_keras_has_is_compared() -> None:
    ours = {
        name for name, cls in LAYERS.items() if cls.__module__.startswith("striate.layers.") and name != "InputLayer"
    }
    assert ours == {*NAMES, *OURS_ALONE}, "a layer without a row in CASES, which is not in OURS_ALONE either"
    assert not [name for name in OURS_ALONE if hasattr(keras.layers, name)]


@pytest.mark.parametrize("name", NAMES)
def test_A1_arguments_are_those_of_keras(name: str) -> None:
    ours, theirs = arguments(getattr(layers, name)), arguments(getattr(keras.layers, name))
    if name == "Conv3DTranspose":  # where Keras alone has these two the other way round
        assert set(ours) == set(theirs)
    else:
        assert list(ours) == list(theirs)
    for argument, default in theirs.items():
        if default is not inspect.Parameter.empty:
            assert spelled_out(argument, ours[argument]) == spelled_out(argument, default), argument


def aliases() -> list[str]:
    return [name for name in layers.__all__ if isinstance(getattr(layers, name), type) and name not in LAYERS]


def test_A1_aliases_are_those_of_keras() -> None:
    assert len(aliases()) == 13  # and Layer
    for name in aliases():
        if name != "Layer":
            assert getattr(keras.layers, name).__name__ == getattr(layers, name).__name__


def run_ours(layer: Layer, arrays: list[Array], g: Array | None, training: bool) -> list[Array]:
    """The output, the updated variables, and the gradients for each input and each trained variable."""
    symbols = [Tensor(array.shape) for array in arrays]
    with Trace(training).recording() as scope:
        y = layer(symbols if len(arrays) > 1 else symbols[0])
    upstream = Tensor(y.shape)
    wanted = [*symbols, *(scope.symbol(v) for v in layer.trainable_weights)]
    found = gradients(y, wanted, upstream)
    assert all(gradient is not None for gradient in found)
    graph = scope.graph([*symbols, upstream], [y, *(f for f in found if f is not None)])
    return ReferenceExecutor(graph).run([*arrays, np.ones(y.shape, np.float32) if g is None else g])


def run_theirs(layer: Any, arrays: list[Array], g: Array, training: bool) -> list[Array]:
    tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
    y = layer(tensors if len(tensors) > 1 else tensors[0], training=training)
    trained = [v.value for v in layer.trainable_weights]
    found = torch.autograd.grad((y * torch.tensor(g)).sum(), [*tensors, *trained])
    return [y.detach().numpy(), *(gradient.numpy() for gradient in found)]


@pytest.mark.parametrize(("name", "settings", "shapes"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)])
def test_A1_outputs_and_gradients_are_those_of_keras(name: str, settings: dict[str, Any], shapes: Any) -> None:
    generator = np.random.default_rng(11)
    several = isinstance(shapes, list)
    arrays = [generator.standard_normal((3, *s)).astype(np.float32) for s in (shapes if several else [shapes])]
    ours, theirs = getattr(layers, name)(**settings), getattr(keras.layers, name)(**settings)
    y = ours(arrays if several else arrays[0])
    theirs(arrays if several else arrays[0])
    assert [(v.name, v.shape) for v in ours.weights] == [(v.name, tuple(v.shape)) for v in theirs.weights]
    assert [v.trainable for v in ours.weights] == [v.trainable for v in theirs.weights]
    weights = [0.5 + generator.random(v.shape).astype(np.float32) for v in ours.weights]
    g = generator.standard_normal(y.shape).astype(np.float32)
    for training in (False, True) if name == "BatchNormalization" else (False,):
        ours.set_weights(weights)
        theirs.set_weights(weights)
        for a, b in zip(run_ours(ours, arrays, g, training), run_theirs(theirs, arrays, g, training), strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-5)
        for a, b in zip(ours.get_weights(), (v.value.detach().numpy() for v in theirs.weights), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)
