"""A2: a network as a table."""

import math

import numpy as np

import striate
from striate import layers, ops
from striate.models import summarize


def rows(model):
    return {row.name: row for row in summarize(model).rows}


def test_A2_sizes_of_convolution_and_pooling():
    model = striate.Sequential(
        [
            striate.Input((20, 20, 1)),
            layers.Conv2D(4, 3, padding="same", name="a"),
            layers.Conv2D(4, 3, padding="same", name="b"),
            layers.MaxPooling2D(2, name="pool"),
            layers.Conv2D(4, 3, padding="same", name="c"),
        ]
    )
    assert [row.output_shape[1:3] for row in summarize(model).rows] == [(20, 20), (20, 20), (10, 10), (10, 10)]


def test_A2_inputs_of_one_unit():
    model = striate.Sequential(
        [
            striate.Input((28, 28, 1)),
            layers.Conv2D(3, 3, padding="same", name="conv"),
            layers.Conv2D(3, 3, padding="same", groups=3, name="grouped"),
            layers.MaxPooling2D(2, name="pool"),
        ]
    )
    found = rows(model)
    assert found["conv"].inputs_per_unit == 9
    assert found["grouped"].inputs_per_unit == 9
    assert found["pool"].inputs_per_unit == 4
    dense = striate.Sequential([striate.Input((28, 28)), layers.Flatten(), layers.Dense(10, name="dense")])
    assert rows(dense)["dense"].inputs_per_unit == 784


def test_A2_parameters_work_memory_and_receptive_fields():
    model = striate.architectures.lenet5()
    summary = summarize(model)
    by_kind = [(row.kind, row.parameters, row.multiply_adds) for row in summary.rows if row.parameters]
    assert by_kind == [
        ("Conv2D", 156, 28 * 28 * 6 * 25),
        ("Conv2D", 2416, 10 * 10 * 16 * 150),
        ("Dense", 48120, 48000),
        ("Dense", 10164, 10080),
        ("Dense", 850, 840),
    ]
    assert summary.parameters == summary.trainable_parameters == 61706
    assert summary.multiply_adds == 117600 + 240000 + 48000 + 10080 + 840
    assert [row.receptive_field for row in summary.rows][:4] == [(5, 5), (6, 6), (14, 14), (16, 16)]
    assert summary.rows[0].activation_bytes == 4 * 28 * 28 * 6
    assert summary.activation_bytes == sum(4 * math.prod(row.output_shape[1:]) for row in summary.rows)


def test_A2_text(capsys):
    striate.architectures.ocr().summary()
    text = capsys.readouterr().out
    for part in ("N×22×22×32", "N×20×20×32", "N×10×10×32", "N×40", "Parameters: ", "multiply-adds", "Receptive field"):
        assert part in text
    lines = []
    striate.architectures.ocr().summary(line_length=90, print_fn=lines.append)
    assert max(map(len, lines[0].splitlines()[1:-2])) <= 110
    wide = []
    striate.architectures.ocr().summary(line_length=111, print_fn=wide.append)
    assert max(map(len, wide[0].splitlines()[1:-2])) == 111
    assert "…" in lines[0]
    for width in (400, 20):
        striate.architectures.ocr().summary(line_length=width, print_fn=lines.append)
    names = [text.splitlines()[3].split("  ")[0] for text in lines]
    assert names[1] == "conv2d (Conv2D)"
    assert names[2] == "conv2d …"  # no shorter than 8


def test_A2_frozen_layers_and_running_statistics_are_not_trainable():
    model = striate.Sequential([striate.Input((8,)), layers.Dense(4), layers.BatchNormalization(), layers.Dense(2)])
    model.layers[0].trainable = False
    summary = summarize(model)
    assert (summary.parameters, summary.trainable_parameters) == (36 + 16 + 10, 8 + 10)


def test_A2_a_model_that_has_seen_no_input(capsys):
    striate.Sequential([layers.Dense(4)]).summary()
    assert "not built yet: give it an Input, or data" in capsys.readouterr().out
    (row,) = summarize(striate.Sequential([layers.Dense(4)])).rows
    assert row[1:] == ("Dense", (), 0, 0, 0, (), 0)


def test_A5_the_lectures_ocr_network():
    """20 → 22 → 20 → 10, dropout 0.25 and 0.5, softmax over 40 signs."""
    model = striate.architectures.ocr()
    sizes = [row.output_shape[1] for row in summarize(model).rows if len(row.output_shape) == 4]
    assert sizes == [22, 20, 10, 10]
    assert [layer.rate for layer in model.layers if isinstance(layer, layers.Dropout)] == [0.25, 0.5]
    assert model.outputs[0].shape == (None, 40)


def of_a_batch(batch_size, function):
    """A network that mixes the samples of a batch."""
    x = striate.Input((1, 128), batch_size=batch_size)
    return striate.Model(x, layers.Dense(3, name="dense")(function(x)))


def test_A2_network_made_for_a_batch_of_several():
    """Of four samples it leaves three out: at one sample there would be none left."""
    model = of_a_batch(4, lambda x: ops.reshape(ops.slice_axis(x, 0, 1, 4), (3, 64, 2)))
    row = rows(model)["dense"]
    assert row.output_shape == (3, 64, 3)
    assert (row.multiply_adds, row.activation_bytes) == (3 * 64 * 2 * 3 // 4, 4 * 3 * 64 * 3 // 4)
    assert model.facts.outputs == "unknown"
    assert model.predict(np.ones((4, 1, 128), np.float32), batch_size=4).shape == (3, 64, 3)


class MeanOfOthers(layers.Layer):
    """The mean of all samples but the first: of one sample there is none."""

    def call(self, inputs):
        return ops.mean(ops.slice_axis(inputs, 0, 1, inputs.shape[0]), 0, keepdims=True)


def test_A2_network_that_needs_several_samples_of_any_batch():
    model = of_a_batch(None, lambda x: layers.Flatten()(MeanOfOthers()(x)))
    assert rows(model)["dense"].output_shape == (None, 3)
    assert model.facts.outputs == "unknown"
