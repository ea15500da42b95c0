"""`Recording`: every number of a run, forward and backward, is the sum that it is said to come from."""

import itertools

import numpy as np
import pytest

import striate
from striate import layers
from striate.architectures import ARCHITECTURES
from striate.errors import ArgumentError, ShapeError
from striate.explain import Recording
from striate.explain.recording import GRADIENT


def small():
    """Convolution with ReLU, normalization, pooling, a shortcut, dropout, dense with softmax."""
    striate.set_seed(1)
    x = image = striate.Input((4, 5, 2), name="image")
    x = layers.Conv2D(3, 3, padding="same", activation="relu", name="conv")(x)
    y = layers.BatchNormalization(name="norm")(x)
    x = layers.MaxPooling2D(name="pool")(layers.Add(name="sum")([x, y]))
    x = layers.Dropout(0.5, name="drop")(layers.Flatten(name="flat")(x))
    model = striate.Model(image, layers.Dense(3, activation="softmax", name="dense")(x))
    generator = np.random.default_rng(3)
    model.set_weights([array + 0.1 * generator.random(array.shape) for array in model.get_weights()])
    return model


def numbers(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


X = numbers((2, 4, 5, 2))


def every_index(shape):
    return itertools.product(*map(range, shape))


def check(recording, place, index):
    """The terms add up to the number, the largest comes first, and all that they read is where they say."""
    origin = recording.explain(place, index)
    assert origin.number.value == recording.values(place)[index]
    sizes = [abs(part.value) for part in origin.parts]
    assert sizes == sorted(sizes, reverse=True)
    for part in origin.parts:
        for read in part.reads:
            assert read.value == recording.values(read.place)[read.index]
    if origin.operation:
        assert abs(origin.total - origin.number.value) <= 1e-5 * max(*sizes, abs(origin.number.value), 1e-3)
    return origin


def test_every_number_is_its_sum_forward_and_backward():
    recording = Recording(small(), X, of=(1, 2))
    for place, shape in recording.places.items():
        for index in itertools.islice(every_index(shape), 0, None, 7):
            check(recording, place, index)


LARGER = [pytest.param(name, marks=pytest.mark.exhaustive) for name in ("mobilenet_v2", "googlenet")]


@pytest.mark.parametrize("name", ["lenet5", "ocr", "resnet20", *LARGER])
def test_some_numbers_of_every_array_of_known_networks(name):
    side = {"mobilenet_v2": 32, "googlenet": 64}.get(name)
    build = ARCHITECTURES[name].build
    model = build(input_shape=(side, side, 3), classes=10) if side else build()
    recording = Recording(model, numbers((2, *model.input_shape[1:])), of=(0, 3))
    generator = np.random.default_rng(2)
    for place, shape in recording.places.items():
        check(recording, place, tuple(int(generator.integers(size)) for size in shape))


def test_places_come_in_the_order_of_the_computation():
    places = list(Recording(small(), X, of=(0, 0)).places)
    forward = ["image", "conv/kernel", "conv/conv", "conv/bias", "conv/add", "conv", "norm", "sum", "pool", "flat"]
    forward += ["dense/kernel", "dense/dense", "dense/bias", "dense/add", "dense"]
    assert [place for place in places if place in forward] == forward
    backward = [GRADIENT + name for name in ("dense", "dense/kernel", "flat", "pool", "sum", "conv", "image")]
    assert [place for place in places if place in backward] == backward
    assert max(map(places.index, forward)) < min(map(places.index, backward))
    assert not any(place.startswith(GRADIENT) for place in Recording(small(), X).places)


def test_layers_and_predictions_are_the_engines():
    model = small()
    recording = Recording(model, X)
    np.testing.assert_array_equal(recording.values("dense"), model.predict_on_batch(X))
    for output in model.activations(X):
        np.testing.assert_array_equal(recording.values(output.name), output.values)
    np.testing.assert_array_equal(recording.values("drop"), recording.values("flat"))
    np.testing.assert_array_equal(recording.values("image"), X)


@pytest.mark.parametrize("place", ["image", "conv/kernel", "conv/bias", "norm/gamma", "dense/kernel"])
def test_gradients_are_those_of_pytorch(place):
    """The same network in PyTorch, differentiated by it."""
    torch = pytest.importorskip("torch")
    model = small()
    recording = Recording(model, X, of=(1, 2))
    names = [f"{layer.name}/{variable.name}" for layer in model.layers for variable in layer.weights]
    given = {"image": X} | dict(zip(names, model.get_weights(), strict=True))
    tensors = {name: torch.tensor(array, dtype=torch.float64, requires_grad=True) for name, array in given.items()}
    functional = torch.nn.functional
    kernel = tensors["conv/kernel"].permute(3, 2, 0, 1)
    x = functional.conv2d(tensors["image"].permute(0, 3, 1, 2), kernel, tensors["conv/bias"], padding=1).relu()
    stored = [tensors[f"norm/{name}"] for name in ("moving_mean", "moving_variance", "gamma", "beta")]
    y = functional.batch_norm(x, *(one.detach() for one in stored[:2]), *stored[2:], eps=1e-3)
    flat = functional.max_pool2d(x + y, 2).permute(0, 2, 3, 1).flatten(1)
    answer = (flat @ tensors["dense/kernel"] + tensors["dense/bias"]).softmax(1)
    (expected,) = torch.autograd.grad(answer[1, 2], tensors[place])
    np.testing.assert_allclose(recording.values(GRADIENT + place), expected.numpy(), atol=1e-6)


def test_a_number_leads_down_to_what_was_given():
    recording = Recording(small(), X, of=(0, 1))
    for place, index in (("dense", (0, 1)), (GRADIENT + "image", (0, 2, 2, 0))):
        number, trail = recording.explain(place, index).number, []
        while parts := recording.explain(number.place, number.index).parts:
            trail.append(number.place)
            number = parts[0].reads[0]
        assert len(trail) > 4
        assert recording.explain(number.place, number.index).operation == ""


def test_uses_are_what_reads_a_number_and_nothing_else():
    recording = Recording(small(), X, of=(0, 1))
    reads, counts = {}, {}
    for place, shape in recording.places.items():
        if place == "drop":
            continue  # another name of flat
        for index in every_index(shape):
            for part in recording.explain(place, index).parts:
                for read in part.reads:
                    reads.setdefault((read.place, read.index), set()).add((place, index))
                    if part.value:
                        counts.setdefault((read.place, read.index), set()).add((place, index))
    for place in ("image", "conv", "conv/kernel", "norm", "sum", "flat", "dense/bias", "dense/add", GRADIENT + "sum"):
        for index in itertools.islice(every_index(recording.places[place]), 0, None, 5):
            found = list(recording.uses(place, index))
            numbers = {(use.number.place, use.number.index) for use in found}
            assert counts.get((place, index), set()) <= numbers <= reads.get((place, index), set())
            for use in found:
                assert any((read.place, read.index) == (place, index) for read in use.part.reads)


def test_as_text():
    model = striate.Sequential([striate.Input((12,), name="x"), layers.Dense(1, name="dense", use_bias=False)])
    model.set_weights([np.arange(1.0, 13).reshape(12, 1)])
    recording = Recording(model, np.ones((1, 12)))
    lines = str(recording.explain("dense", (0, 0))).splitlines()
    assert lines[0] == "dense[0, 0] = Σ x·w over the features = 78"
    assert lines[1] == "  12   from x[0, 11] 1 · dense/kernel[11, 0] 12"
    assert lines[-1] == "  … and 2 more, together 3"
    assert str(recording.explain("x", (0, 3))) == "x[0, 3] = 1 (given)"


def test_R4_what_is_not_there():
    recording = Recording(small(), X)
    with pytest.raises(ArgumentError, match=r"explain: there is no place 'cnv'\. Did you mean 'conv'\?"):
        recording.values("cnv")
    for index in ((2, 0, 0, 0), (0, -1, 0, 0), (0, 0, 0)):
        with pytest.raises(
            ArgumentError, match=r"explain: expected an index inside of \(2, 4, 5, 3\), the shape of conv"
        ):
            recording.explain("conv", index)
        with pytest.raises(ArgumentError, match=r"explain: expected an index inside of"):
            list(recording.uses("conv", index))
    with pytest.raises(ArgumentError, match=r"expected an index inside of \(2, 3\), the shape of the network's output"):
        Recording(small(), X, of=(0, 3))
    with pytest.raises(ShapeError, match="explain: expected x of shape"):
        Recording(small(), X[..., 0])
