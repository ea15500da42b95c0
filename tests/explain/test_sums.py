"""`Model.explain`: the sums behind one number are those that the network computed."""

import re

import numpy as np
import pytest

import striate
from striate import layers
from striate.architectures import ARCHITECTURES
from striate.errors import ArgumentError, ShapeError


def small():
    """Convolution with ReLU, normalization, pooling, a shortcut, dense with softmax."""
    striate.set_seed(1)
    x = image = striate.Input((6, 6, 2))
    x = layers.Conv2D(3, 3, padding="same", activation="relu", name="conv")(x)
    y = layers.BatchNormalization(name="norm")(x)
    x = layers.MaxPooling2D(name="pool")(layers.Add(name="sum")([x, y]))
    return striate.Model(image, layers.Dense(4, activation="softmax", name="dense")(layers.Flatten(name="flat")(x)))


def images(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def test_a_convolution_by_hand():
    model = striate.Sequential([striate.Input((3, 3, 1)), layers.Conv2D(1, 2, activation="relu", name="conv")])
    model.set_weights([np.array([1.0, 2, 3, -4]).reshape(2, 2, 1, 1), np.array([10.0])])
    found = model.explain(np.arange(18.0).reshape(2, 3, 3, 1), "conv", (1, 0, 1, 0))
    relu, add, conv = found.sums
    assert (found.layer, found.index, found.value) == ("conv", (1, 0, 1, 0), 25)
    assert [(step.operation, step.number.value) for step in found.sums] == [("relu", 25), ("add", 25), ("conv", 15)]
    assert [part.value for part in relu.parts] == [25]
    assert [part.value for part in add.parts] == [15, 10]
    assert [part.value for part in conv.parts] == [-56, 39, 22, 10]  # 14·(−4), 13·3, 11·2, 10·1
    assert str(found).splitlines() == [
        "conv[1, 0, 1, 0] = 25",
        "  conv[1, 0, 1, 0] = max(x, 0) = 25",
        "    25   from conv/add[1, 0, 1, 0] 25",
        "  conv/add[1, 0, 1, 0] = x1 + x2 = 25",
        "    15   from conv/conv[1, 0, 1, 0] 15",
        "    10   from conv/bias[0] 10",
        "  conv/conv[1, 0, 1, 0] = Σ x·w over the window and its channels = 15",
        "    -56   from input_layer[1, 1, 2, 0] 14 · conv/kernel[1, 1, 0, 0] -4",
        "    39   from input_layer[1, 1, 1, 0] 13 · conv/kernel[1, 0, 0, 0] 3",
        "    22   from input_layer[1, 0, 2, 0] 11 · conv/kernel[0, 1, 0, 0] 2",
        "    10   from input_layer[1, 0, 1, 0] 10 · conv/kernel[0, 0, 0, 0] 1",
    ]


def agree(model, x, every=3):
    """The sums of some numbers of every layer are the numbers of `activations`, and each leads to the next."""
    generator = np.random.default_rng(2)
    for output in model.activations(x):
        for _ in range(every):
            index = tuple(int(generator.integers(size)) for size in output.values.shape)
            found = model.explain(x, output.name, index)
            expected = float(output.values[index])
            if not found.sums:
                continue  # a layer that leaves everything as it is
            size = max(sum(abs(part.value) for part in found.sums[0].parts), abs(expected), 1e-3)
            assert abs(found.value - expected) <= 1e-5 * size
            for step in found.sums:
                size = max(sum(abs(part.value) for part in step.parts), abs(step.number.value), 1e-3)
                assert abs(step.total - step.number.value) <= 1e-5 * size
            assert abs(found.sums[0].number.value - found.value) <= 1e-4 * size


def test_every_layers_numbers_are_the_sums():
    agree(small(), images((3, 6, 6, 2)), every=10)


LARGER = [pytest.param(name, marks=pytest.mark.exhaustive) for name in ("mobilenet_v2", "googlenet")]


@pytest.mark.parametrize("name", ["lenet5", "ocr", "resnet20", *LARGER])
def test_every_layer_of_known_networks(name):
    side = {"mobilenet_v2": 32, "googlenet": 64}.get(name)
    build = ARCHITECTURES[name].build
    model = build(input_shape=(side, side, 3), classes=10) if side else build()
    agree(model, images((2, *model.input_shape[1:])), every=1)


def test_a_step_leads_to_the_one_before():
    found = small().explain(images((1, 6, 6, 2)), "dense", (0, 2))
    assert [(step.operation, step.number.index) for step in found.sums] == [
        (n, (0, 2)) for n in ("softmax", "add", "dense")
    ]
    logits = {read.index: read.value for part in found.sums[0].parts for read in part.reads}
    assert logits[0, 2] == found.sums[1].number.value


def test_weights_that_change_change_the_sums():
    model, x = small(), images((1, 6, 6, 2))
    before = model.explain(x, "conv", (0, 2, 2, 1)).sums[-1].total
    model.set_weights([2 * array for array in model.get_weights()])
    assert model.explain(x, "conv", (0, 2, 2, 1)).sums[-1].total == pytest.approx(2 * before)


def test_long_sums_are_shortened_as_text():
    text = str(small().explain(images((1, 6, 6, 2)), "conv", (0, 3, 3, 0)))
    assert text.splitlines()[-1].startswith("    … and 8 more, together -0.0")
    assert len(text.splitlines()) == 1 + 2 + 3 + 12


def test_R4_what_is_not_there():
    model, x = small(), images((1, 6, 6, 2))
    with pytest.raises(ArgumentError, match="explain: no layer 'cnv'; there are conv, norm, sum, pool, flat, dense"):
        model.explain(x, "cnv", (0, 0, 0, 0))
    for index in ((1, 0, 0, 0), (0, 6, 0, 0), (0, -1, 0, 0), (0, 0, 0)):
        sizes = re.escape("expected an index inside of (1, 6, 6, 3), the shape of conv; got " + str(index))
        with pytest.raises(ArgumentError, match=sizes):
            model.explain(x, model.get_layer("conv"), index)
    with pytest.raises(ShapeError, match=r"explain: expected x of shape \(N, 6, 6, 2\), got \(1, 6, 6\)"):
        model.explain(x[..., 0], "conv", (0, 0, 0, 0))
