"""Where a name is Keras's, so are its parameters, their order and their defaults; what differs has a reason here."""

import inspect
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest

import striate

keras = pytest.importorskip("keras", reason="Keras is the oracle of these tests")

MODULES = ["ops", "layers", "losses", "metrics", "optimizers", "callbacks", "initializers", "regularizers"]
MODULES += ["activations", "optimizers.schedules", "utils"]
#: Methods that a program calls on a model.
METHODS = [
    *("fit", "evaluate", "predict", "compile", "train_on_batch", "test_on_batch", "predict_on_batch", "summary"),
    *("save", "save_weights", "load_weights", "export", "get_layer", "count_params", "add", "pop", "build"),
    *("get_weights", "set_weights", "get_config", "from_config"),
]

#: Parameters of Keras that are not here, and why a program that gives them is told so.
MISSING = {
    "data_format": "operations read channels-last arrays; layers refuse every other format",
    "sparse": "arrays are dense",
    "ragged": "arrays are rectangular",
    "optional": "inputs are always given",
    "tensor": "a symbol is an input already",
    "input_tensor": "a symbol is an input already",
    "batch_shape": "batch_size says it",
    "lora_rank": "no low-rank adaptation",
    "lora_alpha": "no low-rank adaptation",
    "quantization_config": "no quantized training",
    "renorm": "no batch renormalization",
    "renorm_clipping": "no batch renormalization",
    "renorm_momentum": "no batch renormalization",
    "synchronized": "one machine",
    "use_ema": "no moving average of weights",
    "ema_momentum": "no moving average of weights",
    "ema_overwrite_frequency": "no moving average of weights",
    "loss_scale_factor": "everything is computed in float32",
    "gradient_accumulation_steps": "no accumulation of gradients",
    "input_axes": "kernels lie as Keras's do",
    "output_axes": "kernels lie as Keras's do",
    "multi_label": "one curve",
    "num_labels": "one curve",
    "label_weights": "one curve",
    "ignore_class": "sample_weight leaves samples out",
    "from_sorted_ids": "predictions are never sorted before",
    "weighted_metrics": "metrics take sample_weight themselves",
    "run_eagerly": "compile takes it and ignores what only other engines need",
    "steps_per_execution": "compile takes it and ignores what only other engines need",
    "jit_compile": "compile takes it and ignores what only other engines need",
    "auto_scale_loss": "compile takes it and ignores what only other engines need",
    "positions": "columns are as wide as their content",
    "expand_nested": "one row a layer",
    "show_trainable": "one row a layer",
    "layer_range": "all layers",
    "custom_objects": "the names of files are this library's",
    "skip_mismatch": "weights fit or are refused",
    "zipped": "one file",
    "max_shard_size": "one file",
    "format": "the suffix says it",
    "input_signature": "the model knows it",
    "verbose": "an export says nothing",
    "rebuild": "layers are built when they are called",
    "raise_error": "training ends",
}

#: What is called otherwise, or has another default, and why nothing is computed wrongly because of it.
DIFFERENT = {
    ("adaptive_average_pool", "inputs"): "the array is called x, as in all operations",
    ("adaptive_max_pool", "inputs"): "the array is called x, as in all operations",
    ("average_pool", "inputs"): "the array is called x, as in all operations",
    ("max_pool", "inputs"): "the array is called x, as in all operations",
    ("where", "x1"): "needed: where alone would give as many numbers as there are true ones",
    ("where", "x2"): "needed: where alone would give as many numbers as there are true ones",
    ("stop_gradient", "variable"): "the array is called x, as in all operations",
    ("max", "initial"): "the largest of nothing is refused",
    ("one_hot", "axis"): "classes are the last axis",
    ("one_hot", "dtype"): "float32",
    ("AveragePooling1D", "pool_size"): "2, as in MaxPooling1D; Keras has none",
    ("AveragePooling2D", "pool_size"): "2, as in MaxPooling2D; Keras has none",
    ("AveragePooling3D", "pool_size"): "2, as in MaxPooling3D; Keras has none",
    ("AvgPool1D", "pool_size"): "2, as in MaxPooling1D; Keras has none",
    ("AvgPool2D", "pool_size"): "2, as in MaxPooling2D; Keras has none",
    ("AvgPool3D", "pool_size"): "2, as in MaxPooling3D; Keras has none",
    ("Input", "shape"): "an input has a shape",
    ("InputLayer", "shape"): "an input has a shape",
    ("BinaryCrossentropy", "axis"): "classes are the last axis",
    ("CategoricalCrossentropy", "axis"): "classes are the last axis",
    ("SparseCategoricalCrossentropy", "axis"): "classes are the last axis",
    ("binary_crossentropy", "axis"): "classes are the last axis",
    ("categorical_crossentropy", "axis"): "classes are the last axis",
    ("sparse_categorical_crossentropy", "axis"): "classes are the last axis",
    ("CallbackList", "add_history"): "fit makes the list",
    ("CallbackList", "add_progbar"): "fit makes the list",
    ("summary", "print_fn"): "print itself, which None means in Keras",
    ("build", "input_shape"): "needed: nothing else says it",
    ("save", "zipped"): "a model is one file",
}

#: Whose parameters come in another order, and why nobody computes something else because of it.
OTHER_ORDER = {
    "Conv3DTranspose": "Keras's own order differs from its Conv2DTranspose; a word as output_padding is refused",
    "compile": "the order of Keras 2, metrics third; numbers as metrics are refused",
}


class Parameter(NamedTuple):
    name: str
    default: Any
    kind: Any


def parameters(function: Any) -> list[Parameter]:
    """Without ``self``, ``*args`` and ``**kwargs``."""
    found = inspect.signature(function).parameters.values()
    return [
        Parameter(p.name, p.default, p.kind)
        for p in found
        if p.name != "self" and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]


def every_pair() -> Iterator[tuple[str, Any, Any]]:
    for module in MODULES:
        ours, theirs = striate, keras
        for part in module.split("."):
            ours, theirs = getattr(ours, part), getattr(theirs, part)
        for name in sorted(vars(ours) if not hasattr(ours, "__all__") else ours.__all__):
            thing = getattr(ours, name)
            if callable(thing) and not name.startswith("_") and callable(getattr(theirs, name, None)):
                yield f"{module}.{name}", thing, getattr(theirs, name)
    for kind in ("Model", "Sequential"):
        for name in METHODS:
            ours, theirs = getattr(getattr(striate, kind), name, None), getattr(getattr(keras, kind), name, None)
            if ours is not None and theirs is not None:
                yield f"{kind}.{name}", ours, theirs


PAIRS = list(every_pair())


def plain(default: Any) -> Any:
    """A pair of equal numbers is written as one number here."""
    while isinstance(default, tuple) and len({repr(item) for item in default}) == 1:
        default = default[0]
    return float(default) if isinstance(default, int | float) and not isinstance(default, bool) else repr(default)


@pytest.mark.parametrize(("name", "ours", "theirs"), PAIRS, ids=[name for name, _, _ in PAIRS])
def test_O10_parameters_and_defaults_are_those_of_keras(name: str, ours: Any, theirs: Any) -> None:
    short = name.rpartition(".")[2]
    here, there = ({p.name: p for p in parameters(thing)} for thing in (ours, theirs))
    takes_more = any(p.kind is p.VAR_KEYWORD for p in inspect.signature(ours).parameters.values())
    for parameter in there.values():
        if (short, parameter.name) in DIFFERENT or parameter.name in MISSING:
            continue
        if parameter.name not in here:  # layers take their name and type by keyword, as all that Layer knows
            assert takes_more, f"{name} has no {parameter.name}"
            continue
        default = here[parameter.name].default
        if parameter.name == "name" and default is None and isinstance(parameter.default, str):
            assert ours().name == parameter.default
        else:
            assert plain(default) == plain(parameter.default), f"{name}: {parameter.name}={default!r}"
    by_place = [p.name for p in here.values() if p.kind is not p.kind.KEYWORD_ONLY and p.name in there]
    expected = [p for p in there if p in by_place]
    assert by_place == expected or short in OTHER_ORDER


def test_every_difference_is_one() -> None:
    """What has come to agree leaves the lists."""
    theirs = {(name.rpartition(".")[2], p.name) for name, _, thing in PAIRS for p in parameters(thing)}
    assert set(DIFFERENT) <= theirs
    assert {parameter for _, parameter in theirs} >= set(MISSING)
    assert {name.rpartition(".")[2] for name, _, _ in PAIRS} >= set(OTHER_ORDER)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (lambda o, x: o.argmax(x), "flattened"),
        (lambda o, x: o.argmax(x, keepdims=True), "all axes kept"),
        (lambda o, x: o.argmax(x, 1, True), "one axis kept"),
        (lambda o, x: o.concatenate([x, x]), "samples"),
        (lambda o, x: o.take(x, [3, 0, 7]), "flattened"),
        (lambda o, x: o.take(x, [[1, 0], [2, -1]], axis=1), "an array of indices"),
        (lambda o, x: o.normalize(x), "length 1 along the last axis"),
        (lambda o, x: o.normalize(0 * x), "no length at all"),
        (lambda o, x: o.normalize(x, 0, 1), "sums of 1"),
        (lambda o, x: o.normalize(x, 1, 3, 0.1), "cubes"),
        (lambda o, x: o.gelu(x), "approximate"),
        (lambda o, x: o.round(x, 1), "decimals"),
        (lambda o, x: o.pad(x, ((0, 0), (1, 2), (2, 0)), "reflect"), "mirrored"),
        (lambda o, x: o.pad(x, ((1, 1), (0, 2), (3, 0))), "zeros"),
        (lambda o, x: o.matmul(x, o.transpose(x, (0, 2, 1))), "stacks"),
        (lambda o, x: o.binary_crossentropy(o.sigmoid(x), x, from_logits=True), "logits"),
        (lambda o, x: o.categorical_crossentropy(o.softmax(x, 1), x, from_logits=True, axis=1), "classes not last"),
        (lambda o, x: o.categorical_crossentropy(o.softmax(x), o.softmax(x + 1)), "probabilities"),
        (lambda o, x: o.moments(x, [0, 1], keepdims=True)[1], "variance"),
        (lambda o, x: o.logical_xor(x > 0, x > 1), "truth"),
        (lambda o, x: o.cast(x * 3, "int32"), "without fractions"),
    ],
)
def test_O10_operations_of_keras_names_compute_what_keras_does(ours: Any, theirs: str) -> None:
    x = np.random.default_rng(0).standard_normal((2, 4, 3)).astype(np.float32)
    expected = ours(keras.ops, keras.ops.convert_to_tensor(x)).detach().cpu().numpy()
    np.testing.assert_allclose(ours(striate.ops, x), expected, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", sorted(striate.activations.ACTIVATIONS))
def test_O10_activations_of_keras_names_compute_what_keras_does(name: str) -> None:
    x = np.linspace(-4, 4, 17, dtype=np.float32).reshape(1, 17)
    theirs = getattr(keras.activations, name, None) or keras.activations.get(name)
    np.testing.assert_allclose(
        striate.activations.get(name)(x), theirs(keras.ops.convert_to_tensor(x)).cpu().numpy(), rtol=2e-5, atol=1e-6
    )


def test_O10_relu_with_settings_is_that_of_keras() -> None:
    x = np.linspace(-4, 4, 17, dtype=np.float32)
    for settings in (
        {"negative_slope": 0.1},
        {"max_value": 2.5},
        {"threshold": 1.0},
        {"negative_slope": 0.2, "threshold": 1.0, "max_value": 3.0},
    ):
        expected = keras.activations.relu(keras.ops.convert_to_tensor(x), **settings).cpu().numpy()
        np.testing.assert_allclose(striate.activations.relu(x, **settings), expected, rtol=1e-6, atol=1e-6)
