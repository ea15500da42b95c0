"""What a network's numbers stand for is read from its graph: the range of its pixels, the scale of its outputs."""

import math

import numpy as np
import pytest

import striate
from striate import layers, ops
from striate.errors import ArgumentError, FormatError
from striate.models import Facts
from striate.models.facts import assumptions, class_count, pixels_between, probabilities
from striate.models.reading_facts import MOST_STEPS, find_facts

MEAN, DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
UNKNOWN, UNIT, SIGNED, BYTES = None, (0, 1), (-1, 1), (0, 255)


def beginning(*first):
    """A network of pictures of 6 × 6 pixels that begins with these layers."""
    rest = [layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(3, activation="softmax")]
    return striate.Sequential([striate.Input((6, 6, 3)), *first, *rest])


def computing(function):
    """The same, that begins with a function of symbols."""
    x = striate.Input((6, 6, 3))
    return striate.Model(x, layers.Conv2D(2, 3)(function(x)))


BEGINNINGS = {
    "nothing": (beginning, UNKNOWN),
    "1/255": (lambda: beginning(layers.Rescaling(1 / 255)), BYTES),
    "1/256": (lambda: beginning(layers.Rescaling(1 / 256)), BYTES),
    "1/127.5 − 1": (lambda: beginning(layers.Rescaling(1 / 127.5, -1)), BYTES),
    "each channel": (lambda: beginning(layers.Rescaling([1 / 255, 1 / 255, 1 / 128])), BYTES),
    "2·x − 1": (lambda: beginning(layers.Rescaling(2, -1)), UNIT),
    "(x + 1)/2": (lambda: beginning(layers.Rescaling(0.5, 0.5)), SIGNED),
    "(x + 1)·127.5": (lambda: beginning(layers.Rescaling(127.5, 127.5)), SIGNED),
    "255·x": (lambda: beginning(layers.Rescaling(255)), UNIT),
    "·255, then /255": (lambda: beginning(layers.Rescaling(255), layers.Rescaling(1 / 255)), UNKNOWN),
    "ImageNet's": (lambda: beginning(layers.Normalization(mean=MEAN, variance=DEVIATION**2)), UNIT),
    "ImageNet's of bytes": (
        lambda: beginning(layers.Rescaling(1 / 255), layers.Normalization(mean=MEAN, variance=DEVIATION**2)),
        BYTES,
    ),
    "Caffe's": (lambda: beginning(layers.Normalization(mean=[104, 117, 123], variance=[1, 1, 1])), BYTES),
    "in a network within": (
        lambda: beginning(striate.Sequential([striate.Input((6, 6, 3)), layers.Rescaling(1 / 255)])),
        BYTES,
    ),
    "after padding and upsampling": (
        lambda: beginning(
            layers.ZeroPadding2D(1), layers.UpSampling2D(), layers.Dropout(0.5), layers.Rescaling(1 / 255)
        ),
        BYTES,
    ),
    "before a batch's normalization": (
        lambda: beginning(layers.Rescaling(1 / 255), layers.BatchNormalization()),
        BYTES,
    ),
    "a batch's normalization": (lambda: beginning(layers.BatchNormalization()), UNKNOWN),
    "functions": (
        lambda: computing(lambda x: ops.divide(ops.subtract(x, np.float32(127.5)), np.float32(127.5))),
        BYTES,
    ),
    "operators": (lambda: computing(lambda x: (x - 0.1307) / 0.3081), UNIT),
    "turned": (lambda: computing(lambda x: (255 - x) / 255), BYTES),
    "negated": (lambda: computing(lambda x: -x * np.float32(1 / 255)), BYTES),
    "channels first": (
        lambda: computing(
            lambda x: ops.transpose(
                ops.subtract(ops.transpose(x, (0, 3, 1, 2)), np.array([104, 117, 123], np.float32).reshape(3, 1, 1)),
                (0, 2, 3, 1),
            )
        ),
        BYTES,
    ),
    "for other weights": (  # torchvision's transform_input: from ImageNet's means to −1 … 1
        lambda: beginning(layers.Rescaling(list(DEVIATION / 0.5), list((MEAN - 0.5) / 0.5))),
        UNKNOWN,
    ),
    "two that agree": (
        lambda: computing(lambda x: ops.concatenate([ops.relu(x / 255), ops.tanh(x / 127.5 - 1)], axis=3)),
        BYTES,
    ),
    "two of which one says nothing": (
        lambda: computing(lambda x: ops.concatenate([ops.relu(x / 255), ops.tanh(x)], axis=3)),
        UNKNOWN,
    ),
    "the square": (lambda: computing(lambda x: x * x), UNKNOWN),
    "zero": (lambda: beginning(layers.Rescaling(0)), UNKNOWN),
}


@pytest.mark.parametrize("name", BEGINNINGS)
def test_range_of_pixels_follows_from_the_first_steps(name):
    make, expected = BEGINNINGS[name]
    assert make().facts.pixels == expected


def test_adapted_statistics_count_and_trained_ones_do_not():
    normalization = layers.Normalization()
    model = beginning(normalization)
    assert model.facts.pixels is None
    normalization.adapt(np.random.default_rng(0).integers(0, 256, (10, 6, 6, 3)))
    assert model.facts.pixels == BYTES
    trained = layers.BatchNormalization(center=False, scale=False)
    model = beginning(trained)
    trained.set_weights([np.full(3, 124), np.full(3, 58**2)])
    assert model.facts.pixels is None


def ending(*last, shape=(4,), loss=None):
    model = striate.Sequential([striate.Input(shape), *last])
    if loss is not None:
        model.compile("adam", loss)
    return model


def of_symbols(function):
    x = striate.Input((4,))
    return striate.Model(x, function(layers.Dense(3)(x), layers.Dense(3)(x)))


def ensemble(a, b, factor=0.5):
    return ops.multiply(ops.add(ops.softmax(a), ops.softmax(b)), np.float32(factor))


ENDINGS = {
    "softmax": (lambda: ending(layers.Dense(3, activation="softmax")), "probabilities"),
    "softmax's layer": (lambda: ending(layers.Dense(3), layers.Softmax()), "probabilities"),
    "reshaped softmax": (
        lambda: ending(layers.Dense(3, activation="softmax"), layers.Reshape((3, 1))),
        "probabilities",
    ),
    "of maps": (lambda: ending(layers.Conv2D(3, 1, activation="softmax"), shape=(4, 4, 1)), "probabilities"),
    "sigmoid": (lambda: ending(layers.Dense(1, activation="sigmoid")), "independent"),
    "hard sigmoid": (lambda: ending(layers.Dense(1, activation="hard_sigmoid")), "independent"),
    "log-softmax": (lambda: ending(layers.Dense(3, activation="log_softmax")), "log-probabilities"),
    "log of softmax": (lambda: of_symbols(lambda a, b: ops.log(ops.softmax(a))), "log-probabilities"),
    "exp of log-softmax": (lambda: of_symbols(lambda a, b: ops.exp(ops.log_softmax(a))), "probabilities"),
    "softmax by hand": (lambda: of_symbols(lambda a, b: by_hand(ops.exp(a))), "probabilities"),
    "divided by the sum of what may be negative": (lambda: of_symbols(lambda a, b: by_hand(a)), "unknown"),
    "ensemble": (lambda: of_symbols(ensemble), "probabilities"),
    "ensemble's layer": (
        lambda: of_symbols(lambda a, b: layers.Average()([ops.softmax(a), ops.softmax(b)])),
        "probabilities",
    ),
    "sum of two": (lambda: of_symbols(lambda a, b: ensemble(a, b, 1.0)), "unknown"),
    "mean of two kinds": (
        lambda: of_symbols(lambda a, b: ops.multiply(ops.add(ops.softmax(a), ops.sigmoid(b)), np.float32(0.5))),
        "unknown",
    ),
    "side by side": (lambda: of_symbols(lambda a, b: ops.concatenate([ops.softmax(a), ops.sigmoid(b)])), "independent"),
    "scaled": (lambda: of_symbols(lambda a, b: ops.multiply(ops.sigmoid(a), np.float32(100))), "unknown"),
    "softmax over the batch": (lambda: of_symbols(lambda a, b: ops.softmax(a, axis=0)), "unknown"),
    "linear": (lambda: ending(layers.Dense(3)), "unknown"),
    "tanh": (lambda: ending(layers.Dense(3, activation="tanh")), "unknown"),
    "logits by the loss": (
        lambda: ending(layers.Dense(3), loss=striate.losses.SparseCategoricalCrossentropy(from_logits=True)),
        "logits",
    ),
    "a logit by the loss": (
        lambda: ending(layers.Dense(1), loss=striate.losses.BinaryCrossentropy(from_logits=True)),
        "independent-logits",
    ),
    "measures by the loss": (lambda: ending(layers.Dense(3), loss="mse"), "numbers"),
    "measures by the class": (lambda: ending(layers.Dense(3), loss=striate.losses.Huber()), "numbers"),
    "another loss": (lambda: ending(layers.Dense(3), loss="hinge"), "unknown"),
    "a softmax, whatever the loss": (
        lambda: ending(layers.Dense(3, activation="softmax"), loss="mse"),
        "probabilities",
    ),
}


def by_hand(x):
    return ops.divide(x, ops.sum(x, axis=1, keepdims=True))


@pytest.mark.parametrize("name", ENDINGS)
def test_scale_of_the_outputs_follows_from_the_last_steps_and_the_loss(name):
    make, expected = ENDINGS[name]
    assert make().facts.outputs == expected


def test_reading_them_takes_no_longer_than_the_graph_is():
    """A tower of doubled outputs has 2⁶⁰ ways from its end to its beginning, a tower of logarithms is deep."""
    x = striate.Input((4,))
    doubled = ops.softmax(x)
    for _ in range(60):
        doubled = ops.add(doubled, doubled)
    assert striate.Model(x, doubled).facts.outputs == "unknown"
    tower = ops.softmax(x)
    for _ in range(1200):
        tower = ops.exp(ops.log(tower))
    assert striate.Model(x, tower).facts.outputs == "probabilities"


def test_numbers_for_every_place_are_followed_up_to_a_limit():
    """A mean for each pixel; not rows and columns whose product would fill the memory."""

    def less(*means):
        x = striate.Input((*np.broadcast_shapes(*(mean.shape for mean in means))[:2], 1))
        y = x
        for mean in means:
            y = y - mean.astype(np.float32)
        return striate.Model(x, ops.relu(y))

    assert less(np.full((20, 30, 1), 120.0)).facts.pixels == BYTES
    assert less(np.full((2000, 1, 1), 60.0), np.full((1, 2000, 1), 60.0)).facts.pixels is None


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("mse", "numbers"),
        (["mse"], "numbers"),
        ({"first": "mse"}, "numbers"),
        ({"module": "builtins", "class_name": "function", "config": "mse", "registered_name": "function"}, "numbers"),
        ({"class_name": "MeanSquaredError", "config": {"reduction": "sum"}}, "numbers"),
        ({"class_name": "BinaryFocalCrossentropy", "config": {"from_logits": True}}, "independent-logits"),
        ({"class_name": "CategoricalCrossentropy", "config": {"from_logits": False}}, "unknown"),
        ({"class_name": "Mine", "config": {"from_logits": True}}, "unknown"),
        (["", {}], "unknown"),
        ([], "unknown"),
        ({}, "unknown"),
        (3, "unknown"),
        ({"class_name": None, "config": 7}, "unknown"),
    ],
)
def test_losses_as_files_have_them(loss, expected):
    assert find_facts(ending(layers.Dense(3)), loss=loss).outputs == expected


def test_integers_are_pixels_from_0_to_255():
    assert find_facts(beginning(), dtype=np.uint8).pixels == BYTES


def test_of_a_network_that_has_seen_no_input_nothing_is_known():
    assert striate.Sequential([layers.Dense(3, activation="softmax")]).facts == Facts()


def test_facts_that_are_stated_stay_until_the_network_changes():
    model = beginning()
    model.facts = Facts((-1, 1), "independent")
    assert model.facts == Facts((-1.0, 1.0), "independent")
    model.pop()
    assert model.facts == Facts(None, "unknown")


def test_facts_are_saved_with_the_model(tmp_path):
    model = beginning()
    model.facts = Facts((-1, 1), "independent")
    model.save(tmp_path / "m.safetensors")
    loaded = striate.load_model(tmp_path / "m.safetensors")
    assert (loaded.facts, loaded.facts.file) == (model.facts, "Striate")
    model.export(tmp_path / "m.onnx")
    opened = striate.open_model(tmp_path / "m.onnx")
    assert (opened.facts, opened.facts.file) == (model.facts, "ONNX")


@pytest.mark.parametrize(
    "values",
    [
        None,
        [],
        {},
        {"pixels": [0, 1]},
        {"pixels": [1, 0], "outputs": "logits"},
        {"pixels": None, "outputs": 3},
        {"pixels": ["a", 1], "outputs": "logits"},
        {"pixels": 3, "outputs": "logits"},
    ],
)
def test_R4_facts_of_a_file_that_are_none(values):
    with pytest.raises(FormatError, match=r"^Facts\.from_json: expected pixels and outputs, got "):
        Facts.from_json(values)


@pytest.mark.parametrize("pixels", [(1, 0), (1, 1), (0, math.inf), (math.nan, 1)])
def test_R4_range_of_pixels(pixels):
    with pytest.raises(ArgumentError, match="pixels: expected black below white, got "):
        Facts(pixels)


def test_R4_scale():
    with pytest.raises(ArgumentError, match=r"outputs: expected one of probabilities, independent, .*, got 'percent'"):
        Facts(outputs="percent")


@pytest.mark.parametrize(
    ("scale", "outputs", "expected"),
    [
        ("probabilities", [0.2, 0.5, 0.3], [0.2, 0.5, 0.3]),
        ("independent", [0.9, 0.8, 0.1], [0.9, 0.8, 0.1]),
        ("independent", [0.9], [0.1, 0.9]),
        ("independent-logits", [0.0], [0.5, 0.5]),
        ("independent-logits", [2.0, -1000.0], [0.8807971, 0]),
        ("logits", [3.0, -1.0, 900.0], [0, 0, 1]),
        ("logits", [2.0, 1.0, 0.5], [0.6285317, 0.2312239, 0.1402444]),
        ("unknown", [2.0, 1.0, 0.5], [0.6285317, 0.2312239, 0.1402444]),
        ("log-probabilities", np.log([0.25, 0.75]), [0.25, 0.75]),
    ],
)
def test_probabilities_of_the_classes(scale, outputs, expected):
    shares = probabilities(scale, np.array([outputs], np.float32))
    assert shares.dtype == np.float32
    assert shares.shape == (1, class_count(scale, len(outputs)))
    np.testing.assert_allclose(shares[0], expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize(("scale", "outputs"), [("unknown", 1), ("logits", 1), ("numbers", 3), ("probabilities", 1)])
def test_what_is_no_score_of_classes(scale, outputs):
    assert class_count(scale, outputs) == 0


def test_summary_says_them(capsys):
    beginning(layers.Rescaling(1 / 255)).summary()
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == [
        "Input: pixels from 0 (black) to 255 (white)",
        "Output: probabilities that sum to 1 (softmax)",
    ]
    beginning().summary()
    line = "Input: pixels from 0 (black) to 1 (white), which is assumed: the network does not say"
    assert line in capsys.readouterr().out
    model = ending(layers.Dense(3))
    model.summary()
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "Output: numbers without a softmax or sigmoid; whether they are logits is not known"
    assert not any(line.startswith("Input: ") for line in lines)
    model = beginning()
    model.preprocessing = pixels_between(model, -1, 1)
    model.summary()
    assert (
        "Input: the whole picture, scaled to 6×6. In RGB, each number is (pixel − 127.5) / 127.5"
        in capsys.readouterr().out
    )


def test_only_what_matters_is_admitted():
    assert assumptions(beginning(layers.Rescaling(1 / 255)), "predict") == []
    assert [sentence[:50] for sentence in assumptions(beginning(), "predict")] == [
        "This file does not say how pictures become numbers"
    ]
    assert assumptions(ending(layers.Dense(1)), "predict") == []
    assert "predict --outputs" in assumptions(ending(layers.Dense(2)), "predict")[0]


@pytest.mark.parametrize("steps", range(MOST_STEPS - 3, MOST_STEPS + 4))
def test_as_many_steps_are_followed_as_is_said(steps):
    def first(x):
        for step in range(steps):
            x = x * (0.5 if step % 2 else 2)
        return x / 200

    assert computing(first).facts.pixels == (BYTES if steps < MOST_STEPS else None)
